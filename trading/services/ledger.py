"""Double entry: what moves money, and the check that nothing else did.

Debits are positive, credits negative, each entry sums to zero. Fills are booked at cost: a purchase
moves money from CASH to POSITIONS, a sale moves the cost out again and the difference to
REALIZED_PNL; commissions are an expense of their own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import Max

from elson.common.errors import Conflict, DomainError
from trading.models import Fill, JournalEntry, LedgerAccount, Portfolio, Posting
from trading.services.amounts import UNIT, ZERO, amount_of, plain

Kind = LedgerAccount.Kind


class EntryInvalid(DomainError):
    """The entry does not balance, or carries an amount the books cannot hold."""


class EntryConflict(Conflict):
    """The same business event was posted before with other amounts."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an entry to be posted: debit positive, credit negative."""

    kind: str
    amount: Decimal
    instrument_id: int | None = None


@dataclass(frozen=True, slots=True)
class FillBooking:
    """What one fill does to a position and to the books."""

    quantity: Decimal
    cost_basis: Decimal
    avg_entry_price: Decimal
    cash_flow: Decimal
    cost_change: Decimal
    realized_pnl: Decimal
    commission: Decimal


@transaction.atomic
def entry_post(
    *,
    portfolio: Portfolio,
    kind: str,
    description: str,
    source_key: str,
    lines: Sequence[Line],
    market_at: dt.datetime,
    fill: Fill | None = None,
) -> JournalEntry:
    """Post a balanced entry; the same source key with the same lines answers the first entry.

    Locks the portfolio row, which makes the numbering gapless. Raises EntryInvalid, EntryConflict.
    """
    kept = _balanced(lines, source_key)
    Portfolio.objects.select_for_update().get(pk=portfolio.pk)
    earlier = JournalEntry.objects.filter(portfolio=portfolio, source_key=source_key).first()
    if earlier is not None:
        return _same(earlier, kept)
    last = JournalEntry.objects.filter(portfolio=portfolio).aggregate(last=Max("sequence"))["last"]
    entry = JournalEntry.objects.create(
        portfolio=portfolio,
        sequence=(last or 0) + 1,
        kind=kind,
        description=description[:200],
        source_key=source_key,
        fill=fill,
        market_at=market_at,
    )
    accounts = _accounts(portfolio)
    Posting.objects.bulk_create(
        Posting(
            entry=entry,
            account=accounts[line.kind],
            instrument_id=line.instrument_id,
            amount=line.amount,
        )
        for line in kept
    )
    for line in kept:
        accounts[line.kind].balance += line.amount
    # Added up here and not in SQL: SQLite would do it in floats.
    LedgerAccount.objects.bulk_update(
        [accounts[kind] for kind in {line.kind for line in kept}], ["balance"]
    )
    return entry


def opening_post(*, portfolio: Portfolio, cash: Decimal, market_at: dt.datetime) -> JournalEntry:
    """Book the money a portfolio begins with."""
    return entry_post(
        portfolio=portfolio,
        kind=JournalEntry.Kind.OPENING,
        description=f"opening balance +{plain(cash)} {portfolio.currency}",
        source_key="opening",
        lines=[Line(Kind.CASH, cash), Line(Kind.DEPOSITS, -cash)],
        market_at=market_at,
    )


def fill_post(*, portfolio: Portfolio, fill: Fill, booking: FillBooking) -> JournalEntry:
    """Book one fill: cash, position at cost, realized result and commission in one entry."""
    order = fill.order
    instrument = order.instrument
    verb = "bought" if order.side == "BUY" else "sold"
    return entry_post(
        portfolio=portfolio,
        kind=JournalEntry.Kind.FILL,
        description=f"{verb} {plain(fill.quantity)} {instrument.symbol} at {plain(fill.price)}",
        source_key=f"fill:{order.uuid}:{fill.trade_id}",
        lines=[
            Line(Kind.CASH, booking.cash_flow - booking.commission, instrument.pk),
            Line(Kind.POSITIONS, booking.cost_change, instrument.pk),
            Line(Kind.REALIZED_PNL, -booking.realized_pnl, instrument.pk),
            Line(Kind.COMMISSIONS, booking.commission, instrument.pk),
        ],
        market_at=fill.filled_at,
        fill=fill,
    )


def entry_reverse(*, entry: JournalEntry, reason: str, market_at: dt.datetime) -> JournalEntry:
    """Correct an entry by one with the opposite signs that names its cause."""
    lines = [
        Line(posting.account.kind, -posting.amount, posting.instrument_id)
        for posting in entry.postings.select_related("account").order_by("pk")
    ]
    return entry_post(
        portfolio=entry.portfolio,
        kind=JournalEntry.Kind.REVERSAL,
        description=f"reverses #{entry.sequence}: {reason}",
        source_key=f"reversal:{entry.pk}",
        lines=lines,
        market_at=market_at,
    )


def booking_of(
    *,
    held: Decimal,
    cost_basis: Decimal,
    signed_quantity: Decimal,
    price: Decimal,
    commission: Decimal,
) -> FillBooking:
    """Work out what a fill does to a position held at `cost_basis`; pure, exact to the unit.

    Cost leaves in proportion to the quantity closed, all of it when the position goes flat, so the
    books never keep a remainder. Crossing zero closes first, then opens at the fill's price.
    """
    value = amount_of(signed_quantity * price)
    closed = _closed_quantity(held, signed_quantity)
    closed_value = value if closed == signed_quantity else amount_of(closed * price)
    removed = cost_basis if closed == -held else amount_of(cost_basis * (-closed) / held)
    if closed == 0:
        removed = ZERO
    quantity = held + signed_quantity
    new_basis = cost_basis - removed + (value - closed_value)
    return FillBooking(
        quantity=quantity,
        cost_basis=new_basis,
        avg_entry_price=amount_of(new_basis / quantity) if quantity else ZERO,
        cash_flow=-value,
        cost_change=new_basis - cost_basis,
        # Closing a long of cost 10 at 12: closed value -12, so the gain is 12 - 10.
        realized_pnl=-closed_value - removed,
        commission=commission,
    )


def _closed_quantity(held: Decimal, signed_quantity: Decimal) -> Decimal:
    """Part of a fill that closes what is held, with the fill's sign; 0 when it only adds."""
    if held == 0 or (held > 0) == (signed_quantity > 0):
        return ZERO
    return signed_quantity if abs(signed_quantity) <= abs(held) else -held


def _balanced(lines: Sequence[Line], source_key: str) -> list[Line]:
    for line in lines:
        if not isinstance(line.amount, Decimal) or not line.amount.is_finite():
            raise EntryInvalid(
                "ENTRY_AMOUNT_INVALID",
                f"entry {source_key}: {line.amount!r} on {line.kind} is not an exact amount",
                field="amount",
            )
        if line.amount != line.amount.quantize(UNIT):
            raise EntryInvalid(
                "ENTRY_AMOUNT_INVALID",
                f"entry {source_key}: {line.amount} on {line.kind} has more than 8 decimals",
                field="amount",
            )
    total = sum((line.amount for line in lines), ZERO)
    kept = [line for line in lines if line.amount != 0]
    if total != 0 or len(kept) < 2:
        raise EntryInvalid(
            "ENTRY_UNBALANCED",
            f"entry {source_key} sums to {plain(total)} over {len(kept)} lines; "
            "it must sum to 0 over at least two",
        )
    return kept


def _same(earlier: JournalEntry, lines: Sequence[Line]) -> JournalEntry:
    posted = sorted(
        (posting.account.kind, posting.amount, posting.instrument_id or 0)
        for posting in earlier.postings.select_related("account")
    )
    if posted != sorted((line.kind, line.amount, line.instrument_id or 0) for line in lines):
        raise EntryConflict(
            "ENTRY_SOURCE_REUSED",
            f"{earlier.source_key} was posted as entry #{earlier.sequence} with other amounts",
        )
    return earlier


def _accounts(portfolio: Portfolio) -> dict[str, LedgerAccount]:
    accounts = LedgerAccount.objects.filter(portfolio=portfolio, currency=portfolio.currency)
    found = {account.kind: account for account in accounts}
    for kind in Kind.values:
        if kind not in found:
            found[kind] = LedgerAccount.objects.create(
                portfolio=portfolio, kind=kind, currency=portfolio.currency
            )
    return found
