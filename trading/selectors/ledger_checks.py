"""Every broken invariant of the books, found in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection
from django.db.models import Case, Count, DecimalField, F, Max, Min, QuerySet, When

from elson.common.snapshots import one_snapshot
from trading.engine.types import WORKING_STATUSES
from trading.models import (
    Fill,
    JournalEntry,
    LedgerAccount,
    Order,
    Portfolio,
    Position,
    Posting,
)
from trading.models.immutable import TRIGGER_PREFIX, ImmutableModel
from trading.selectors.exact import ZERO, ExactSum
from trading.selectors.ledger import cash_get

_AMOUNT = DecimalField(max_digits=24, decimal_places=8)
Scope = dict[str, Portfolio]


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken invariant, with the first row that shows it."""

    invariant: str
    portfolio_id: int | None
    row: str
    message: str


def ledger_verify(portfolio: Portfolio | None = None) -> list[Violation]:
    """Check the books against their invariants in SQL; empty when all hold.

    L1 entries balance · L2 all accounts sum to 0 · L3 cached values equal their postings · L4 rows
    are guarded · L5 reserves are those of working orders · L6 cash is not negative · L7 a final
    order reserves nothing · L11 one fill, one entry · L12 numbering without gaps · O5 fills add up.
    All checks see the same moment, so books that others write meanwhile are not called broken.
    """
    scope = {} if portfolio is None else {"portfolio": portfolio}
    with one_snapshot():
        return [violation for check in _CHECKS for violation in check(scope)]


def ledger_summary(portfolio: Portfolio | None = None) -> dict[str, int]:
    """Count what `ledger_verify` looks at."""
    scope = {} if portfolio is None else {"portfolio": portfolio}
    owner = {f"entry__{key}": value for key, value in scope.items()}
    return {
        "n_portfolios": 1 if portfolio is not None else Portfolio.objects.count(),
        "n_entries": JournalEntry.objects.filter(**scope).count(),
        "n_postings": Posting.objects.filter(**owner).count(),
    }


def _entries(scope: Scope) -> QuerySet[JournalEntry]:
    return JournalEntry.objects.filter(**scope)


def _entries_balance(scope: Scope) -> Iterator[Violation]:
    sums = (
        _entries(scope)
        .values("pk", "portfolio_id", "sequence", "postings__account__currency")
        .annotate(total=ExactSum("postings__amount"), n=Count("postings"))
        .exclude(total=0, n__gte=2)
        .order_by("pk")
    )
    for row in sums[:10]:
        yield Violation(
            "L1",
            row["portfolio_id"],
            f"entry {row['pk']}",
            f"entry #{row['sequence']} sums to {row['total']} over {row['n']} postings, not to 0",
        )


def _accounts_sum_to_zero(scope: Scope) -> Iterator[Violation]:
    totals = (
        LedgerAccount.objects.filter(**scope)
        .values("portfolio_id", "currency")
        .annotate(total=ExactSum("postings__amount"))
        .exclude(total=0)
        .order_by("portfolio_id")
    )
    for row in totals[:10]:
        yield Violation(
            "L2",
            row["portfolio_id"],
            f"portfolio {row['portfolio_id']}",
            f"all accounts sum to {row['total']} {row['currency']}, not to 0",
        )


def _kept_balances_are_true(scope: Scope) -> Iterator[Violation]:
    accounts = LedgerAccount.objects.filter(**scope).annotate(total=ExactSum("postings__amount"))
    for account in accounts.order_by("pk").iterator():
        if account.balance != account.total:
            yield Violation(
                "L3",
                account.portfolio_id,
                f"ledger account {account.pk}",
                f"{account.kind} is kept as {account.balance}, its postings sum to {account.total}",
            )


def _foreign_accounts(scope: Scope) -> Iterator[Violation]:
    strays = (
        Posting.objects.exclude(account__portfolio=F("entry__portfolio"))
        .filter(**{f"entry__{key}": value for key, value in scope.items()})
        .select_related("entry")
        .order_by("pk")
    )
    for posting in strays[:10]:
        yield Violation(
            "L2",
            posting.entry.portfolio_id,
            f"posting {posting.pk}",
            f"entry #{posting.entry.sequence} posts to an account of another portfolio",
        )


def _positions_equal_books(scope: Scope) -> Iterator[Violation]:
    books = {
        (row["entry__portfolio_id"], row["instrument_id"], row["account__kind"]): row["total"]
        for row in Posting.objects.filter(
            instrument__isnull=False, **{f"entry__{key}": value for key, value in scope.items()}
        )
        .values("entry__portfolio_id", "instrument_id", "account__kind")
        .annotate(total=ExactSum("amount"))
    }
    kinds = LedgerAccount.Kind
    for position in Position.objects.filter(**scope).order_by("pk").iterator():
        key = (position.portfolio_id, position.instrument_id)
        for kind, cached, name in (
            (kinds.POSITIONS, position.cost_basis, "cost basis"),
            (kinds.REALIZED_PNL, -position.realized_pnl, "realized result"),
            (kinds.COMMISSIONS, position.commission_total, "commission"),
        ):
            booked = books.get((*key, kind), ZERO)
            if booked != cached:
                yield Violation(
                    "L3",
                    position.portfolio_id,
                    f"position {position.pk}",
                    f"{name} of instrument {position.instrument_id} is {cached}, "
                    f"its postings sum to {booked}",
                )


def _rows_are_guarded(scope: Scope) -> Iterator[Violation]:
    changes, removals = _guarded_tables()
    for model in sorted(ImmutableModel.__subclasses__(), key=lambda model: model._meta.db_table):
        table = model._meta.db_table
        for guarded, words in ((changes, "changes"), (removals, "removals")):
            if table not in guarded:
                text = f"{table} has no trigger against {words}"
                yield Violation("L4", None, f"table {table}", text)


def _guarded_tables() -> tuple[set[str], set[str]]:
    """Return the tables whose rows nobody can change, and those whose rows nobody can remove."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # One trigger for both: bit 3 of its type stands for DELETE, bit 4 for UPDATE.
            cursor.execute(
                "SELECT c.relname, t.tgtype & 16 <> 0, t.tgtype & 8 <> 0 FROM pg_trigger t "
                "JOIN pg_class c ON c.oid = t.tgrelid "
                "WHERE t.tgname = %s AND t.tgenabled <> 'D'",
                [f"{TRIGGER_PREFIX}row"],
            )
            rows = cursor.fetchall()
            return {row[0] for row in rows if row[1]}, {row[0] for row in rows if row[2]}
        cursor.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'")
        found = cursor.fetchall()
    return (
        {table for name, table in found if name == f"{TRIGGER_PREFIX}update_{table}"},
        {table for name, table in found if name == f"{TRIGGER_PREFIX}delete_{table}"},
    )


def _final_orders_reserve_nothing(scope: Scope) -> Iterator[Violation]:
    final = Order.objects.filter(**scope).exclude(status__in=WORKING_STATUSES)
    for order in final.exclude(reserved_cash=0).order_by("pk")[:10]:
        yield Violation(
            "L7",
            order.portfolio_id,
            f"order {order.pk}",
            f"{order.status} order {order.client_order_id} still reserves {order.reserved_cash}",
        )


def _cash_is_not_negative(scope: Scope) -> Iterator[Violation]:
    balances = (
        LedgerAccount.objects.filter(kind=LedgerAccount.Kind.CASH, **scope)
        .annotate(total=ExactSum("postings__amount"))
        .filter(total__lt=0)
        .order_by("pk")
    )
    for account in balances[:10]:
        yield Violation(
            "L6",
            account.portfolio_id,
            f"ledger account {account.pk}",
            f"cash is {account.total} {account.currency}, below 0",
        )


def _reserves_are_covered(scope: Scope) -> Iterator[Violation]:
    reserved = (
        Order.objects.filter(status__in=WORKING_STATUSES, **scope)
        .values("portfolio_id")
        .annotate(total=ExactSum("reserved_cash"))
        .order_by("portfolio_id")
    )
    for row in reserved:
        portfolio = Portfolio.objects.get(pk=row["portfolio_id"])
        cash = cash_get(portfolio)
        if row["total"] > cash:
            yield Violation(
                "L5",
                portfolio.pk,
                f"portfolio {portfolio.pk}",
                f"orders reserve {row['total']} of {cash} cash",
            )


def _fills_have_one_entry(scope: Scope) -> Iterator[Violation]:
    owner = {f"order__{key}": value for key, value in scope.items()}
    fills = Fill.objects.filter(**owner).annotate(n_entries=Count("entries")).exclude(n_entries=1)
    for fill in fills.order_by("pk").select_related("order")[:10]:
        yield Violation(
            "L11",
            fill.order.portfolio_id,
            f"fill {fill.pk}",
            f"fill {fill.trade_id} has {fill.n_entries} journal entries, not 1",
        )


def _numbering_has_no_gap(scope: Scope) -> Iterator[Violation]:
    counts = (
        _entries(scope)
        .values("portfolio_id")
        .annotate(first=Min("sequence"), last=Max("sequence"), n=Count("pk"))
        .exclude(first=1, last=F("n"))
        .order_by("portfolio_id")
    )
    for row in counts[:10]:
        numbers = set(
            JournalEntry.objects.filter(portfolio_id=row["portfolio_id"]).values_list(
                "sequence", flat=True
            )
        )
        missing = next(n for n in range(1, row["last"] + 1) if n not in numbers)
        yield Violation(
            "L12",
            row["portfolio_id"],
            f"entry #{missing}",
            f"entry number {missing} is missing; "
            f"{row['n']} entries are numbered up to {row['last']}",
        )


def _fills_add_up(scope: Scope) -> Iterator[Violation]:
    orders = Order.objects.filter(**scope).annotate(total=ExactSum("fills__quantity"))
    for order in orders.order_by("pk").iterator():
        if order.total != order.filled_quantity:
            yield Violation(
                "O5",
                order.portfolio_id,
                f"order {order.pk}",
                f"{order.client_order_id} says {order.filled_quantity} filled, "
                f"its fills sum to {order.total}",
            )


def _positions_equal_fills(scope: Scope) -> Iterator[Violation]:
    owner = {f"order__{key}": value for key, value in scope.items()}
    signed = Case(
        When(order__side="SELL", then=-F("quantity")), default=F("quantity"), output_field=_AMOUNT
    )
    totals = {
        (row["order__portfolio_id"], row["order__instrument_id"]): row["total"]
        for row in Fill.objects.filter(**owner)
        .values("order__portfolio_id", "order__instrument_id")
        .annotate(total=ExactSum(signed))
    }
    held = {
        (position.portfolio_id, position.instrument_id): position
        for position in Position.objects.filter(**scope)
    }
    for key in sorted({*totals, *held}):
        quantity = held[key].quantity if key in held else ZERO
        if quantity != totals.get(key, ZERO):
            yield Violation(
                "P1",
                key[0],
                f"position of instrument {key[1]}",
                f"holds {quantity}, its fills sum to {totals.get(key, ZERO)}",
            )


_CHECKS = (
    _entries_balance,
    _accounts_sum_to_zero,
    _kept_balances_are_true,
    _foreign_accounts,
    _positions_equal_books,
    _rows_are_guarded,
    _reserves_are_covered,
    _cash_is_not_negative,
    _final_orders_reserve_nothing,
    _fills_have_one_entry,
    _numbering_has_no_gap,
    _fills_add_up,
    _positions_equal_fills,
)
