"""What size a strategy at work might take now, from its own book and its own record."""

from __future__ import annotations

import math

from trading.engine.recommend import Recommendation, SizingCaps, TradeRecord, recommend
from trading.models import Decision, Deployment
from trading.selectors.backtests import backtest_newest
from trading.selectors.prices import bar_last, regime_now

BOUND_WORDS = {
    "VOLATILITY_TARGET": "the volatility target",
    "RISK_PER_TRADE": "the risk per trade",
    "KELLY": "the capped Kelly bet",
    "MAX_WEIGHT": "the largest weight",
}


def size_recommended(deployment: Deployment) -> Recommendation | None:
    """Recommend a size at the market time of the portfolio; None before the first known price."""
    replay = deployment.portfolio.replay
    until = replay.cursor_at if replay else None
    bar = bar_last(deployment.instrument, until=until, timeframe=deployment.timeframe)
    equity = float(deployment.state.get("equity", deployment.capital))
    if bar is None or equity <= 0.0:
        return None
    now = regime_now(deployment.instrument, until=until, timeframe=deployment.timeframe)
    return recommend(
        equity=equity,
        price=float(bar.close),
        volatility=math.nan if now.volatility is None else now.volatility,
        stop_distance=_stop_distance(deployment),
        record=_record(deployment),
        caps=SizingCaps(),
        quantity_step=float(deployment.instrument.quantity_step),
    )


def _stop_distance(deployment: Deployment) -> float | None:
    """Return what the strategy's last decision would put its stop below an entry."""
    last = Decision.objects.filter(deployment=deployment).order_by("-market_at").first()
    if last is None:
        return None
    atr = last.inputs.get("atr")
    multiple = last.parameters.get("stop_atr", {}).get("now")
    return float(atr) * float(multiple) if atr and multiple else None


def _record(deployment: Deployment) -> TradeRecord | None:
    """Read the trades of the person's newest backtest of these rules on this instrument."""
    strategy = deployment.version.strategy
    run = backtest_newest(
        user_id=strategy.user_id, strategy_key=strategy.key, instrument=deployment.instrument
    )
    found = run.result.metrics.get("out_of_sample") or {} if run else {}
    win, loss = found.get("avg_win_bps"), found.get("avg_loss_bps")
    if not win or not loss:
        return None
    return TradeRecord(found["n_round_trips"], found["n_wins"], payoff_ratio=win / abs(loss))
