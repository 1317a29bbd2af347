"""The books: balanced or refused, once per event, numbered without gaps, never changed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from trading.models import (
    BookChange,
    Decision,
    Fill,
    HoldoutLook,
    JournalEntry,
    LedgerAccount,
    ModelApproval,
    ModelTransition,
    OrderEvent,
    ParameterSweep,
    Posting,
    TrialLedgerEntry,
)
from trading.models.immutable import RowImmutable
from trading.selectors.ledger import ledger_balances, ledger_control, ledger_rows
from trading.selectors.ledger_checks import ledger_verify
from trading.services.ledger import (
    EntryConflict,
    EntryInvalid,
    Line,
    booking_of,
    entry_post,
    entry_reverse,
)
from trading.tests.factories import FIRST_CLOSE, portfolio_make

pytestmark = pytest.mark.django_db
D = Decimal
Kind = LedgerAccount.Kind


def post(portfolio, amount="10", key="event-1", **fields):
    return entry_post(
        portfolio=portfolio,
        kind=JournalEntry.Kind.REVERSAL,
        description="test",
        source_key=key,
        lines=[Line(Kind.CASH, D(amount)), Line(Kind.DEPOSITS, -D(amount))],
        market_at=FIRST_CLOSE,
        **fields,
    )


def test_portfolio_open_books_the_opening_balance():
    portfolio = portfolio_make(cash=100_000)

    balances = ledger_balances(portfolio)

    assert balances["CASH"].balance == 100_000
    assert balances["DEPOSITS"].balance == -100_000
    assert balances["DEPOSITS"].shown == 100_000
    assert ledger_verify(portfolio) == []


def test_entry_post_refuses_an_entry_that_does_not_sum_to_zero():
    portfolio = portfolio_make()
    lines = [Line(Kind.CASH, D("10")), Line(Kind.DEPOSITS, D("-9.99"))]

    with pytest.raises(EntryInvalid, match=r"sums to 0\.01 over 2 lines"):
        entry_post(
            portfolio=portfolio, kind="FILL", description="x", source_key="x", lines=lines,
            market_at=FIRST_CLOSE,
        )  # fmt: skip

    assert JournalEntry.objects.filter(portfolio=portfolio).count() == 1


@pytest.mark.parametrize("amount", [0.1, D("0.123456789"), D("NaN")])
def test_entry_post_refuses_an_amount_that_is_not_exact(amount):
    portfolio = portfolio_make()

    with pytest.raises(EntryInvalid):
        entry_post(
            portfolio=portfolio, kind="FILL", description="x", source_key="x",
            lines=[Line(Kind.CASH, amount), Line(Kind.DEPOSITS, D(-1))], market_at=FIRST_CLOSE,
        )  # fmt: skip


def test_entry_post_answers_the_first_entry_for_the_same_event():
    portfolio = portfolio_make()

    first, second = post(portfolio), post(portfolio)

    assert first.pk == second.pk
    assert ledger_balances(portfolio)["CASH"].balance == 100_010


def test_entry_post_refuses_the_same_event_with_other_amounts():
    portfolio = portfolio_make()
    post(portfolio)

    with pytest.raises(EntryConflict, match="with other amounts"):
        post(portfolio, amount="11")


def test_entries_are_numbered_without_gaps():
    portfolio = portfolio_make()

    for number in range(5):
        post(portfolio, key=f"event-{number}")

    sequences = JournalEntry.objects.filter(portfolio=portfolio).values_list("sequence", flat=True)
    assert sorted(sequences) == [1, 2, 3, 4, 5, 6]


def test_entry_reverse_restores_every_balance_and_names_its_cause():
    portfolio = portfolio_make()
    entry = post(portfolio)

    reversal = entry_reverse(entry=entry, reason="typed twice", market_at=FIRST_CLOSE)

    assert reversal.description == "reverses #2: typed twice"
    assert ledger_balances(portfolio)["CASH"].balance == 100_000


def test_ledger_rows_run_the_balance_from_the_newest_back():
    portfolio = portfolio_make()
    for number in range(3):
        post(portfolio, key=f"event-{number}")

    rows, n_rows = ledger_rows(portfolio, page=1, size=2)
    older, _ = ledger_rows(portfolio, page=2, size=2)

    assert n_rows == 4
    assert [row.running_balance for row in rows + older] == [100_030, 100_020, 100_010, 100_000]
    assert ledger_control(portfolio).is_balanced


def test_ledger_verify_names_the_entry_that_does_not_balance():
    portfolio = portfolio_make()
    entry = JournalEntry.objects.get(portfolio=portfolio)
    cash = LedgerAccount.objects.get(portfolio=portfolio, kind=Kind.CASH)
    Posting.objects.create(entry=entry, account=cash, amount=D("0.01"))

    found = ledger_verify(portfolio)

    assert [item.invariant for item in found][:2] == ["L1", "L2"]
    assert "entry #1 sums to 0.01" in found[0].message


def test_ledger_verify_names_a_missing_number():
    portfolio = portfolio_make()
    JournalEntry.objects.create(
        portfolio=portfolio, sequence=3, kind="FILL", description="", source_key="stray",
        market_at=FIRST_CLOSE,
    )  # fmt: skip

    found = {item.invariant: item for item in ledger_verify(portfolio)}

    assert "entry number 2 is missing" in found["L12"].message


def test_a_posted_row_cannot_be_changed_through_the_model():
    portfolio = portfolio_make()
    entry = JournalEntry.objects.get(portfolio=portfolio)

    for change in (entry.save, entry.delete, Posting.objects.all().delete):
        with pytest.raises(RowImmutable):
            change()
    with pytest.raises(RowImmutable):
        JournalEntry.objects.update(description="other")


@pytest.mark.parametrize(
    "model",
    [
        JournalEntry,
        Posting,
        OrderEvent,
        BookChange,
        Fill,
        Decision,
        TrialLedgerEntry,
        HoldoutLook,
        ModelTransition,
        ModelApproval,
        ParameterSweep,
    ],
)
def test_every_history_table_carries_its_guard(model):
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT count(*) FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname = %s",
                [model._meta.db_table, "immutable_row"],
            )
        else:
            cursor.execute(
                "SELECT count(*) / 2 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s",
                [model._meta.db_table],
            )

        assert cursor.fetchone()[0] == 1


@pytest.mark.parametrize(
    "sql",
    ["UPDATE trading_posting SET amount = amount + 1", "DELETE FROM trading_posting"],
)
def test_the_database_itself_refuses_to_change_a_posting(sql):
    portfolio_make()

    with (
        pytest.raises(IntegrityError, match="never changed or removed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)

    assert Posting.objects.count() == 2


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has no REPLACE")
def test_a_posting_cannot_be_replaced_either():
    portfolio_make()
    columns = ", ".join(field.column for field in Posting._meta.concrete_fields)

    with (
        pytest.raises(IntegrityError, match="never changed or removed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            f"INSERT OR REPLACE INTO trading_posting ({columns}) "  # noqa: S608 - our own columns
            f"SELECT {columns} FROM trading_posting LIMIT 1"
        )


@pytest.mark.skipif(connection.vendor != "sqlite", reason="its triggers are one for each verb")
@pytest.mark.parametrize(("verb", "words"), [("update", "changes"), ("delete", "removals")])
def test_a_history_table_without_one_of_its_guards_is_a_violation(verb, words):
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER immutable_{verb}_trading_trialledgerentry")

    (found,) = ledger_verify()

    assert found.invariant == "L4"
    assert found.message == f"trading_trialledgerentry has no trigger against {words}"


@pytest.mark.django_db(transaction=True)
def test_flush_empties_the_books_and_leaves_them_guarded():
    from django.core.management import call_command

    portfolio_make()

    call_command("flush", interactive=False, verbosity=0)

    assert not Posting.objects.exists()
    assert ledger_verify() == []


amounts = st.decimals(min_value="0.0001", max_value="1000", places=4)
prices = st.decimals(min_value="0.01", max_value="5000", places=2)


@given(
    steps=st.lists(
        st.tuples(st.booleans(), amounts, prices, st.decimals(0, 5, places=2)),
        min_size=1,
        max_size=12,
    )
)
def test_bookings_keep_cash_plus_value_equal_to_result_for_any_fills(steps):
    held = basis = cash = realized = fees = D(0)
    signed_total = value = D(0)
    for is_buy, quantity, price, commission in steps:
        signed = quantity if is_buy else -quantity
        booking = booking_of(
            held=held, cost_basis=basis, signed_quantity=signed, price=price, commission=commission
        )
        held, basis = booking.quantity, booking.cost_basis
        cash += booking.cash_flow - booking.commission
        realized += booking.realized_pnl
        fees += commission
        signed_total += signed
        value += signed * price

    assert held == signed_total
    # The books: cash is what was realized less fees less what is still tied up at cost.
    assert cash == realized - fees - basis
    # The world: marked at any price, the books agree with the cash that really moved.
    assert cash == -value - fees
    if held == 0:
        assert basis == 0
    elif basis:
        assert (basis > 0) == (held > 0)
