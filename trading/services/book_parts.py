"""Whose units a sale by hand takes: the person's own first, then those of strategies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from marketdata.models import Instrument
from trading.models import Deployment, Portfolio
from trading.services.amounts import ZERO, amount_of, round_to_step

# Books are floats: a difference below this share of what they hold is rounding, not a sale.
ROUNDING = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class BookPart:
    """Units that a sale takes from one strategy, of those it holds."""

    deployment: Deployment
    quantity: Decimal
    held_before: Decimal

    @property
    def held_after(self) -> Decimal:
        """Units left to the strategy."""
        return self.held_before - self.quantity


def sale_parts(
    portfolio: Portfolio, instrument: Instrument, held: Decimal, quantity: Decimal
) -> list[BookPart]:
    """Say what a sale by hand would take from each strategy, where it is filled now.

    `held` is the portfolio's position before it. A purchase, at or below 0, takes nothing.
    """
    if quantity <= 0:
        return []
    deployments = list(
        Deployment.objects.filter(portfolio=portfolio, instrument=instrument)
        .select_related("version__strategy")
        .order_by("pk")
    )
    taken = excess_of(deployments, held - quantity)
    books = {item.pk: booked_of(item) for item in deployments}
    parts = parts_of(deployments, books, taken, instrument.quantity_step)
    return [BookPart(item, units, books[item.pk]) for item, units in parts]


def excess_of(deployments: Sequence[Deployment], held: Decimal) -> Decimal:
    """Return the units in the books that the portfolio does not hold; 0 for none."""
    booked = sum((booked_of(item) for item in deployments), ZERO)
    excess = booked - held
    return excess if excess > ROUNDING * booked else ZERO


def parts_of(
    deployments: Sequence[Deployment], books: Mapping[int, Decimal], taken: Decimal, step: Decimal
) -> Iterator[tuple[Deployment, Decimal]]:
    """Divide what was taken: among stopped strategies first, then among all at work."""
    stopped = [item for item in deployments if item.status == Deployment.Status.STOPPED]
    at_work = [item for item in deployments if item.status != Deployment.Status.STOPPED]
    for group in (stopped, at_work):
        holding = [item for item in group if books[item.pk] > 0]
        found = shares_of(taken, [books[item.pk] for item in holding], step)
        yield from (pair for pair in zip(holding, found, strict=True) if pair[1] > 0)
        taken -= sum(found, ZERO)


def shares_of(quantity: Decimal, holdings: Sequence[Decimal], step: Decimal) -> list[Decimal]:
    """Divide units by what each holds, in whole steps; the largest remainder is rounded up first.

    Together they are `quantity`, at most all that is held, and none is more than its holding.
    """
    total = sum(holdings, ZERO)
    if quantity >= total:
        return list(holdings)
    exact = [quantity * holding / total for holding in holdings]
    parts = [round_to_step(part, step) for part in exact]
    rest = quantity - sum(parts, ZERO)
    for i in sorted(range(len(parts)), key=lambda i: parts[i] - exact[i]):
        more = min(step, rest, holdings[i] - parts[i])
        parts[i] += more
        rest -= more
    return parts


def booked_of(deployment: Deployment) -> Decimal:
    """Return the units in a strategy's own book."""
    return amount_of(float(deployment.state.get("quantity", 0.0)))
