"""Running a shared account again under other prices or parameters, at a bounded price.

INPUT    a finished portfolio run and what it was made from
OUTPUT   Sharpe ratios of reruns, each comparable with the baseline run here
LOOKBACK the whole run, or its last bars where that would take too long
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from trading.engine import metrics
from trading.engine.allocation import Allocation
from trading.engine.errors import EngineError
from trading.engine.portfolio_backtest import PortfolioRun, account_equity
from trading.engine.shared_account import Leg

# Bars of single instruments that the reruns of one check may step together; half a run if more.
STEPPED_BARS = 60_000
FEWEST_BARS = 120
Progress = Callable[[float], None]


class AccountReruns:
    """The account again, on the bars that `n_expected` reruns may take."""

    def __init__(
        self, run: PortfolioRun, legs: Sequence[Leg], allocation: Allocation, n_expected: int
    ) -> None:
        self.config = replace(
            run.account.config, progress=None, observe=None, keeps_decisions=False
        )
        self.allocation = allocation
        self.bars_per_year = run.account.bars_per_year
        self.legs = _latest(run, legs, max(n_expected, 1))
        self.is_partial = self.legs is not legs
        self.baseline = self.sharpe_ratio(self.legs)

    @property
    def span_words(self) -> str:
        """Say on which bars of the clock, empty for all of them."""
        return f" on the last {_n_ticks(self.legs):,} bars" if self.is_partial else ""

    def sharpe_ratio(self, legs: Sequence[Leg]) -> float:
        """Return the Sharpe ratio of a rerun; NaN where it cannot run or never traded."""
        try:
            equity = account_equity(legs, self.config, self.allocation)
        except (EngineError, IndexError):
            # Too short for these parameters, or a rule that reads ahead; its own row tells of that.
            return math.nan
        returns = metrics.simple_returns(equity, start=self.config.cash)
        return metrics.sharpe_ratio(returns, self.bars_per_year)


def _latest(run: PortfolioRun, legs: Sequence[Leg], n_expected: int) -> Sequence[Leg]:
    """Keep the last bars, so that all reruns together step about as often as half the run."""
    n_steps = sum(len(leg.bars) for leg in legs)
    warm_up = run.account.spec.warm_up(run.account.params)
    budget = max(STEPPED_BARS, n_steps // 2)
    n_bars = max(budget // (n_expected * len(legs)), 2 * warm_up, FEWEST_BARS)
    if n_bars >= max(len(leg.bars) for leg in legs):
        return legs
    clock = run.account.closed_at
    moment = int(clock[max(clock.shape[0] - n_bars, 0)])
    kept = []
    for leg in legs:
        first = int(np.searchsorted(leg.bars.closed_at, moment, "left"))
        part = leg.bars.slice(min(first, len(leg.bars) - 1), len(leg.bars))
        if len(part) > warm_up and len(part) > 1:
            kept.append(replace(leg, bars=part))
    return kept or legs


def _n_ticks(legs: Sequence[Leg]) -> int:
    return int(np.unique(np.concatenate([leg.bars.closed_at for leg in legs])).shape[0])
