"""The tables of a finished run: figures of the whole and of each regime.

INPUT    equity, returns, exposure, trades, fills, regime codes
OUTPUT   plain dictionaries of floats; NaN where a figure is not defined
LOOKBACK the whole run
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from trading.engine import metrics
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.types import Fill, Regime, RoundTrip

FEW_TRADES = 30


def run_metrics(
    equity: FloatArray,
    returns: FloatArray,
    exposure: FloatArray,
    trips: Sequence[RoundTrip],
    fills: Sequence[Fill],
    cash: float,
    bars_per_year: float,
) -> dict[str, float]:
    """Compute every figure of a run.

    Parameters
    ----------
    equity, returns, exposure : float64, shape (n_bars,)
        Currency, fractions, shares of equity.
    trips, fills : sequence
        Completed trades and all fills.
    cash : float
        Starting capital.
    bars_per_year : float
        > 0.

    Returns
    -------
    dict
        Names to numbers; NaN where a figure is not defined.
    """
    pnls = [trip.pnl for trip in trips]
    n_wins = sum(trip.is_win for trip in trips)
    interval = metrics.wilson_interval(n_wins, len(trips))
    notionals = [fill.notional for fill in fills]
    return {
        "final_equity": float(equity[-1]),
        "total_return": float(equity[-1]) / cash - 1.0,
        "annual_return": metrics.annual_return(returns, bars_per_year),
        "volatility": metrics.volatility(returns, bars_per_year),
        "sharpe_ratio": metrics.sharpe_ratio(returns, bars_per_year),
        "sortino_ratio": metrics.sortino_ratio(returns, bars_per_year),
        "calmar_ratio": metrics.calmar_ratio(returns, bars_per_year),
        "max_drawdown": metrics.max_drawdown(equity, start=cash),
        "n_orders": float(len(fills)),
        "n_round_trips": float(len(trips)),
        "win_rate": metrics.hit_rate(pnls),
        "win_rate_low": interval.low,
        "win_rate_high": interval.high,
        "profit_factor": metrics.profit_factor(pnls),
        "n_losses": float(sum(pnl < 0.0 for pnl in pnls)),
        "expectancy_bps": metrics.expectancy_bps([trip.return_ratio for trip in trips]),
        "exposure": float(np.mean(np.abs(exposure))),
        "turnover_per_year": metrics.turnover_per_year(notionals, equity, bars_per_year),
        "commission_total": float(sum(fill.commission for fill in fills)),
        "bars_held_mean": float(np.mean([t.bars_held for t in trips])) if trips else math.nan,
    }


def regime_table(
    trips: Sequence[RoundTrip],
    codes: IntArray,
    returns: FloatArray,
    exposure: FloatArray,
    bars_per_year: float,
) -> dict[str, dict[str, float]]:
    """Split trades and bars by regime.

    Parameters
    ----------
    trips : sequence of RoundTrip
        Each belongs to the regime of its signal bar.
    codes : int64, shape (n_bars,)
        Regime at each bar, -1 to 3.
    returns, exposure : float64, shape (n_bars,)
        Fractions; a bar's return belongs to the regime known at the close before it.
    bars_per_year : float
        > 0.

    Returns
    -------
    dict
        One row per regime and, where there is something in it, UNKNOWN; the counts and results of
        the rows add up to those of the run. ``is_few`` is 1 below 30 trades; ``max_drawdown`` is
        that of the regime's own bars put one after the other.

    Examples
    --------
    >>> table = regime_table([], np.array([0, 0, 3]), np.zeros(3), np.zeros(3), 252.0)
    >>> table["EXTREME"]["n"], round(table["LOW"]["time_share"], 6)
    (0.0, 1.0)
    """
    known_before = np.concatenate((codes[:1], codes[:-1]))
    names = [str(regime) for regime in Regime]
    table = {}
    for code, name in ((-1, "UNKNOWN"), *enumerate(names)):
        chosen = [trip for trip in trips if str(trip.regime or "UNKNOWN") == name]
        in_regime = known_before == code
        if code < 0 and not (chosen or in_regime.any()):
            continue
        share = float(np.mean(in_regime))
        table[name] = regime_row(
            chosen, returns[in_regime], exposure[in_regime], share, bars_per_year
        )
    return table


def regime_row(
    trips: Sequence[RoundTrip],
    returns: FloatArray,
    exposure: FloatArray,
    time_share: float,
    bars_per_year: float,
) -> dict[str, float]:
    """Compute the figures of one regime.

    Parameters
    ----------
    trips : sequence of RoundTrip
        Those of the regime.
    returns, exposure : float64, shape (n_bars,)
        Fractions, at the bars of the regime.
    time_share : float
        Share of all bars, in [0, 1].
    bars_per_year : float
        > 0.

    Returns
    -------
    dict
        Names to numbers; NaN where a figure is not defined.
    """
    pnls = [trip.pnl for trip in trips]
    ratios = [trip.return_ratio for trip in trips]
    n_wins = sum(trip.is_win for trip in trips)
    interval = metrics.wilson_interval(n_wins, len(trips))
    sharpe = metrics.sharpe_interval(returns, bars_per_year)
    n_bars = returns.shape[0]
    return {
        "n": float(len(trips)),
        "n_wins": float(n_wins),
        "win_rate": metrics.hit_rate(pnls),
        "win_rate_low": interval.low,
        "win_rate_high": interval.high,
        "pnl": float(sum(pnls)),
        "profit_factor": metrics.profit_factor(pnls),
        "n_losses": float(sum(pnl < 0.0 for pnl in pnls)),
        "expectancy_bps": metrics.expectancy_bps(ratios),
        "avg_win_bps": metrics.expectancy_bps([r for r in ratios if r > 0.0]),
        "avg_loss_bps": metrics.expectancy_bps([r for r in ratios if r <= 0.0]),
        "n_bars": float(n_bars),
        "time_share": time_share,
        "sharpe_ratio": metrics.sharpe_ratio(returns, bars_per_year),
        "sharpe_low": sharpe.low,
        "sharpe_high": sharpe.high,
        "max_drawdown": metrics.max_drawdown(np.cumprod(1.0 + returns), start=1.0)
        if n_bars
        else math.nan,
        "exposure": float(np.mean(np.abs(exposure))) if n_bars else math.nan,
        "is_few": float(len(trips) < FEW_TRADES),
    }
