"""Resting stops of running strategies: placed, replaced, met, canceled, as in the backtest."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal

import numpy as np
import pytest
from django.urls import reverse

from marketdata.models import Instrument
from marketdata.selectors import bars_get, instant
from trading.engine import backtest
from trading.engine.types import AssetClass
from trading.models import Deployment, Order
from trading.selectors.ledger_checks import ledger_verify
from trading.services.deployments import deployment_pause, deployment_resume, deployment_stop
from trading.services.order_costs import PAPER_SLIPPAGE_BPS
from trading.services.orders import order_cancel, order_submit
from trading.tests.engine.walks import random_walk
from trading.tests.factories import DAY, FIRST_CLOSE, NOW, bars_make, instrument_make
from trading.tests.services.test_runner import deploy, play, spx  # noqa: F401

pytestmark = pytest.mark.django_db
KEY = "volatility_adaptive_trend"
RESTING = {"protection": "resting", "trail_atr": 2.0, "target_atr.NORMAL": 2.5, "stop_atr": 1.5}


def config_of(instrument, start_index, preset, cash=100_000.0):
    return backtest.BacktestConfig(
        cash=cash,
        slippage_bps=PAPER_SLIPPAGE_BPS,
        cost_preset=preset,
        quantity_step=float(instrument.quantity_step),
        tick_size=float(instrument.tick_size),
        start_index=start_index,
        keeps_decisions=True,
    )


def filled(deployment):
    orders = Order.objects.filter(deployment=deployment, fills__isnull=False).order_by("pk")
    return [
        (order.side, order.order_type, order.quantity, order.fills.get().filled_at)
        for order in orders
    ]


def expected(run):
    closes = run.closed_at
    return [
        (
            str(order.side),
            str(order.order_type),
            order.quantity,
            instant(int(closes[fill.bar - run.first_bar])),
        )
        for order, fill in zip(run.orders, run.fills, strict=True)
    ]


@pytest.mark.parametrize("key", [KEY, "hybrid"])
def test_what_rests_live_is_filled_as_in_the_backtest(spx, key):  # noqa: F811
    bars = bars_get(spx)
    begin = int(np.searchsorted(bars.closed_at, np.datetime64("2008-08-01", "ns").astype(np.int64)))
    end = begin + 160
    parameters = RESTING if key == KEY else {"protection": "resting"}
    deployment = deploy(spx, key, parameters, start_at=instant(int(bars.closed_at[begin])))

    play(deployment.portfolio, instant(int(bars.closed_at[end])))
    config = config_of(spx, begin + 1, AssetClass.INDEX)
    run = backtest.run(bars.until(end), key, parameters, config)

    assert {"STOP_REACHED", "STOP_GAPPED", "TARGET_REACHED"} & set(run.fill_reasons)
    wanted = [(side, kind, Decimal(str(q)), at) for side, kind, q, at in expected(run)]
    assert filled(deployment) == wanted
    deployment.refresh_from_db()
    final = run.final_state.to_dict()
    assert deployment.state["cash"] == pytest.approx(final["cash"], rel=1e-12)
    assert {**deployment.state, "cash": 0, "equity": 0, "entry_bar": 0} == {
        **final, "cash": 0, "equity": 0, "entry_bar": 0,
    }  # fmt: skip
    assert ledger_verify(deployment.portfolio) == []


@pytest.fixture
def walk():
    """A walk whose trend is bought on bar 60 and stopped on bar 65, stored to the cent."""
    instrument = instrument_make("WALK", asset_class="CRYPTO")
    bars = random_walk(12, 110, 0.02)
    columns = (np.round(column, 2) for column in (bars.open, bars.high, bars.low, bars.close))
    bars_make(instrument, list(zip(*(column.tolist() for column in columns), strict=True)))
    return instrument


def at(bar):
    return FIRST_CLOSE + bar * DAY


def deploy_on(walk, **parameters):
    return deploy(walk, KEY, {**RESTING, "breaker": "off", **parameters}, start_at=at(50))


def resting(deployment):
    orders = Order.objects.filter(deployment=deployment, status="ACCEPTED").exclude(protection="")
    return {order.protection: order for order in orders}


@contextmanager
def closed_for_trading(instrument):
    found = Instrument.objects.filter(pk=instrument.pk)
    found.update(is_tradable=False)
    yield
    found.update(is_tradable=True)


def test_stop_and_target_are_placed_with_the_fill_of_the_entry(walk):
    deployment = deploy_on(walk)

    play(deployment.portfolio, at(60))

    found = resting(deployment)
    deployment.refresh_from_db()
    assert set(found) == {"STOP", "TARGET"}
    assert (found["STOP"].order_type, found["TARGET"].order_type) == ("STOP_MARKET", "LIMIT")
    assert found["STOP"].stop_price % walk.tick_size == 0
    assert float(found["STOP"].stop_price) == pytest.approx(
        deployment.state["stop_price"], abs=0.01
    )
    assert {float(order.quantity) for order in found.values()} == {deployment.state["quantity"]}
    assert found["STOP"].decision.action in {"ENTER_LONG", "HOLD"}
    assert "stop" in found["STOP"].decision.reason.lower()


def test_a_stop_that_trails_is_replaced_and_a_fill_cancels_the_other(walk):
    deployment = deploy_on(walk, **{"trail_atr": 0.8, "target_atr.NORMAL": 6.0})

    play(deployment.portfolio, at(75))

    stops = list(Order.objects.filter(deployment=deployment, protection="STOP").order_by("pk"))
    met = next(k for k, order in enumerate(stops) if order.status == "FILLED")
    levels = [order.stop_price for order in stops[: met + 1]]
    assert len(levels) > 2
    assert levels == sorted(set(levels))
    codes = {(order.status, order.reason_code) for order in stops[:met]}
    assert codes == {("CANCELED", "REPLACED")}
    assert stops[met].reason_code in {"STOP_REACHED", "STOP_GAPPED"}
    target = Order.objects.filter(deployment=deployment, protection="TARGET").earliest("pk")
    assert (target.status, target.reason_code) == ("CANCELED", "NOTHING_TO_PROTECT")


def test_a_runner_that_starts_again_after_every_bar_finds_what_rests(walk):
    unbroken, broken = deploy_on(walk), deploy_on(walk)

    play(unbroken.portfolio, at(109))
    for bar in range(51, 110):
        play(broken.portfolio, at(bar))

    assert filled(broken) == filled(unbroken)
    assert len(filled(unbroken)) >= 12
    # The exits of the rule went out while a stop rested for all that was held.
    assert not Order.objects.filter(status="DENIED").exists()
    ours, theirs = (Deployment.objects.get(pk=one.pk).state for one in (broken, unbroken))
    assert ours == theirs
    bars = bars_get(walk)
    parameters = unbroken.version.parameters
    run = backtest.run(bars, KEY, parameters, config_of(walk, 51, AssetClass.CRYPTO))
    assert [(side, at_) for side, _, _, at_ in filled(unbroken)] == [
        (side, at_) for side, _, _, at_ in expected(run)
    ]


def test_a_pause_leaves_what_rests_and_stopping_takes_it_away(walk):
    deployment = deploy_on(walk)
    play(deployment.portfolio, at(61))

    deployment_pause(deployment=deployment)
    assert set(resting(deployment)) == {"STOP", "TARGET"}
    play(deployment.portfolio, at(66))

    deployment.refresh_from_db()
    assert deployment.state["quantity"] == 0.0
    assert resting(deployment) == {}
    deployment_resume(deployment=deployment)
    play(deployment.portfolio, at(68))
    deployment_stop(deployment=deployment, now=NOW)
    assert resting(deployment) == {}


def test_what_its_owner_cancels_is_placed_again_with_the_next_decision(walk):
    deployment = deploy_on(walk)
    play(deployment.portfolio, at(61))
    before = resting(deployment)

    order_cancel(order=before["TARGET"])
    play(deployment.portfolio, at(62))

    after = resting(deployment)
    assert set(after) == {"STOP", "TARGET"}
    assert after["TARGET"].pk != before["TARGET"].pk
    assert after["TARGET"].limit_price == before["TARGET"].limit_price


def test_levels_are_watched_at_the_close_when_an_order_may_not_rest(walk):
    deployment = deploy_on(walk)
    play(deployment.portfolio, at(59))

    with closed_for_trading(walk):
        play(deployment.portfolio, at(60))
    deployment.refresh_from_db()

    assert resting(deployment) == {}
    assert deployment.state["rests_protection"] is False
    assert deployment.state["stop_price"] is not None
    play(deployment.portfolio, at(109))
    assert (
        "STOP"
        in [
            order.decision.reason and order.decision.action
            for order in Order.objects.filter(deployment=deployment, decision__isnull=False)
        ]
        or Order.objects.filter(deployment=deployment, side="SELL", status="FILLED").exists()
    )
    assert ledger_verify(deployment.portfolio) == []


def test_a_stop_sells_no_more_than_a_person_left(walk):
    deployment = deploy_on(walk)
    play(deployment.portfolio, at(61))
    deployment.refresh_from_db()
    own = Decimal(str(deployment.state["quantity"]))
    order_submit(
        portfolio=deployment.portfolio, instrument=walk, side="SELL", order_type="MARKET",
        quantity=own - Decimal("1"), client_order_id="by hand", now=NOW,
    )  # fmt: skip

    play(deployment.portfolio, at(65))

    stop = Order.objects.get(deployment=deployment, protection="STOP", status="FILLED")
    assert stop.filled_quantity == Decimal("1")
    assert deployment.portfolio.positions.get().quantity == 0
    assert ledger_verify(deployment.portfolio) == []


def test_the_page_of_a_strategy_says_what_rests(walk, client):
    deployment = deploy_on(walk)
    client.force_login(deployment.portfolio.user)
    page = reverse("strategy_detail", args=[deployment.version.strategy_id])
    flat = client.get(page).content.decode()
    play(deployment.portfolio, at(61))

    held = client.get(page).content.decode()

    stop = resting(deployment)["STOP"]
    assert "Nothing is held. With the fill" in flat
    assert reverse("order_detail", args=[stop.uuid]) in held
    assert f"{stop.stop_price:.2f}" in held
    assert "rests: " in held
    order = client.get(reverse("order_detail", args=[stop.uuid])).content.decode()
    assert "sells no more than is held" in order


def test_the_page_of_a_strategy_says_why_an_order_could_not_rest(walk, client):
    deployment = deploy_on(walk)
    client.force_login(deployment.portfolio.user)
    play(deployment.portfolio, at(59))

    with closed_for_trading(walk):
        play(deployment.portfolio, at(60))
    page = client.get(reverse("strategy_detail", args=[deployment.version.strategy_id]))

    assert "An order could not rest: " in page.content.decode()
    assert "is a reference and cannot be traded" in page.content.decode()
