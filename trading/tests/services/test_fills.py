"""Executions: once each, in any sequence the same books, never more than was ordered."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trading.engine.fills import BarPrices
from trading.models import Fill, JournalEntry, Order, OrderEvent, Position, Posting
from trading.selectors.ledger import ledger_balances
from trading.selectors.ledger_checks import ledger_verify
from trading.selectors.portfolios import portfolio_value
from trading.services.fills import FillConflict, FillInvalid, fill_record, orders_match
from trading.services.orders import order_cancel
from trading.tests.factories import DAY, FIRST_CLOSE
from trading.tests.order_rows import portfolio_in_market, submit

D = Decimal
pytestmark = pytest.mark.django_db


def fill(order, trade_id="t", quantity="10", price="100", commission="0"):
    return fill_record(
        order=order, trade_id=trade_id, quantity=D(quantity), price=D(price),
        commission=D(commission), filled_at=FIRST_CLOSE + DAY,
    )  # fmt: skip


def books(portfolio):
    """Everything that follows from fills, without the sequence they came in."""
    order = Order.objects.get(portfolio=portfolio)
    position = Position.objects.get(portfolio=portfolio)
    return {
        "status": order.status,
        "filled": order.filled_quantity,
        "average": order.avg_fill_price,
        "quantity": position.quantity,
        "basis": position.cost_basis,
        "entry": position.avg_entry_price,
        "realized": position.realized_pnl,
        "balances": {kind: b.balance for kind, b in ledger_balances(portfolio).items()},
        "postings": sorted(
            Posting.objects.filter(entry__portfolio=portfolio).values_list(
                "account__kind", "amount"
            )
        ),
    }


PARTS = [("a", "1", "99.5", "0.1"), ("b", "2.5", "100", "0.25"), ("c", "4", "101.37", "0.4"),
         ("d", "2.5", "100.00000001", "0")]  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(parts=st.permutations(PARTS), again=st.lists(st.sampled_from(PARTS), max_size=4))
def test_any_sequence_and_repetition_of_fills_gives_the_same_books(parts, again):
    plain = portfolio_in_market(f"A{Order.objects.count()}")
    in_turn = submit(plain)
    for part in PARTS:
        fill(in_turn, *part)
    shuffled = portfolio_in_market(f"B{Order.objects.count()}")
    order = submit(shuffled)

    for part in [*parts, *again]:
        fill(order, *part)

    assert books(shuffled) == books(plain)
    assert books(shuffled)["filled"] == sum(D(part[1]) for part in PARTS) == 10
    assert ledger_verify(shuffled) == []


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    trades=st.lists(
        st.tuples(
            st.sampled_from(["BUY", "SELL"]),
            st.integers(1, 40),
            st.decimals("50", "150", places=3),
            st.decimals("0", "5", places=8),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_cash_and_positions_make_the_equity_after_any_trades(trades):
    portfolio = portfolio_in_market(f"T{Order.objects.count()}")
    cash, held, last = D(100_000), D(0), None
    for n, (side, quantity, price, commission) in enumerate(trades):
        order = submit(portfolio, quantity, key=f"{n}", side=side)
        if order.status == "DENIED":
            continue
        fill(order, "t", str(quantity), str(price), str(commission))
        signed = quantity if side == "BUY" else -quantity
        cash -= signed * price + commission
        held += signed
        last = price if last is None else last

    summary = portfolio_value(portfolio)

    assert summary.cash == cash
    assert summary.equity == cash + held * (last or 0)
    assert summary.equity == (
        D(100_000) + summary.realized_pnl + summary.unrealized_pnl - summary.commission_total
    )
    assert ledger_verify(portfolio) == []


def test_a_fill_twice_is_one_fill():
    order = submit(portfolio_in_market())

    first, second = fill(order), fill(order)

    assert first.pk == second.pk
    assert Fill.objects.count() == 1
    assert JournalEntry.objects.filter(kind="FILL").count() == 1
    assert OrderEvent.objects.filter(to_status="FILLED").count() == 1


def test_a_fill_reported_again_with_other_numbers_is_refused():
    order = submit(portfolio_in_market())
    fill(order, quantity="5")

    with pytest.raises(FillConflict, match="trade t was recorded as 5 at 100, now reported as 4"):
        fill(order, quantity="4")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": "10.00000001"}, "FILL_EXCEEDS_ORDER"),
        ({"quantity": "0"}, "INVALID_QUANTITY"),
        ({"quantity": "-1"}, "INVALID_QUANTITY"),
        ({"price": "0"}, "INVALID_PRICE"),
        ({"price": "NaN"}, "INVALID_PRICE"),
        ({"commission": "-0.01"}, "INVALID_COMMISSION"),
    ],
)
def test_an_impossible_fill_is_refused_and_leaves_nothing(change, code):
    order = submit(portfolio_in_market())

    with pytest.raises(FillInvalid) as caught:
        fill(order, **change)

    assert caught.value.code == code
    assert not Fill.objects.exists()
    assert not Position.objects.exists()


def test_a_denied_order_cannot_fill():
    portfolio = portfolio_in_market()
    order = submit(portfolio, "100000")
    assert order.status == "DENIED"

    with pytest.raises(FillInvalid, match="is DENIED; it cannot fill"):
        fill(order)


def test_a_fill_after_the_cancel_is_booked_because_it_happened():
    portfolio = portfolio_in_market()
    order = submit(portfolio)
    order_cancel(order=order)

    fill(order, quantity="4")

    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == ("CANCELED", 4)
    assert Position.objects.get().quantity == 4
    assert OrderEvent.objects.latest("sequence").detail == {"late_fill": "t"}
    assert ledger_verify(portfolio) == []


def test_a_round_trip_moves_its_gain_to_realized_profit():
    portfolio = portfolio_in_market()
    fill(submit(portfolio), price="100", commission="1")
    fill(submit(portfolio, side="SELL", key="out"), price="112", commission="1.5")

    balances = ledger_balances(portfolio)
    position = Position.objects.get()
    assert balances["CASH"].balance == D("100117.5")
    assert balances["REALIZED_PNL"].shown == 120
    assert balances["COMMISSIONS"].balance == D("2.5")
    assert balances["POSITIONS"].balance == 0
    assert (position.quantity, position.cost_basis, position.opened_at) == (0, 0, None)


def match(portfolio, bar, closed_at=FIRST_CLOSE + DAY):
    prices = BarPrices(*bar, 1e6, int(closed_at.timestamp()) * 10**9)
    return orders_match(
        portfolio=portfolio, instrument=portfolio.replay.lead, bar=prices, closed_at=closed_at,
        book_cash={},
    )  # fmt: skip


def test_orders_fill_at_the_open_of_the_next_bar_and_not_on_their_own():
    portfolio = portfolio_in_market()
    order = submit(portfolio)

    assert match(portfolio, (90.0, 95.0, 85.0, 92.0), closed_at=FIRST_CLOSE) == []
    news = match(portfolio, (110.0, 115.0, 105.0, 112.0))

    order.refresh_from_db()
    assert len(news) == 1
    assert order.status == "FILLED"
    assert D(110) < order.avg_fill_price < D("110.1")
    assert order.commission_total > 0
    assert order.reserved_cash == 0
    assert match(portfolio, (1.0, 1.0, 1.0, 1.0), closed_at=FIRST_CLOSE + 2 * DAY) == []
    assert ledger_verify(portfolio) == []


def test_a_gap_never_makes_a_purchase_cost_more_than_there_is():
    portfolio = portfolio_in_market()
    order = submit(portfolio, "990")

    match(portfolio, (150.0, 150.0, 150.0, 150.0))

    order.refresh_from_db()
    assert order.status == "CANCELED"
    assert order.reason == "cash at the fill pays for no more"
    assert 0 < order.filled_quantity < 670
    assert portfolio_value(portfolio).cash >= 0
    assert ledger_verify(portfolio) == []


def test_sales_go_first_so_that_they_can_pay_for_a_purchase():
    portfolio = portfolio_in_market()
    fill(submit(portfolio, "500"), quantity="500")
    submit(portfolio, "400", key="buy")
    submit(portfolio, "500", key="sell", side="SELL")

    news = match(portfolio, (130.0, 130.0, 130.0, 130.0))

    assert [item.order.side for item in news] == ["SELL", "BUY"]
    assert Position.objects.get().quantity == 400


def test_a_day_order_that_does_not_fill_expires_with_its_bar():
    portfolio = portfolio_in_market()
    order = submit(portfolio, order_type="LIMIT", limit_price="50", time_in_force="DAY")

    match(portfolio, (100.0, 101.0, 99.0, 100.0))

    order.refresh_from_db()
    assert (order.status, order.reserved_cash) == ("EXPIRED", 0)


def test_a_stop_that_was_met_stays_met():
    portfolio = portfolio_in_market()
    order = submit(portfolio, order_type="STOP_LIMIT", stop_price="105", limit_price="104")

    match(portfolio, (104.5, 106.0, 104.5, 105.0))
    order.refresh_from_db()
    assert (order.status, order.is_triggered) == ("ACCEPTED", True)
    match(portfolio, (103.0, 104.0, 102.0, 103.0), closed_at=FIRST_CLOSE + dt.timedelta(days=2))

    order.refresh_from_db()
    assert (order.status, order.avg_fill_price) == ("FILLED", 103)
