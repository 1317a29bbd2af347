"""Opening, locking and limiting portfolios."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from elson.common.errors import Conflict, DomainError
from trading.models import LedgerAccount, Portfolio, RiskLimits
from trading.services.amounts import LARGEST, amount_of, plain
from trading.services.ledger import opening_post

SMALLEST_CASH = Decimal(1_000)
# SQLite keeps 15 digits of a decimal: with 8 decimals that is exact below ten million.
LARGEST_CASH = Decimal(1_000_000)
# Cash already bounds an order; the notional limit is there to be tightened, with room for gains.
NOTIONAL_ALLOWANCE = 5


class PortfolioInvalid(DomainError):
    """A portfolio or its limits cannot be as asked for."""


class PortfolioNameTaken(Conflict):
    """The user has a portfolio of that name."""


class PortfolioArchived(Conflict):
    """The portfolio was put away; nothing happens in it any more."""


@transaction.atomic
def portfolio_open(
    *, user: Any, name: str, cash: Decimal, replay: Any = None, now: dt.datetime
) -> Portfolio:
    """Open a paper portfolio with its ledger, opening entry and limits.

    `replay` is the session whose market it lives in; its clock dates the opening entry.
    Raises PortfolioInvalid, PortfolioNameTaken.
    """
    amount = amount_of(cash)
    if not SMALLEST_CASH <= amount <= LARGEST_CASH:
        raise PortfolioInvalid(
            "CASH_OUT_OF_RANGE",
            f"opening cash {plain(amount)} is outside {plain(SMALLEST_CASH)} to "
            f"{plain(LARGEST_CASH)}",
            field="cash",
        )
    market_at = replay.cursor_at if replay else now
    try:
        with transaction.atomic():
            portfolio = Portfolio.objects.create(
                user=user, name=name, opening_cash=amount, replay=replay, processed_at=market_at
            )
    except IntegrityError as error:
        raise PortfolioNameTaken(
            "PORTFOLIO_NAME_TAKEN", f"you already have a portfolio named {name!r}", field="name"
        ) from error
    LedgerAccount.objects.bulk_create(
        LedgerAccount(portfolio=portfolio, kind=kind, currency=portfolio.currency)
        for kind in LedgerAccount.Kind.values
    )
    RiskLimits.objects.create(portfolio=portfolio, max_order_notional=amount * NOTIONAL_ALLOWANCE)
    opening_post(portfolio=portfolio, cash=amount, market_at=market_at)
    return portfolio


def portfolio_lock(portfolio_id: int) -> Portfolio:
    """Take the row lock that everything moving money waits for; call inside a transaction.

    On SQLite the transaction itself is that lock: it begins IMMEDIATE.
    """
    return (
        Portfolio.objects.select_for_update(of=("self",))
        .select_related("replay__lead", "risk_limits")
        .get(pk=portfolio_id)
    )


def archived_refuse(locked: Portfolio) -> None:
    """Refuse what would begin in a portfolio that was put away meanwhile, in another tab say.

    Raises PortfolioArchived.
    """
    if locked.is_archived:
        raise PortfolioArchived(
            "PORTFOLIO_ARCHIVED", f"portfolio {locked.name} was put away and takes no more orders"
        )


_BOUNDS: dict[str, tuple[Any, Any]] = {
    "max_order_notional": (Decimal(1), LARGEST),
    "max_position_weight": (0.01, 1.0),
    "max_gross_exposure": (0.01, 1.0),
    "max_daily_loss_ratio": (0.001, 1.0),
    "max_open_orders": (1, 1_000),
    "max_orders_per_minute": (1, 6_000),
}
