"""What every broker must do, as numbered cards; the paper broker is the first to be asked.

C1 submit is accepted · C2 the same id again answers the same · C3 nonsense is rejected for good ·
C4 cancel · C5 cancel twice · C6 a final order is not canceled · C7 fills carry ids of content ·
C8 fills never exceed the order · C9 a lost answer can be asked for again · C10 a working order
is made smaller, never larger and never below what was filled.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from trading.brokers.base import BrokerRejected
from trading.brokers.paper import CUT_REASON, MatchTerms, PaperBroker
from trading.brokers.registry import broker_of
from trading.engine.costs import CostModel
from trading.engine.fills import BarPrices
from trading.engine.types import AssetClass, Order, OrderSide, OrderStatus, OrderType, TimeInForce

BROKERS = [PaperBroker()]
BAR = BarPrices(100.0, 105.0, 95.0, 102.0, 1e6, 1_000)
COSTS = CostModel(slippage_bps=10.0, preset=AssetClass.EQUITY)


def order(**changes):
    base = Order("o-1", "TAPE", OrderSide.BUY, OrderType.MARKET, 10.0, submitted_at=1)
    return replace(base, **changes)


@pytest.fixture(params=BROKERS, ids=lambda broker: broker.key)
def broker(request):
    return request.param


def test_c1_a_submitted_order_is_accepted_under_both_ids(broker):
    report = broker.submit(order())

    assert report.client_order_id == "o-1"
    assert report.venue_order_id
    assert report.status is OrderStatus.ACCEPTED
    assert report.fills == ()


def test_c2_the_same_client_order_id_answers_the_same_report(broker):
    assert broker.submit(order()) == broker.submit(order())
    assert (
        broker.submit(order()).venue_order_id
        != broker.submit(order(client_order_id="o-2")).venue_order_id
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"quantity": 0.0}, "quantity 0 must be above 0"),
        ({"quantity": -1.0}, "quantity -1 must be above 0"),
        ({"quantity": float("nan")}, "quantity nan must be above 0"),
        ({"order_type": OrderType.LIMIT}, "LIMIT order needs a limit price above 0"),
        (
            {"order_type": OrderType.LIMIT, "limit_price": -1.0},
            "LIMIT order needs a limit price above 0",
        ),
        ({"order_type": OrderType.STOP_MARKET}, "needs a stop price above 0"),
        ({"order_type": OrderType.STOP_LIMIT, "limit_price": 9.0}, "needs a stop price above 0"),
    ],
)
def test_c3_an_order_without_sense_is_rejected_for_good(broker, changes, words):
    try:
        asked = order(**changes)
    except ValueError:
        return  # the order type itself refuses: it cannot even be said

    with pytest.raises(BrokerRejected, match=words):
        broker.submit(asked)


@pytest.mark.parametrize("status", [OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED])
def test_c4_a_working_order_is_canceled(broker, status):
    assert broker.cancel(order(status=status)).status is OrderStatus.CANCELED


def test_c5_a_second_cancel_answers_the_same(broker):
    first = broker.cancel(order(status=OrderStatus.ACCEPTED))

    assert broker.cancel(order(status=OrderStatus.CANCELED)) == first


@pytest.mark.parametrize(
    "status", [OrderStatus.FILLED, OrderStatus.EXPIRED, OrderStatus.REJECTED, OrderStatus.DENIED]
)
def test_c6_a_final_order_is_not_canceled(broker, status):
    with pytest.raises(BrokerRejected, match=f"order o-1 is {status} and final"):
        broker.cancel(order(status=status))


def test_c7_a_repeated_question_gets_the_same_fill_with_the_same_id():
    paper, terms = PaperBroker(), MatchTerms(costs=COSTS)

    first, second = (paper.match(order(), BAR, terms) for _ in range(2))

    assert first == second
    assert first.status is OrderStatus.FILLED
    assert first.fills[0].trade_id == second.fills[0].trade_id
    later = paper.match(order(), replace(BAR, closed_at=2_000), terms)
    assert later.fills[0].trade_id != first.fills[0].trade_id


def test_c7_a_fill_names_its_price_slippage_and_commission():
    report = PaperBroker().match(order(), BAR, MatchTerms(costs=COSTS, regime_code=1))

    done = report.fills[0]
    assert done.price == pytest.approx(100.0 * (1 + COSTS.slippage_rate))
    assert done.slippage == pytest.approx(10.0 * 100.0 * COSTS.slippage_rate)
    assert done.commission == pytest.approx(10.0 * done.price * COSTS.commission_rate(1))
    assert done.filled_at == BAR.closed_at


def test_c7_a_limit_order_does_not_slip():
    limit = order(order_type=OrderType.LIMIT, limit_price=97.0)

    done = PaperBroker().match(limit, BAR, MatchTerms(costs=COSTS)).fills[0]

    assert (done.price, done.slippage) == (97.0, 0.0)


@pytest.mark.parametrize("cash", [0.0, 50.0, 500.0, 999.0, 1_200.0])
def test_c8_a_purchase_never_costs_more_than_its_cash(cash):
    terms = MatchTerms(costs=COSTS, cash=cash, quantity_step=1.0)

    report = PaperBroker().match(order(), BAR, terms)

    spent = sum(done.quantity * done.price + done.commission for done in report.fills)
    assert spent <= cash
    assert sum(done.quantity for done in report.fills) <= 10.0
    if report.status is OrderStatus.CANCELED:
        assert report.reason == CUT_REASON


def test_c8_what_is_left_of_a_partly_filled_order_is_all_that_fills():
    report = PaperBroker().match(order(filled_quantity=7.0), BAR, MatchTerms(costs=COSTS))

    assert [done.quantity for done in report.fills] == [3.0]


def test_c8_a_purchase_with_all_cash_takes_what_it_pays_for():
    terms = MatchTerms(costs=COSTS, cash=5_000.0, quantity_step=1.0, takes_all_cash=True)

    report = PaperBroker().match(order(), BAR, terms)

    assert report.quantity == report.fills[0].quantity == 49.0
    assert report.status is OrderStatus.FILLED


def test_c9_an_order_that_meets_nothing_stays_as_it_is():
    limit = order(order_type=OrderType.LIMIT, limit_price=90.0, status=OrderStatus.ACCEPTED)

    report = PaperBroker().match(limit, BAR, MatchTerms(costs=COSTS))

    assert (report.fills, report.status) == ((), OrderStatus.ACCEPTED)


@pytest.mark.parametrize(
    ("in_force", "status"),
    [
        (TimeInForce.DAY, OrderStatus.EXPIRED),
        (TimeInForce.IOC, OrderStatus.CANCELED),
        (TimeInForce.FOK, OrderStatus.CANCELED),
        (TimeInForce.GTC, OrderStatus.ACCEPTED),
    ],
)
def test_c9_an_unfilled_order_ends_as_its_time_in_force_says(in_force, status):
    limit = order(
        order_type=OrderType.LIMIT, limit_price=90.0, time_in_force=in_force,
        status=OrderStatus.ACCEPTED,
    )  # fmt: skip

    assert PaperBroker().match(limit, BAR, MatchTerms(costs=COSTS)).status is status


def test_every_kind_of_portfolio_that_is_executed_has_its_broker():
    assert broker_of("PAPER").key == "paper"
    with pytest.raises(KeyError, match="LIVE"):
        broker_of("LIVE")


def test_c10_a_working_order_is_made_smaller_under_its_own_id(broker):
    resting = order(side=OrderSide.SELL, filled_quantity=4.0, status=OrderStatus.PARTIALLY_FILLED)

    report = broker.reduce(resting, 5.0)

    assert (report.client_order_id, report.quantity) == ("o-1", 5.0)
    assert report.status is OrderStatus.PARTIALLY_FILLED
    assert report == broker.reduce(resting, 5.0)


@pytest.mark.parametrize("quantity", [10.0, 11.0, 4.0, float("nan")])
def test_c10_a_new_size_lies_between_what_was_filled_and_the_old_one(broker, quantity):
    resting = order(filled_quantity=4.0, status=OrderStatus.PARTIALLY_FILLED)

    with pytest.raises(BrokerRejected, match="must lie between the 4 filled and its 10"):
        broker.reduce(resting, quantity)


def test_c10_a_final_order_is_not_made_smaller(broker):
    with pytest.raises(BrokerRejected, match="is CANCELED and final"):
        broker.reduce(order(status=OrderStatus.CANCELED), 5.0)
