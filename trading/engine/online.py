"""The volatility-adaptive trend one bar at a time: features, regime, rule, sizing and breaker.

INPUT    high, low and close of the bar just closed
OUTPUT   units to trade on the next bar
LOOKBACK everything is carried in small vectors; nothing is computed twice

Equal to `strategies.volatility_adaptive_trend` over the whole series, bar by bar. Each bar costs
the same few microseconds however long the history is; only the volatility's rank looks through
its window of 1,008 values.

It is there for callers that only want the order, such as the bench `decide`. The live runner steps
from prepared features, whose arrays explain the decision it stores: one sixtieth of what a bar
costs it (ADR 35).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trading.engine import positions
from trading.engine.adaptive import adapt_next_nb, regime_values
from trading.engine.breaker import NS, config_vector, state_vector
from trading.engine.breaker_kernels import breaker_next_nb
from trading.engine.costs import CostModel
from trading.engine.kernels import FloatArray, Settled, kernel, settled_nb
from trading.engine.regimes import (
    ALPHA,
    MINIMUM_BARS,
    N_CONFIRM,
    PERCENTILE_CUTS,
    VOLATILITY_CUTS,
    WARM_UP_BARS,
    WINDOW_BARS,
    code_nb,
    cut_nb,
)
from trading.engine.rules import RuleTable
from trading.engine.simulation import NO_BREAKER, sizing_terms, start_memory
from trading.engine.smoothing import strength_nb
from trading.engine.strategies.base import Params
from trading.engine.strategies.tables import RESTING, breaker_config
from trading.engine.strategies.trend_rows import (
    EXIT_BARS,
    Adapted,
    Strengths,
    Terms,
    adaptive_row_nb,
    strengthened_nb,
)
from trading.engine.strategies.volatility_adaptive_trend import adaptive_base, warm_up

# Cells of what is carried from bar to bar.
N_SEEN, TOTAL, WEIGHTED, WEIGHT, BEFORE, GAIN, LOSS = 0, 1, 2, 3, 4, 5, 6
HELD_CODE, N_LOWER, HIGHEST_LOWER, N_EQUAL, CODE_BEFORE, CODE = 7, 8, 9, 10, 11, 12
# Features of the last bar, as the batch computes them.
CLOSE, TREND_MEAN, EXIT_MEAN, ATR, RSI, VOLATILITY, PERCENTILE = 13, 14, 15, 16, 17, 18, 19
N_CARRIED = 20
N_SUMS = 512


@kernel
def mean_nb(carried: FloatArray, sums: FloatArray, window: int) -> float:
    """Mean of the last closes from their running sums; NaN while there are too few."""
    i = int(carried[N_SEEN]) - 1
    if i >= window:
        return float((carried[TOTAL] - sums[(i - window) % N_SUMS]) / window)
    return float(carried[TOTAL] / window) if i == window - 1 else np.nan


@kernel
def rank_nb(volatilities: FloatArray, i: int) -> float:
    """Rank of the value of bar `i` in its trailing window, kept in a ring."""
    value = volatilities[i % WINDOW_BARS]
    n_less = 0
    n_equal = 0
    n_seen = min(i, WINDOW_BARS)
    for k in range(WINDOW_BARS):
        n_less += volatilities[k] < value
        n_equal += volatilities[k] == value
    if n_seen < MINIMUM_BARS:
        return np.nan
    return (n_less + (n_equal + 1) / 2.0) / n_seen


@kernel
def settle_nb(carried: FloatArray, code: int) -> int:
    """Let the held regime follow the code of one more bar."""
    before = Settled(int(carried[HELD_CODE]), int(carried[N_LOWER]), int(carried[HIGHEST_LOWER]))
    settled = settled_nb(before, code, N_CONFIRM)
    carried[HELD_CODE], carried[N_LOWER], carried[HIGHEST_LOWER] = settled
    return settled.code


@kernel
def smooth_nb(carried: FloatArray, i: int, high: float, low: float, close: float) -> None:
    """Move RSI and ATR on by one bar with Wilder's smoothing."""
    before = Strengths(carried[GAIN], carried[LOSS], carried[ATR])
    after = strengthened_nb(before, i, high, low, close, carried[BEFORE])
    carried[GAIN], carried[LOSS], carried[ATR] = after
    carried[RSI] = strength_nb(after.gain, after.loss, np.nan)


@kernel
def advance_nb(
    carried: FloatArray,
    sums: FloatArray,
    volatilities: FloatArray,
    values: FloatArray,
    at_once: FloatArray,
    now: FloatArray,
    terms: FloatArray,
    high: float,
    low: float,
    close: float,
) -> None:
    """Bring every feature up to one more bar, in place.

    `terms` holds bars per year, target volatility, largest weight, share of dips, trailing
    distance, blend bars and blend share.
    """
    i = int(carried[N_SEEN])
    carried[N_SEEN] += 1.0
    carried[TOTAL] += close
    sums[i % N_SUMS] = carried[TOTAL]
    carried[VOLATILITY] = np.nan
    if i > 0:
        step = math.log(close / carried[BEFORE])
        carried[WEIGHTED] = (1.0 - ALPHA) * carried[WEIGHTED] + step * step
        carried[WEIGHT] = (1.0 - ALPHA) * carried[WEIGHT] + 1.0
        carried[VOLATILITY] = math.sqrt(carried[WEIGHTED] / carried[WEIGHT] * terms[0])
        smooth_nb(carried, i, high, low, close)
    volatilities[i % WINDOW_BARS] = carried[VOLATILITY]
    carried[PERCENTILE] = rank_nb(volatilities, i)
    absolute = cut_nb(carried[VOLATILITY], VOLATILITY_CUTS) if i >= WARM_UP_BARS else -1
    carried[CODE] = code_nb(cut_nb(carried[PERCENTILE], PERCENTILE_CUTS), absolute)
    settled = settle_nb(carried, int(carried[CODE]))
    settled = settled if settled >= 0 else 1
    carried[N_EQUAL] = carried[N_EQUAL] + 1.0 if settled == carried[CODE_BEFORE] else 1.0
    carried[CODE_BEFORE] = settled
    blend_bars = int(terms[5])
    adapt_next_nb(values, at_once, now, settled, int(carried[N_EQUAL]), blend_bars, terms[6])
    carried[TREND_MEAN] = mean_nb(carried, sums, int(np.round(now[0])))
    carried[EXIT_MEAN] = mean_nb(carried, sums, EXIT_BARS)
    carried[CLOSE] = close
    carried[BEFORE] = close


@kernel
def online_step_nb(
    carried: FloatArray,
    sums: FloatArray,
    volatilities: FloatArray,
    values: FloatArray,
    at_once: FloatArray,
    now: FloatArray,
    terms: FloatArray,
    breaker_config_cells: FloatArray,
    breaker: FloatArray,
    memory: FloatArray,
    sizing: FloatArray,
    commissions: FloatArray,
    first: int,
    seconds: float,
    high: float,
    low: float,
    close: float,
) -> float:
    """Take one closed bar and return the units to trade on the next; all memory moves in place.

    Long because a kernel takes and hands on its memory as bare arrays, one argument each.
    """
    advance_nb(carried, sums, volatilities, values, at_once, now, terms, high, low, close)
    held = memory[positions.HELD]
    position = positions.aged_nb(positions.position_of_nb(memory))
    memory[positions.BARS_HELD] = position.bars_held
    if int(carried[N_SEEN]) <= first:
        return 0.0
    factor = 1.0
    if breaker_config_cells.shape[0] > 0:
        factor = breaker_next_nb(
            breaker,
            breaker_config_cells,
            seconds,
            memory[positions.CASH] + held * close,
            held,
            carried[VOLATILITY],
            carried[PERCENTILE],
            np.nan,
            np.nan,
        )
    row = adaptive_row_nb(
        carried[CLOSE],
        carried[TREND_MEAN],
        carried[EXIT_MEAN],
        carried[ATR],
        carried[RSI],
        carried[VOLATILITY],
        Adapted(now[0], now[1], now[2], now[3], now[4], now[5]),
        Terms(terms[1], terms[2], terms[3], terms[4]),
    )
    rate = commissions[int(carried[CODE]) + 1]
    position, pending, decided = positions.decided_nb(
        position,
        positions.pending_of_nb(memory),
        row,
        positions.sizing_of_nb(sizing, sizing[positions.RESTS_PROTECTION] != 0.0),
        memory[positions.CASH],
        held,
        close,
        rate,
        factor,
    )
    positions.remember_nb(memory, position, pending, decided)
    return float(decided.delta)


class OnlineCells(NamedTuple):
    """The arguments of `online_step_nb` before the bar itself."""

    carried: FloatArray
    sums: FloatArray
    volatilities: FloatArray
    values: FloatArray
    at_once: FloatArray
    now: FloatArray
    terms: FloatArray
    breaker_config: FloatArray
    breaker: FloatArray
    memory: FloatArray
    sizing: FloatArray
    commissions: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class OnlineTrend:
    """A running volatility-adaptive trend: feed it bars and fills; it remembers the rest.

    Protection that rests is the caller's to place; its fills are fed like all others.

    Attributes
    ----------
    cells : OnlineCells
        Everything remembered; moved on in place.
    first : int
        Bars that only warm up.
    """

    cells: OnlineCells
    first: int

    def step(self, closed_at: int, high: float, low: float, close: float) -> float:
        """Take one closed bar; return units to trade on the next, positive to buy."""
        return online_step_nb(*self.cells, self.first, closed_at / NS, high, low, close)

    def book(self, quantity: float, price: float, commission: float) -> None:
        """Take a fill: signed units, price, commission in currency."""
        rests = self.cells.sizing[positions.RESTS_PROTECTION] != 0.0
        positions.book_nb(self.cells.memory, quantity, price, commission, rests)


def online_trend(
    params: Params,
    *,
    bars_per_year: float,
    cash: float,
    costs: CostModel,
    quantity_step: float = 0.0,
) -> OnlineTrend:
    """Start one that has seen nothing.

    Parameters
    ----------
    params : mapping
        Every parameter of the strategy, resolved; a schedule is the caller's to keep.
    bars_per_year : float
        The instrument's own, > 0.
    cash : float
        Capital of its book, > 0.
    costs : CostModel
        Commission by regime and slippage.
    quantity_step : float
        Lot; 0 for fractional units.

    Examples
    --------
    >>> from trading.engine.strategies import strategy_get
    >>> params = strategy_get("volatility_adaptive_trend").defaults
    >>> online = online_trend(params, bars_per_year=252.0, cash=1e5, costs=CostModel())
    >>> online.step(0, 101.0, 99.0, 100.0)
    0.0
    """
    values, at_once = regime_values(adaptive_base(params))
    names = ("target_volatility", "max_weight", "pullback_share", "trail_atr")
    blend = (float(params["blend_bars"]), float(params["blend_share"]))
    terms = np.array([bars_per_year, *(float(params[name]) for name in names), *blend])
    carried = np.zeros(N_CARRIED)
    carried[[HELD_CODE, HIGHEST_LOWER, CODE_BEFORE]] = -1.0
    config = breaker_config(params)
    table = RuleTable(
        np.empty((0, 8)),
        float(params["no_trade_band"]),
        rebalances=True,
        rests_protection=params["protection"] == RESTING,
    )
    cells = OnlineCells(
        carried,
        np.zeros(N_SUMS),
        np.full(WINDOW_BARS, np.nan),
        values,
        at_once,
        values[:, 1].copy(),
        terms,
        NO_BREAKER if config is None else config_vector(config, costs.preset),
        state_vector(None),
        start_memory(cash),
        sizing_terms(table, costs, quantity_step, True),
        np.array([costs.commission_rate(code) for code in (-1, 0, 1, 2, 3)]),
    )
    return OnlineTrend(cells, warm_up(params))
