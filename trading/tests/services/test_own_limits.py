"""Own limits and costs of a version: tighter than the portfolio's, enforced on every order."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction

from trading.engine.own_limits import OwnLimits as EngineLimits
from trading.models import Deployment, Order, RiskLimits, StrategyVersion
from trading.services.backtests.drafts import BacktestInvalid
from trading.services.deployments import deployment_start
from trading.services.fills import fill_record
from trading.services.live_decisions import account_around
from trading.services.orders import order_submit
from trading.services.own_limits import OwnLimitInvalid, engine_limits
from trading.services.strategies import strategy_create, version_create
from trading.tests.factories import FIRST_CLOSE, NOW, instrument_make, portfolio_make

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def portfolio():
    spx = instrument_make("SPX", [100.0] * 5, asset_class="CRYPTO")
    return portfolio_make(lead=spx, max_position_weight=0.8, max_order_notional=D(50_000))


def made(portfolio, **terms):
    name = f"Cross {StrategyVersion.objects.count()}"
    return strategy_create(user=portfolio.user, key="sma_cross", name=name, **terms)


def deployed(portfolio, **limits):
    version = made(portfolio, limits=limits)
    return deployment_start(
        version=version, portfolio=portfolio, instrument=portfolio.replay.lead, now=NOW
    )


def sent(deployment, quantity, side="BUY", key="k"):
    return order_submit(
        portfolio=deployment.portfolio, instrument=deployment.instrument, side=side,
        order_type="MARKET", quantity=quantity, client_order_id=key, deployment=deployment, now=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("max_position_weight", 0.81, ["Largest position", "81%", "80%", "the portfolio’s limit"]),
        ("max_position_weight", 0, ["Largest position", "0% of equity", "above 0"]),
        ("max_order_notional", "60000", ["Largest order", "60,000.00", "50,000.00"]),
        ("max_open_orders", 1.5, ["Open orders", "1.5", "whole"]),
        ("max_open_orders", 21, ["Open orders", "21", "20"]),
        ("max_daily_loss_ratio", "much", ["Daily loss", "much", "not a number"]),
        ("max_daily_loss_ratio", float("nan"), ["Daily loss", "finite"]),
        ("max_gross_exposure", True, ["gross exposure", "true or false"]),
        ("leverage", 2, ["leverage", "max_gross_exposure"]),
    ],
)
def test_a_limit_looser_than_the_portfolio_is_refused_by_name(portfolio, name, value, words):
    with pytest.raises(OwnLimitInvalid) as caught:
        made(portfolio, limits={name: value})

    assert caught.value.field == f"limits.{name}"
    assert all(word in caught.value.message for word in words), caught.value.message
    assert not StrategyVersion.objects.exists()


def test_every_limit_at_fault_is_told_at_once(portfolio):
    with pytest.raises(OwnLimitInvalid) as caught:
        made(portfolio, limits={"max_position_weight": 2, "max_open_orders": 0})

    assert set(caught.value.data["errors"]) == {"max_position_weight", "max_open_orders"}


def test_an_empty_limit_is_left_to_the_portfolio(portfolio):
    version = made(portfolio, limits={"max_position_weight": 0.8, "max_open_orders": ""})

    assert version.limits == {"max_position_weight": 0.8}


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ({"max_position_weight": 0.2}, "MAX_POSITION_WEIGHT"),
        ({"max_gross_exposure": 0.2}, "MAX_GROSS_EXPOSURE"),
        ({"max_order_notional": 20_000.0}, "MAX_NOTIONAL"),
    ],
)
def test_an_order_beyond_the_own_limit_is_denied_and_says_whose_it_is(portfolio, limits, rule):
    order = sent(deployed(portfolio, **limits), "300")

    assert order.status == "DENIED"
    assert order.reason_code == rule
    assert order.reason.endswith(", set by the strategy itself")


def test_the_same_order_passes_without_own_limits(portfolio):
    assert sent(deployed(portfolio), "300").status == "ACCEPTED"


def test_the_open_orders_and_the_daily_loss_of_a_strategy_are_limited(portfolio):
    deployment = deployed(portfolio, max_open_orders=1, max_daily_loss_ratio=0.01)

    assert sent(deployment, "10").status == "ACCEPTED"
    second = sent(deployment, "10", key="second")
    assert (second.status, second.reason_code) == ("DENIED", "MAX_OPEN_ORDERS")
    checked = {row["rule"]: row["limit"] for row in second.risk_check}
    assert checked["DAILY_LOSS"] == pytest.approx(1_000.0)


def test_own_limits_never_loosen_a_portfolio_that_was_tightened_later(portfolio):
    deployment = deployed(portfolio, max_position_weight=0.5)
    RiskLimits.objects.filter(portfolio=portfolio).update(max_position_weight=0.1)

    order = sent(deployment, "300")

    assert order.status == "DENIED"
    assert "10.0%" in order.reason
    assert "strategy itself" not in order.reason


def test_own_limits_never_keep_a_strategy_from_getting_out(portfolio):
    deployment = deployed(portfolio, max_order_notional=10_000.0, max_open_orders=1)
    for number in range(3):
        bought = sent(deployment, "90", key=f"in-{number}")
        fill_record(order=bought, trade_id="t", quantity=D(90), price=D(100), filled_at=FIRST_CLOSE)
    waiting = sent(deployment, "10", key="waiting")

    assert waiting.status == "ACCEPTED"
    assert sent(deployment, "270", side="SELL", key="out").status == "ACCEPTED"


def test_a_person_is_not_bound_by_the_limits_of_a_strategy(portfolio):
    deployed(portfolio, max_position_weight=0.1)
    order = order_submit(
        portfolio=portfolio, instrument=portfolio.replay.lead, side="BUY", order_type="MARKET",
        quantity="300", client_order_id="mine", now=NOW,
    )  # fmt: skip

    assert order.status == "ACCEPTED"


def test_a_new_version_takes_limits_and_costs_over_unless_told(portfolio):
    limits, costs = {"max_position_weight": 0.5}, {"slippage_bps": 5.0}
    first = made(portfolio, limits=limits, costs=costs)

    second = version_create(strategy=first.strategy, parameters={"fast": 7})
    third = version_create(strategy=first.strategy, parameters={"fast": 7}, limits={}, costs={})

    assert (second.number, second.limits, second.costs) == (2, limits, costs)
    assert (third.number, third.limits, third.costs) == (3, {}, {})


def test_only_changed_terms_make_a_version_too(portfolio):
    first = made(portfolio, costs={"slippage_bps": 5})
    same = version_create(
        strategy=first.strategy, parameters=first.parameters, costs={"slippage_bps": "5"}
    )
    other = version_create(
        strategy=first.strategy, parameters=first.parameters, costs={"slippage_bps": 6}
    )

    assert (same.number, other.number) == (1, 2)


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        ({"slippage_bps": 2_000}, ["Slippage", "2,000 bp", "1,000 bp"]),
        ({"commission_bps": "x"}, ["x"]),
        ({"commission_bps": 0}, ["Every cost is 0"]),
        ({"borrow_bps_per_day": 3}, ["Every cost is 0"]),
        ({"tax": 3}, ["tax", "commission_bps"]),
    ],
)
def test_wrong_costs_are_refused_with_value_and_limit(portfolio, costs, words):
    with pytest.raises(BacktestInvalid) as caught:
        made(portfolio, costs=costs)

    assert all(word in caught.value.message for word in words)
    assert not StrategyVersion.objects.exists()


@pytest.mark.parametrize("field", ["parameters", "limits", "costs"])
def test_the_database_refuses_to_change_what_a_version_says(portfolio, field):
    version = made(portfolio)

    with pytest.raises(DatabaseError), transaction.atomic():
        StrategyVersion.objects.filter(pk=version.pk).update(**{field: {"fast": 99}})
    StrategyVersion.objects.filter(pk=version.pk).update(is_draft=True)

    assert getattr(StrategyVersion.objects.get(pk=version.pk), field) == getattr(version, field)
    assert not Deployment.objects.exists()


def test_the_third_order_of_a_strategy_within_a_minute_names_count_limit_and_whose_it_is(portfolio):
    deployment = deployed(portfolio, max_orders_per_minute=2)

    sent_ones = [sent(deployment, "10", key=f"k{number}") for number in range(3)]

    assert [order.status for order in sent_ones] == ["ACCEPTED", "ACCEPTED", "DENIED"]
    assert sent_ones[2].reason_code == "MAX_ORDERS_PER_MINUTE"
    assert sent_ones[2].reason == (
        "3 orders of this strategy within a minute exceed the limit of 2, "
        "set by the strategy itself"
    )


def test_a_later_minute_and_other_orders_do_not_count_for_the_strategy(portfolio):
    deployment = deployed(portfolio, max_orders_per_minute=1)
    order_submit(
        portfolio=portfolio, instrument=portfolio.replay.lead, side="BUY", order_type="MARKET",
        quantity="10", client_order_id="mine", now=NOW,
    )  # fmt: skip

    assert sent(deployment, "10", key="first").status == "ACCEPTED"
    Order.objects.filter(client_order_id="first").update(market_at=NOW - dt.timedelta(days=9_999))
    assert sent(deployment, "10", key="second").status == "ACCEPTED"


def test_orders_per_minute_never_keep_a_strategy_from_getting_out(portfolio):
    deployment = deployed(portfolio, max_orders_per_minute=1)
    bought = sent(deployment, "10", key="in")
    fill_record(order=bought, trade_id="t", quantity=D(10), price=D(100), filled_at=FIRST_CLOSE)

    assert sent(deployment, "10", side="SELL", key="out").status == "ACCEPTED"


def test_only_limits_of_size_and_loss_reach_the_step():
    own = {"max_position_weight": 0.2, "max_orders_per_minute": 3, "max_open_orders": 2}

    assert engine_limits(own) == EngineLimits(max_position_weight=0.2)


def test_what_is_on_order_takes_its_part_of_the_gross_exposure(portfolio):
    deployment = deployed(portfolio, max_gross_exposure=0.5)

    first, second = sent(deployment, "300"), sent(deployment, "300", key="second")

    assert (first.status, second.status) == ("ACCEPTED", "DENIED")
    assert second.reason_code == "MAX_GROSS_EXPOSURE"
    assert "gross exposure 60." in second.reason
    assert "with what is on order exceeds the limit of 50.0%" in second.reason


def test_a_strategy_sees_what_others_have_on_order(portfolio):
    deployment = deployed(portfolio)
    order = sent(deployment, "300")

    found = account_around(portfolio, deployment.instrument)

    assert found.quantity == 0.0
    assert found.gross_exposure == float(order.reserved_cash) > 0.0
