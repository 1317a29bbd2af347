"""The live runner: the same orders as a backtest, each bar once, a failing strategy alone."""

from __future__ import annotations

import threading
from decimal import Decimal

import numpy as np
import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from accounts.services import entitlement_grant
from marketdata.models import ReplaySession
from marketdata.providers.embedded import EmbeddedProvider
from marketdata.selectors import bars_get, instant, instrument_get
from marketdata.services import offer_ingest
from trading.engine import backtest
from trading.engine.types import AssetClass
from trading.models import (
    Decision,
    Deployment,
    EquityPoint,
    Order,
    RiskLimits,
    Strategy,
    StrategyVersion,
)
from trading.selectors.ledger_checks import ledger_verify
from trading.services.amounts import amount_of
from trading.services.deployments import deployment_start
from trading.services.order_costs import PAPER_SLIPPAGE_BPS
from trading.services.orders import order_submit
from trading.services.own_limits import engine_limits
from trading.services.runner import portfolio_advance
from trading.services.strategies import strategy_create
from trading.tests.factories import (
    DAY,
    FIRST_CLOSE,
    NOW,
    bars_make,
    instrument_make,
    portfolio_make,
    user_make,
)

pytestmark = pytest.mark.django_db
WIDE = {
    "max_daily_loss_ratio": 1.0,
    "max_order_notional": Decimal(10**9),
    "max_position_weight": 1.0,
}


@pytest.fixture
def spx():
    """S&P 500 as a package of ours carries it, stored by the real import."""
    offer = next(item for item in EmbeddedProvider().offers() if item.spec.symbol == "SPX")
    offer_ingest(offer=offer, now=NOW, progress=lambda done, total: None)
    return instrument_get("SPX")


def deploy(instrument, key, parameters, *, start_at, cash=100_000, capital=None, limits=None):
    user = user_make()
    portfolio = portfolio_make(user, cash=cash, lead=instrument, cursor_at=start_at, **WIDE)
    version = strategy_create(
        user=user, key=key, name=f"Test {key}", parameters=parameters, limits=limits or {}
    )
    return deployment_start(
        version=version, portfolio=portfolio, instrument=instrument, capital=capital, now=NOW
    )


def play(portfolio, until, **options):
    ReplaySession.objects.filter(pk=portfolio.replay_id).update(cursor_at=until)
    return portfolio_advance(portfolio_id=portfolio.pk, until=until, now=NOW, **options)


@pytest.mark.parametrize(
    ("key", "parameters", "limits"),
    [
        ("volatility_adaptive_trend", {}, {}),
        ("rsi2_reversion", {}, {}),
        ("rsi2_reversion", {"sizing": "volatility_target"}, {}),
        ("sma_cross", {"fast": 5, "slow": 20}, {}),
        ("sma_cross", {"fast": 5, "slow": 20}, {"max_position_weight": 0.3}),
        ("rsi2_reversion", {"schedule.days": "MON THU FRI", "schedule.from": "15:30"}, {}),
        (
            "volatility_adaptive_trend",
            {"size_factor.ADAPTIVE": "off", "schedule.every_bars": 8, "no_trade_band": 0.05},
            {},
        ),
        ("rsi2_reversion", {}, {"max_order_notional": 20_000.0, "max_daily_loss_ratio": 0.01}),
    ],
)
def test_replaying_a_period_live_gives_the_orders_of_its_backtest(spx, key, parameters, limits):
    bars = bars_get(spx)
    begin = int(np.searchsorted(bars.closed_at, np.datetime64("2008-08-01", "ns").astype(np.int64)))
    end = begin + 160
    deployment = deploy(
        spx, key, parameters, start_at=instant(int(bars.closed_at[begin])), limits=limits
    )

    play(deployment.portfolio, instant(int(bars.closed_at[end])))
    run = backtest.run(
        bars.until(end),
        key,
        parameters,
        backtest.BacktestConfig(
            cash=100_000.0,
            slippage_bps=PAPER_SLIPPAGE_BPS,
            cost_preset=AssetClass.INDEX,
            quantity_step=float(spx.quantity_step),
            start_index=begin + 1,
            keeps_decisions=True,
            limits=engine_limits(limits),
        ),
    )

    live = [
        (order.market_at, order.side, order.quantity)
        for order in Order.objects.filter(deployment=deployment, fills__isnull=False).order_by("pk")
    ]
    expected = [
        (instant(order.submitted_at), str(order.side), amount_of(order.quantity))
        for order in run.orders
    ]
    assert len(expected) >= 4
    assert live == expected
    decided = list(Decision.objects.filter(deployment=deployment).order_by("market_at"))
    assert [(item.action, item.reason) for item in decided] == [
        (str(item.action), item.reason) for item in run.decisions
    ]
    point = EquityPoint.objects.filter(portfolio=deployment.portfolio).latest("market_at")
    assert float(point.equity) == pytest.approx(run.final_equity, rel=1e-9)
    assert ledger_verify(deployment.portfolio) == []


@pytest.fixture
def tape():
    """Twelve closes that rise and fall, so that a quick crossing trades."""
    closes = [100.0, 101.0, 103.0, 106.0, 104.0, 101.0, 99.0, 100.0, 104.0, 108.0, 107.0, 103.0]
    return instrument_make("TAPE", closes, asset_class="CRYPTO")


def deploy_on_tape(tape):
    return deploy(tape, "sma_cross", {"fast": 2, "slow": 3}, start_at=FIRST_CLOSE)


def rows(portfolio):
    """Everything the runner wrote."""
    return {
        "decisions": list(
            Decision.objects.filter(deployment__portfolio=portfolio)
            .order_by("market_at")
            .values_list("market_at", "action", "reason")
        ),
        "orders": list(
            Order.objects.filter(portfolio=portfolio)
            .order_by("pk")
            .values_list("market_at", "side", "quantity", "status", "avg_fill_price")
        ),
        "equity": list(
            EquityPoint.objects.filter(portfolio=portfolio)
            .order_by("market_at")
            .values_list("market_at", "equity", "cash")
        ),
        "state": Deployment.objects.get(portfolio=portfolio).state,
    }


def test_each_bar_is_decided_once_however_often_the_runner_comes(tape):
    portfolio = deploy_on_tape(tape).portfolio
    end = FIRST_CLOSE + 11 * DAY

    first = play(portfolio, end)
    before = rows(portfolio)
    second = play(portfolio, end)

    assert (first.n_bars, first.n_decisions) == (11, 11)
    assert first.n_fills >= 2
    assert (second.n_bars, second.processed_at) == (0, None)
    assert rows(portfolio) == before
    assert ledger_verify(portfolio) == []


def test_a_runner_stopped_after_every_bar_writes_what_an_unbroken_one_writes(tape):
    unbroken = deploy_on_tape(tape).portfolio
    broken = deploy_on_tape(tape).portfolio
    end = FIRST_CLOSE + 11 * DAY

    play(unbroken, end)
    for _ in range(11):
        assert play(broken, end, max_bars=1).n_bars == 1

    assert rows(broken) == rows(unbroken)


def test_a_crash_in_the_middle_of_a_bar_leaves_nothing_of_it(tape, monkeypatch):
    portfolio = deploy_on_tape(tape).portfolio
    end = FIRST_CLOSE + 11 * DAY
    whole = deploy_on_tape(tape).portfolio
    play(whole, end)
    play(portfolio, end, max_bars=4)
    before = rows(portfolio)

    def crash(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("trading.services.runner.equity_write", crash)
        with pytest.raises(KeyboardInterrupt):
            play(portfolio, end)

    assert rows(portfolio) == before
    play(portfolio, end)
    assert rows(portfolio) == rows(whole)


def test_nothing_after_the_cursor_is_worked_on_whatever_is_asked(tape):
    portfolio = deploy_on_tape(tape).portfolio
    ReplaySession.objects.filter(pk=portfolio.replay_id).update(cursor_at=FIRST_CLOSE + 2 * DAY)

    done = portfolio_advance(portfolio_id=portfolio.pk, until=FIRST_CLOSE + 9 * DAY, now=NOW)

    assert done.processed_at == FIRST_CLOSE + 2 * DAY


def test_a_strategy_that_fails_is_stopped_alone(tape):
    sound = deploy(
        tape, "sma_cross", {"fast": 2, "slow": 3}, start_at=FIRST_CLOSE, capital=Decimal(50_000)
    )
    owner = sound.portfolio.user
    entitlement_grant(user=owner, key="strategies.running", value=5, source="test")
    # Parameters nobody could have stored through the service.
    version = StrategyVersion.objects.create(
        strategy=Strategy.objects.create(user=owner, key="sma_cross", name="Broken"),
        number=1,
        parameters={"fast": 9, "slow": -1},
    )
    broken = deployment_start(
        version=version, portfolio=sound.portfolio, instrument=tape, capital=Decimal(10_000),
        now=NOW,
    )  # fmt: skip

    done = play(sound.portfolio, FIRST_CLOSE + 11 * DAY)

    broken.refresh_from_db()
    sound.refresh_from_db()
    assert (broken.status, sound.status) == ("ERROR", "RUNNING")
    assert "slow" in broken.error
    assert "at 2008-08-02" in broken.error
    assert done.n_bars == 11
    assert Decision.objects.filter(deployment=sound).count() == 11
    assert not Decision.objects.filter(deployment=broken).exists()


def test_a_denied_order_does_not_use_up_the_bars_of_a_schedule():
    rising = instrument_make("SPX", [100.0 + n for n in range(40)])
    deployment = deploy(
        rising,
        "sma_cross",
        {"fast": 3, "slow": 6, "schedule.every_bars": 30},
        start_at=FIRST_CLOSE + 10 * DAY,
    )
    limits = RiskLimits.objects.filter(portfolio=deployment.portfolio)
    limits.update(max_order_notional=1)
    play(deployment.portfolio, FIRST_CLOSE + 12 * DAY)
    denied = list(Order.objects.values_list("status", flat=True))
    limits.update(max_order_notional=WIDE["max_order_notional"])

    play(deployment.portfolio, FIRST_CLOSE + 20 * DAY)

    assert denied == ["DENIED", "DENIED"]
    assert Order.objects.exclude(status="DENIED").get().status == "FILLED"


@pytest.mark.django_db(transaction=True)
def test_two_runners_at_once_do_every_bar_once(tape):
    alone = deploy_on_tape(tape).portfolio
    shared = deploy_on_tape(tape).portfolio
    end = FIRST_CLOSE + 11 * DAY
    play(alone, end)
    ReplaySession.objects.filter(pk=shared.replay_id).update(cursor_at=end)
    start, done, errors = threading.Barrier(2), [], []

    def run():
        try:
            start.wait(60)
            done.append(portfolio_advance(portfolio_id=shared.pk, until=end, now=NOW))
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert sum(item.n_bars for item in done) == 11
    assert rows(shared) == rows(alone)
    assert ledger_verify(shared) == []


def test_a_bar_without_an_order_takes_fifteen_statements(tape):
    deployment = deploy(tape, "sma_cross", {"fast": 10, "slow": 11}, start_at=FIRST_CLOSE)
    play(deployment.portfolio, FIRST_CLOSE + 2 * DAY)

    with CaptureQueriesContext(connection) as captured:
        done = play(deployment.portfolio, FIRST_CLOSE + 3 * DAY)

    statements = [item["sql"] for item in captured if "SAVEPOINT" not in item["sql"]]
    assert done.n_bars == 1
    # One of them moves the cursor, which the streamer does elsewhere.
    assert len(statements) <= 15 + 1


def test_a_resting_stop_is_met_at_the_open_of_a_bar_that_gaps_through_it():
    rows = [(100.0, 101.0, 99.0, 100.0)] * 3 + [(90.0, 92.0, 88.0, 91.0)]
    instrument = instrument_make("GAP")
    bars_make(instrument, rows)
    portfolio = portfolio_make(lead=instrument, **WIDE)
    asked = {"portfolio": portfolio, "instrument": instrument, "quantity": "10", "now": NOW}
    order_submit(side="BUY", order_type="MARKET", client_order_id="in", **asked)
    play(portfolio, FIRST_CLOSE + DAY)
    stop = {"order_type": "STOP_MARKET", "stop_price": "95", "time_in_force": "GTC"}
    order_submit(side="SELL", client_order_id="out", **stop, **asked)

    play(portfolio, FIRST_CLOSE + 2 * DAY)
    assert Order.objects.get(client_order_id="out").status == "ACCEPTED"
    play(portfolio, FIRST_CLOSE + 3 * DAY)

    sold = Order.objects.get(client_order_id="out")
    assert (sold.status, sold.is_triggered) == ("FILLED", True)
    assert float(sold.avg_fill_price) == pytest.approx(90.0 * (1 - PAPER_SLIPPAGE_BPS / 1e4))
    assert ledger_verify(portfolio) == []
