"""The live runner: the same orders as a backtest, each bar once, a failing strategy alone."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from marketdata.models import ReplaySession
from marketdata.providers.embedded import EmbeddedProvider
from marketdata.selectors import bars_get, instant, instrument_get
from marketdata.services import offer_ingest
from trading.engine import backtest
from trading.engine.types import AssetClass
from trading.models import Decision, Deployment, EquityPoint, Order
from trading.selectors.ledger import ledger_verify
from trading.services.amounts import amount_of
from trading.services.pretrade import PAPER_SLIPPAGE_BPS
from trading.services.runner import portfolio_advance
from trading.services.strategies import deployment_start, strategy_create
from trading.tests.factories import NOW, portfolio_make, user_make

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


def deploy(instrument, key, parameters, *, start_at, cash=100_000, capital=None):
    user = user_make()
    portfolio = portfolio_make(user, cash=cash, lead=instrument, cursor_at=start_at, **WIDE)
    version = strategy_create(user=user, key=key, name=f"Test {key}", parameters=parameters)
    return deployment_start(
        version=version, portfolio=portfolio, instrument=instrument, capital=capital, now=NOW
    )


def play(portfolio, until, **options):
    ReplaySession.objects.filter(pk=portfolio.replay_id).update(cursor_at=until)
    return portfolio_advance(portfolio_id=portfolio.pk, until=until, now=NOW, **options)


@pytest.mark.parametrize(
    ("key", "parameters"),
    [
        ("volatility_adaptive_trend", {}),
        ("rsi2_reversion", {}),
        ("rsi2_reversion", {"sizing": "volatility_target"}),
        ("sma_cross", {"fast": 5, "slow": 20}),
    ],
)
def test_replaying_a_period_live_gives_the_orders_of_its_backtest(spx, key, parameters):
    bars = bars_get(spx)
    begin = int(np.searchsorted(bars.closed_at, np.datetime64("2008-08-01", "ns").astype(np.int64)))
    end = begin + 160
    deployment = deploy(spx, key, parameters, start_at=instant(int(bars.closed_at[begin])))

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
