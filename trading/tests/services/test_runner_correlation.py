"""The live breaker knows what else the portfolio holds, exactly as that of a portfolio backtest."""

from __future__ import annotations

import pytest

from accounts.services import entitlement_grant
from marketdata.models import ReplaySession
from marketdata.selectors import bars_get, instant
from trading.engine.backtest import BacktestConfig
from trading.engine.portfolio_backtest import Leg, run_portfolio
from trading.engine.strategies import resolve_params, strategy_get
from trading.models import Decision
from trading.services.deployments import deployment_start
from trading.services.order_costs import costs_of
from trading.services.runner import portfolio_advance
from trading.services.strategies import strategy_create
from trading.tests.engine.walks import random_walk
from trading.tests.factories import NOW, bars_make, instrument_make, portfolio_make, user_make

pytestmark = pytest.mark.django_db
KEY = "volatility_adaptive_trend"
# Only the correlation may speak; equity differs, because live books do not share their cash.
PARAMETERS = {"breaker_drawdown": 0.9, "breaker_daily_loss": 0.5, "breaker_loss_streak": 50}
WARM_UP = strategy_get(KEY).warm_up(resolve_params(strategy_get(KEY), PARAMETERS))
N_BARS = WARM_UP + 60
WIDE = {"max_daily_loss_ratio": 1.0, "max_position_weight": 1.0}


def instruments_make():
    """Two instruments of nearly the same prices, one of which is closed now and then."""
    walk = random_walk(61, N_BARS, 0.008)
    rows = list(zip(walk.open, walk.high, walk.low, walk.close, strict=True))
    times = [instant(int(closed_at)) for closed_at in walk.closed_at]
    kept = [i for i in range(N_BARS) if i % 9]
    every, most = instrument_make("EVERY"), instrument_make("MOST")
    bars_make(every, rows, closes=times)
    bars_make(most, [rows[i] for i in kept], closes=[times[i] for i in kept])
    return every, most


def play(instruments):
    """Trade both in one portfolio from the end of the warm-up on."""
    user = user_make()
    entitlement_grant(user=user, key="strategies.running", value=2, source="test")
    lead = bars_get(instruments[0])
    begin = instant(int(lead.closed_at[WARM_UP - 2]))
    portfolio = portfolio_make(user, lead=instruments[0], cursor_at=begin, **WIDE)
    for instrument in instruments:
        version = strategy_create(user=user, key=KEY, name=instrument.symbol, parameters=PARAMETERS)
        deployment_start(
            version=version, portfolio=portfolio, instrument=instrument, capital=50_000, now=NOW
        )
    end = instant(int(lead.closed_at[-1]))
    ReplaySession.objects.filter(pk=portfolio.replay_id).update(cursor_at=end)
    portfolio_advance(portfolio_id=portfolio.pk, until=end, now=NOW)
    return list(
        Decision.objects.filter(deployment__portfolio=portfolio).select_related(
            "deployment__instrument"
        )
    )


def test_a_breaker_sees_live_the_correlation_of_the_portfolio_backtest():
    instruments = instruments_make()

    live = {
        (item.deployment.instrument.symbol, item.market_at): item.inputs.get("correlation")
        for item in play(instruments)
    }

    legs = [Leg(bars_get(item), KEY, PARAMETERS, costs_of(item)) for item in instruments]
    config = BacktestConfig(quantity_step=1.0, keeps_decisions=True)
    replayed = {
        (item.symbol, instant(item.decided_at)): item.inputs.get("correlation")
        for item in run_portfolio(legs, config).account.decisions
    }
    assert len([value for value in live.values() if value is not None]) > 20
    assert live == {key: replayed[key] for key in live}


def test_the_decision_says_that_the_correlation_raised_the_breaker():
    decided = [item for item in play(instruments_make()) if "correlation" in item.inputs]

    because = [str(item.parameters) for item in decided if "RESTRICTED" in str(item.parameters)]
    assert because
    assert all("correlation 100.0% reached the limit of 85.0%" in text for text in because)
