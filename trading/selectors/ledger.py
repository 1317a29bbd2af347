"""What the books say: balances and rows with a running balance."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, Prefetch, Q, QuerySet

from trading.models import (
    JournalEntry,
    LedgerAccount,
    Portfolio,
    Position,
    Posting,
)
from trading.selectors.exact import ZERO, ExactSum


@dataclass(frozen=True, slots=True)
class Balance:
    """One account's balance: debit positive. `shown` has the sign a person expects."""

    kind: str
    label: str
    balance: Decimal
    shown: Decimal
    n_postings: int


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One line of the books with the balance of the picked account after it."""

    entry_id: int
    sequence: int
    kind: str
    market_at: dt.datetime
    created_at: dt.datetime
    description: str
    account_kind: str
    account_label: str
    symbol: str
    debit: Decimal | None
    credit: Decimal | None
    running_balance: Decimal
    order_uuid: str | None


@dataclass(frozen=True, slots=True)
class LedgerControl:
    """The line under the ledger: what must agree, and whether it does."""

    total: Decimal
    n_entries: int
    positions_match: bool
    cash: Decimal
    equity_from_books: Decimal
    is_balanced: bool


def ledger_balances(portfolio: Portfolio) -> dict[str, Balance]:
    """Balance of each account by kind: the sum of its postings, nothing cached."""
    found = {
        account.kind: account
        for account in LedgerAccount.objects.filter(portfolio=portfolio).annotate(
            total=ExactSum("postings__amount"),
            n_postings=Count("postings"),
        )
    }
    return {
        kind: _balance(kind, label, found.get(kind)) for kind, label in LedgerAccount.Kind.choices
    }


def cash_get(portfolio: Portfolio) -> Decimal:
    """Return the balance of the cash account, as kept by the last entry."""
    kept = LedgerAccount.objects.filter(portfolio=portfolio, kind=LedgerAccount.Kind.CASH)
    balance = kept.values_list("balance", flat=True).first()
    return ZERO if balance is None else balance


def ledger_rows(
    portfolio: Portfolio, *, kind: str = LedgerAccount.Kind.CASH, page: int = 1, size: int = 50
) -> tuple[list[LedgerRow], int]:
    """Rows of one account, newest first, with the running balance; and how many there are."""
    postings = Posting.objects.filter(account__portfolio=portfolio, account__kind=kind)
    n_rows = postings.count()
    newest = postings.order_by("-entry__sequence", "-pk").select_related(
        "entry", "entry__fill__order", "account", "instrument"
    )
    start = (page - 1) * size
    shown = list(newest[start : start + size])
    if not shown:
        return [], n_rows
    later = postings.filter(
        Q(entry__sequence__gt=shown[0].entry.sequence)
        | Q(entry__sequence=shown[0].entry.sequence, pk__gt=shown[0].pk)
    ).aggregate(total=ExactSum("amount"))["total"]
    total = postings.aggregate(total=ExactSum("amount"))["total"] or ZERO
    return list(_with_balance(shown, total - (later or ZERO))), n_rows


def entry_list(portfolio: Portfolio | None) -> QuerySet[JournalEntry]:
    """Entries of a portfolio's books with their postings, newest first."""
    lines = Posting.objects.select_related("account", "instrument").order_by("pk")
    return (
        JournalEntry.objects.filter(portfolio=portfolio)
        .select_related("fill__order")
        .prefetch_related(Prefetch("postings", lines))
        .order_by("-sequence")
    )


def ledger_control(portfolio: Portfolio) -> LedgerControl:
    """Whether the books sum to zero and agree with the positions."""
    balances = ledger_balances(portfolio)
    total = sum((item.balance for item in balances.values()), ZERO)
    basis = (
        Position.objects.filter(portfolio=portfolio).aggregate(t=ExactSum("cost_basis"))["t"]
        or ZERO
    )
    value = ZERO
    for position in Position.objects.filter(portfolio=portfolio).exclude(quantity=0):
        value += position.quantity * (position.last_price or position.avg_entry_price)
    positions_match = basis == balances["POSITIONS"].balance
    return LedgerControl(
        total=total,
        n_entries=JournalEntry.objects.filter(portfolio=portfolio).count(),
        positions_match=positions_match,
        cash=balances["CASH"].balance,
        equity_from_books=balances["CASH"].balance + value,
        is_balanced=total == 0 and positions_match,
    )


def _balance(kind: str, label: str, account: LedgerAccount | None) -> Balance:
    total = getattr(account, "total", ZERO)
    # Income and capital stand on the credit side; a person reads them with the other sign.
    is_credit = kind in (LedgerAccount.Kind.DEPOSITS, LedgerAccount.Kind.REALIZED_PNL)
    return Balance(
        kind=str(kind),
        label=str(label),
        balance=total,
        shown=-total if is_credit and total else total,
        n_postings=getattr(account, "n_postings", 0),
    )


def _with_balance(postings: list[Posting], newest_balance: Decimal) -> Iterator[LedgerRow]:
    balance = newest_balance
    for posting in postings:
        entry = posting.entry
        order = entry.fill.order if entry.fill else None
        yield LedgerRow(
            entry_id=entry.pk,
            sequence=entry.sequence,
            kind=entry.kind,
            market_at=entry.market_at,
            created_at=entry.created_at,
            description=entry.description,
            account_kind=posting.account.kind,
            account_label=posting.account.get_kind_display(),
            symbol=posting.instrument.symbol if posting.instrument else "",
            debit=posting.amount if posting.amount > 0 else None,
            credit=-posting.amount if posting.amount < 0 else None,
            running_balance=balance,
            order_uuid=str(order.uuid) if order else None,
        )
        balance -= posting.amount
