"""Running a shared account again under other prices or parameters, at a bounded price.

INPUT    a finished portfolio run and what it was made from
OUTPUT   Sharpe ratios and win rates of reruns, each comparable with the baseline run here
LOOKBACK the whole run, or its last bars where that would take too long
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from marketdata.types import IntArray
from trading.engine import account_loop
from trading.engine.allocation import Allocation
from trading.engine.backtest import BacktestConfig
from trading.engine.checks.reruns import (
    IMPOSSIBLE,
    Figures,
    average_cost_words,
    constant_costs,
    figures_of,
)
from trading.engine.costs import CostModel
from trading.engine.errors import EngineError
from trading.engine.portfolio_backtest import PortfolioRun, account_curve, account_opened
from trading.engine.shared_account import Leg, SharedAccount

# Bars of single instruments that the reruns of one check may take together, so that a person can
# wait for it: step by step, and compiled, where correlations that breakers ask for take longest.
STEPPED_BARS = 60_000
COMPILED_BARS = 3_000_000
FEWEST_BARS = 120
Progress = Callable[[float], None]


class AccountReruns:
    """The account again, with costs that are a constant share so that tables stay compiled.

    Every rerun of an instrument pays what it paid on average in the run, per side, and the same for
    holding. `n_expected` reruns share the bars that they may take.
    """

    def __init__(
        self, run: PortfolioRun, legs: Sequence[Leg], allocation: Allocation, n_expected: int
    ) -> None:
        paid = {row.symbol: row.costs.paid_bps for row in run.instruments}
        own = run.account.config.costs
        self.config = BacktestConfig(
            cash=run.account.config.cash,
            limits=run.account.config.limits,
            cost_model=CostModel(financing_bps_per_year=own.financing_bps_per_year),
        )
        self.allocation = allocation
        self.bars_per_year = run.account.bars_per_year
        every = [
            replace(leg, costs=constant_costs(leg.costs or own, paid[leg.bars.symbol]))
            for leg in legs
        ]
        at_costs = (average_cost_words(leg.costs or own) for leg in legs)
        self.cost_words = next((words for words in at_costs if words), "")
        self.is_compiled = account_loop.runs_compiled(self._opened(every)[0])
        self.legs = _latest(every, COMPILED_BARS if self.is_compiled else STEPPED_BARS, n_expected)
        self.is_partial = self.legs is not every
        # An instrument that ended before the last bars is left out, with its share in cash.
        self.allocation = allocation.kept({leg.bars.symbol for leg in self.legs}, len(every))
        self.baseline = self.figures(self.legs)

    @property
    def span_words(self) -> str:
        """Say on which bars of the clock and at which costs; empty for those of the run itself."""
        words = f" on the last {_clock(self.legs).shape[0]:,} bars" if self.is_partial else ""
        return words + self.cost_words

    def figures(self, legs: Sequence[Leg]) -> Figures:
        """Run again under other prices or parameters."""
        try:
            curve = account_curve(*self._opened(legs))
        except (EngineError, IndexError):
            return IMPOSSIBLE
        return figures_of(curve, self.config.cash, self.bars_per_year)

    def _opened(self, legs: Sequence[Leg]) -> tuple[SharedAccount, IntArray]:
        return account_opened(legs, self.config, self.allocation)


def _latest(legs: Sequence[Leg], budget: int, n_expected: int) -> Sequence[Leg]:
    """Keep the last bars, so that all reruns together step about as often as the budget says."""
    warm_ups = [_warm_up(leg) for leg in legs]
    clock = _clock(legs)
    n_ticks = max(budget // (max(n_expected, 1) * len(legs)), 2 * max(warm_ups), FEWEST_BARS)
    if n_ticks >= clock.shape[0]:
        return legs
    kept = []
    for leg, warm_up in zip(legs, warm_ups, strict=True):
        first = int(np.searchsorted(leg.bars.closed_at, clock[-n_ticks], "left"))
        if len(leg.bars) - first > max(warm_up, 1):
            kept.append(replace(leg, bars=leg.bars.slice(first, len(leg.bars))))
    return kept or legs


def _warm_up(leg: Leg) -> int:
    spec, params = leg.resolved()
    return spec.warm_up(params)


def _clock(legs: Sequence[Leg]) -> IntArray:
    clock: IntArray = np.unique(np.concatenate([leg.bars.closed_at for leg in legs]))
    return clock
