"""The honesty panel of a run on one seeded walk."""

from dataclasses import replace
from functools import cache

import numpy as np

from trading.engine.backtest import BacktestConfig, run
from trading.engine.checks.panel import honesty
from trading.engine.strategies import sma_cross
from trading.engine.strategies.base import Proposal
from trading.tests.engine.laws import length
from trading.tests.engine.walks import random_walk

BARS = random_walk(41, length(600, quick=420))
COSTLY = {"commission_bps": 5.0, "slippage_bps": 2.0}
KEYS = [
    "ENOUGH_TRADES",
    "NULL_WIN_RATE",
    "NULL_SHARPE",
    "NULL_BARS_WIN_RATE",
    "NULL_BARS",
    "BUY_AND_HOLD",
    "DEFLATED_SHARPE",
    "OVERFITTING",
    "COST_BREAK_EVEN",
    "COSTS",
    "BEST_TRADES",
    "NEIGHBORHOOD",
    "LOOK_AHEAD",
    "SHUFFLED_FUTURE",
    "WARM_UP",
    "REGIMES",
]


def rng():
    return np.random.default_rng(0)


def panel(result, bars=BARS):
    return honesty(result, bars, rng(), n_draws=30)


@cache
def dips(**costs):
    return run(BARS, "rsi2_reversion", {}, BacktestConfig(**costs))


SHORT = replace(
    sma_cross.SPEC,
    prepare=lambda bars, params: replace(sma_cross.prepare(bars, params), table=None),
    decide=lambda features, i, state: Proposal(-0.5 * (i % 20 < 10), -0.5, "SHORT"),
    targets=None,
)
