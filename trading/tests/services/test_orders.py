"""Placing and canceling: once per key, checked by every rule, reserved and released."""

from __future__ import annotations

import datetime as dt
import threading
from decimal import Decimal

import pytest
from django.db import connections

from trading.models import EquityPoint, Order, OrderEvent, Portfolio, Position, RiskLimits
from trading.selectors.ledger_checks import ledger_verify
from trading.selectors.portfolios import portfolio_value, reserved_cash
from trading.services.fills import fill_record
from trading.services.order_drafts import OrderInvalid
from trading.services.orders import (
    IdempotencyKeyReused,
    OrderFinal,
    order_cancel,
    order_submit,
    orders_cancel_all,
)
from trading.tests.factories import FIRST_CLOSE, NOW, instrument_make, portfolio_make
from trading.tests.order_rows import FREE, hold, portfolio_in_market, submit

D = Decimal
pytestmark = pytest.mark.django_db


def test_order_submit_twice_places_one_order():
    portfolio = portfolio_in_market()

    first, second = submit(portfolio, "10"), submit(portfolio, "10.0")

    assert first.pk == second.pk
    assert Order.objects.count() == 1
    assert [event.to_status for event in OrderEvent.objects.order_by("sequence")] == [
        "INITIALIZED",
        "SUBMITTED",
        "ACCEPTED",
    ]


@pytest.mark.parametrize("change", [{"quantity": "11"}, {"side": "SELL"}, {"time_in_force": "DAY"}])
def test_order_submit_refuses_another_order_under_the_same_key(change):
    portfolio = portfolio_in_market()
    submit(portfolio)

    with pytest.raises(IdempotencyKeyReused, match="key k was used for another order: BUY 10"):
        submit(portfolio, **{"quantity": "10", **change})

    assert Order.objects.count() == 1


def test_the_same_key_in_another_portfolio_is_another_order():
    first = portfolio_in_market()
    second = portfolio_make(**FREE)
    second.replay = None
    submit(first)

    order_submit(
        portfolio=second, instrument=first.replay.lead, side="BUY", order_type="MARKET",
        quantity="1", client_order_id="k", now=NOW,
    )  # fmt: skip

    assert Order.objects.filter(client_order_id="k").count() == 2


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"quantity": "0"}, "quantity", "quantity 0 must be above 0"),
        ({"quantity": "-3"}, "quantity", "quantity -3 must be above 0"),
        ({"quantity": D("-0.5")}, "quantity", "quantity -0.5 must be above 0"),
        ({"quantity": "1e13"}, "quantity", "quantity 1e13 exceeds the limit of 1,000,000,000,000"),
        ({"quantity": "0.000000001"}, "quantity", "has more than 8 decimals"),
        ({"quantity": "NaN"}, "quantity", "quantity 'NaN' is not a number"),
        ({"quantity": "Infinity"}, "quantity", "quantity 'Infinity' is not a number"),
        ({"quantity": 1.5}, "quantity", "quantity 1.5 must be an exact decimal number"),
        ({"quantity": True}, "quantity", "quantity True must be an exact decimal number"),
        ({"side": "HOLD"}, "side", "side 'HOLD' is not one of BUY, SELL"),
        ({"order_type": "LIMIT"}, "limit_price", "a LIMIT order needs a limit price"),
        ({"stop_price": "9"}, "stop_price", "a MARKET order takes no stop price, found 9"),
        (
            {"order_type": "LIMIT", "limit_price": "-1"},
            "limit_price",
            "limit price -1 must be above 0",
        ),
        ({"time_in_force": "GTD"}, "time_in_force", "time in force GTD is not offered"),
        ({"key": " "}, "client_order_id", "must be 1 to 80 printable ASCII characters"),
        ({"key": "x" * 81}, "client_order_id", "must be 1 to 80 printable ASCII characters"),
    ],
)
def test_an_unreadable_order_is_refused_before_anything_is_written(change, field, words):
    portfolio = portfolio_in_market()

    with pytest.raises(OrderInvalid) as caught:
        submit(portfolio, **change)

    assert caught.value.field == field
    assert words in caught.value.message
    assert not Order.objects.exists()


def test_a_denied_order_is_stored_with_the_rule_that_failed_and_reserves_nothing():
    portfolio = portfolio_in_market(max_order_notional=D(999))

    order = submit(portfolio)

    assert (order.status, order.reason_code) == ("DENIED", "MAX_NOTIONAL")
    assert order.reason == "notional 1,000.00 USD exceeds the limit of 999.00 USD"
    assert order.reserved_cash == 0
    assert {rule["rule"] for rule in order.risk_check if rule["status"] == "FAIL"} == {
        "MAX_NOTIONAL"
    }
    assert submit(portfolio).pk == order.pk


@pytest.mark.parametrize(
    ("limits", "price", "code", "sizes"),
    [
        # limit - 1, limit, limit + 1: the last one is denied.
        ({"max_order_notional": D(1_000)}, "100", "MAX_NOTIONAL", ("9", "10", "11")),
        ({"max_position_weight": 0.01}, "100", "MAX_POSITION_WEIGHT", ("9", "10", "11")),
        ({"max_gross_exposure": 0.01}, "100", "MAX_GROSS_EXPOSURE", ("9", "10", "11")),
    ],
)
def test_size_rules_hold_at_their_limit(limits, price, code, sizes):
    portfolio = portfolio_in_market(**limits)

    found = []
    for size in sizes:
        order = submit(portfolio, size, key=size, order_type="LIMIT", limit_price=price)
        found.append((str(order.status), order.reason_code))
        if order.status == "ACCEPTED":
            # What works takes its part of the gross exposure.
            order_cancel(order=order)

    assert found == [("ACCEPTED", ""), ("ACCEPTED", ""), ("DENIED", code)]


def test_buying_power_is_spent_to_the_last_unit_and_no_further():
    portfolio = portfolio_in_market()
    rate = D(0)
    probe = submit(portfolio, "1", key="probe", order_type="LIMIT", limit_price="100")
    rate = probe.reserved_cash / 100 - 1
    order_cancel(order=probe)
    most = (D(100_000) / (100 * (1 + rate))).quantize(D(1), rounding="ROUND_DOWN")

    too_much = submit(portfolio, most + 1, key="above", order_type="LIMIT", limit_price="100")
    just = submit(portfolio, most, key="at", order_type="LIMIT", limit_price="100")

    assert (too_much.status, too_much.reason_code) == ("DENIED", "BUYING_POWER")
    assert "are missing" in too_much.reason
    assert just.status == "ACCEPTED"
    assert reserved_cash(portfolio) == just.reserved_cash <= 100_000


def test_two_orders_cannot_reserve_the_same_cash():
    portfolio = portfolio_in_market()

    first, second = (submit(portfolio, "600", key=key) for key in ("a", "b"))

    assert first.status == "ACCEPTED"
    assert (second.status, second.reason_code) == ("DENIED", "BUYING_POWER")


@pytest.mark.parametrize(("limit", "statuses"), [(2, "AAD"), (3, "AAA")])
def test_open_orders_are_counted_up_to_their_limit(limit, statuses):
    portfolio = portfolio_in_market(max_open_orders=limit)

    orders = [submit(portfolio, "1", key=str(n)) for n in range(3)]

    assert "".join(order.status[0] for order in orders) == statuses


@pytest.mark.parametrize(("limit", "statuses"), [(2, "AAD"), (3, "AAA")])
def test_orders_of_a_minute_are_counted_up_to_their_limit(limit, statuses):
    portfolio = portfolio_in_market(max_orders_per_minute=limit)

    orders = []
    for n in range(3):
        order = submit(portfolio, "1", key=str(n))
        Order.objects.filter(pk=order.pk).update(created_at=NOW - dt.timedelta(seconds=59 - n))
        orders.append(order)

    assert "".join(order.status[0] for order in orders) == statuses
    said = [told["sentence"] for told in orders[0].risk_check if "a minute" in told["sentence"]]
    assert said == [f"1 order within a minute is within the limit of {limit}"]


def test_orders_of_an_earlier_minute_are_not_counted():
    portfolio = portfolio_in_market(max_orders_per_minute=1)
    order = submit(portfolio, "1", key="old")
    Order.objects.filter(pk=order.pk).update(created_at=NOW - dt.timedelta(seconds=60))

    assert submit(portfolio, "1", key="new").status == "ACCEPTED"


@pytest.mark.parametrize(("lost", "status"), [("999", "ACCEPTED"), ("1000", "DENIED")])
def test_the_daily_loss_stops_new_risk_at_its_limit(lost, status):
    portfolio = portfolio_in_market(max_daily_loss_ratio=0.01)
    hold(portfolio, "100")
    Position.objects.update(last_price=D(100) - D(lost) / 100)

    order = submit(portfolio, "1", key="more")
    relief = submit(portfolio, "1", key="less", side="SELL")

    assert order.status == status
    assert order.reason_code == ("" if status == "ACCEPTED" else "DAILY_LOSS")
    assert relief.status == "ACCEPTED"


def test_the_day_begins_with_the_last_equity_before_it():
    portfolio = portfolio_in_market()
    EquityPoint.objects.create(
        portfolio=portfolio, market_at=FIRST_CLOSE - dt.timedelta(days=1), equity=D(90_000),
        cash=D(90_000), gross_exposure=0, net_exposure=0,
    )  # fmt: skip

    assert portfolio_value(portfolio).day_start_equity == 90_000


@pytest.mark.parametrize(("quantity", "status"), [("9", "A"), ("10", "A"), ("11", "D")])
def test_no_more_is_sold_than_is_held(quantity, status):
    portfolio = portfolio_in_market()
    hold(portfolio, "10")

    order = submit(portfolio, quantity, side="SELL", key="sale")

    assert order.status[0] == status
    assert order.reason_code == ("" if status == "A" else "SHORT")


def test_what_a_working_sale_will_take_cannot_be_sold_again():
    portfolio = portfolio_in_market()
    hold(portfolio, "10")
    submit(portfolio, "6", side="SELL", key="first")

    assert submit(portfolio, "5", side="SELL", key="second").reason_code == "SHORT"
    assert submit(portfolio, "4", side="SELL", key="third").status == "ACCEPTED"


@pytest.mark.parametrize(
    ("fields", "order", "code"),
    [
        ({"quantity_step": D(1)}, {"quantity": "1.5"}, "QUANTITY_STEP"),
        (
            {"tick_size": D("0.01")},
            {"order_type": "LIMIT", "limit_price": "99.999"},
            "TICK_SIZE",
        ),
        ({"is_tradable": False}, {}, "TRADABLE"),
        ({}, {"order_type": "STOP_MARKET", "stop_price": "99"}, "PRICE_SIDE"),
    ],
)
def test_rules_of_the_instrument_name_what_is_wrong(fields, order, code):
    portfolio = portfolio_in_market()
    lead = portfolio.replay.lead
    for name, value in fields.items():
        setattr(lead, name, value)
    lead.save()

    found = submit(portfolio, **order)

    assert (found.status, found.reason_code) == ("DENIED", code)


def test_an_instrument_without_a_price_yet_is_denied():
    portfolio = portfolio_in_market()
    late = instrument_make("LATE", [10.0], start=FIRST_CLOSE + dt.timedelta(days=9))

    order = order_submit(
        portfolio=portfolio, instrument=late, side="BUY", order_type="MARKET", quantity="1",
        client_order_id="k", now=NOW,
    )  # fmt: skip

    assert (order.status, order.reason_code) == ("DENIED", "PRICE_KNOWN")
    assert order.reason == "LATE has no price yet at 2008-08-01"


def test_order_cancel_releases_the_reserve_and_answers_the_same_again():
    portfolio = portfolio_in_market()
    order = submit(portfolio)
    assert portfolio_value(portfolio).reserved_cash == order.reserved_cash > 1_000

    first, second = order_cancel(order=order), order_cancel(order=order)

    assert first.status == second.status == "CANCELED"
    assert portfolio_value(portfolio).reserved_cash == 0
    assert OrderEvent.objects.filter(order=order, to_status="CANCELED").count() == 1
    assert ledger_verify(portfolio) == []


def test_a_final_order_cannot_be_canceled():
    portfolio = portfolio_in_market()
    hold(portfolio, "1")

    with pytest.raises(OrderFinal, match="is FILLED and cannot be canceled"):
        order_cancel(order=Order.objects.get())


def test_a_partial_fill_keeps_the_reserve_of_what_is_left():
    portfolio = portfolio_in_market()
    order = submit(portfolio, "10")
    before = order.reserved_cash

    fill_record(order=order, trade_id="1", quantity=D(4), price=D(100), filled_at=FIRST_CLOSE)

    order.refresh_from_db()
    assert order.status == "PARTIALLY_FILLED"
    assert order.reserved_cash == before * 6 / 10
    assert ledger_verify(portfolio) == []


def test_orders_cancel_all_leaves_nothing_working():
    portfolio = portfolio_in_market()
    for key in "abc":
        submit(portfolio, "1", key=key)

    assert orders_cancel_all(portfolio=portfolio) == 3
    assert orders_cancel_all(portfolio=portfolio) == 0
    assert set(Order.objects.values_list("status", flat=True)) == {"CANCELED"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("same_key", [True, False])
def test_eight_threads_place_one_order_per_key_and_never_overspend(same_key):
    portfolio = portfolio_in_market()
    start, found, errors = threading.Barrier(8), [], []

    def place(n):
        try:
            start.wait(60)
            mine = Portfolio.objects.get(pk=portfolio.pk)
            found.append(submit(mine, "300", key="k" if same_key else f"k{n}"))
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=place, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    accepted = Order.objects.filter(status="ACCEPTED")
    if same_key:
        assert Order.objects.count() == 1
        assert len({order.pk for order in found}) == 1
    else:
        assert accepted.count() == 3
        assert Order.objects.filter(reason_code="BUYING_POWER").count() == 5
    assert reserved_cash(portfolio) <= 100_000
    assert RiskLimits.objects.count() == 1
    assert ledger_verify(portfolio) == []
