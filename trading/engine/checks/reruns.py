"""Running the same strategy again under other prices, parameters or costs, at a bounded price.

INPUT    a finished run and its bars
OUTPUT   Sharpe ratios and win rates of reruns, each comparable with the baseline run here
LOOKBACK the whole run; for strategies without a compiled rule only its last bars
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from marketdata.types import Bars
from trading.engine import metrics
from trading.engine.backtest import BacktestConfig, BacktestRun, Curve, curve_of, is_compiled
from trading.engine.costs import BPS, CostModel
from trading.engine.errors import EngineError

# Bars all reruns of a strategy without a compiled rule may take together: a third of a second.
STEPPED_BARS = 10_000
FEWEST_BARS = 120


class Figures(NamedTuple):
    """Sharpe ratio, win rate and completed trades of a rerun; NaN where nothing was traded."""

    sharpe_ratio: float
    win_rate: float
    n_round_trips: int


# Of a rerun that is too short for its parameters, or of a rule that reads ahead; see `leaks`.
IMPOSSIBLE = Figures(math.nan, math.nan, 0)


class Reruns:
    """The run again, with costs that are a constant share so that compiled rules stay compiled.

    Every rerun pays what the run itself paid on average, per side, and the same for holding.
    `n_expected` reruns share the bars that a strategy without a compiled rule may take.
    """

    def __init__(self, run: BacktestRun, bars: Bars, n_expected: int) -> None:
        self.run = run
        costs = constant_costs(run.config.costs, run.costs.paid_bps)
        self.config = BacktestConfig(
            cash=run.config.cash,
            cost_model=costs,
            start_index=run.config.start_index,
            allows_all_cash=True,
            limits=run.config.limits,
        )
        self.is_compiled = is_compiled(bars, run.spec, run.params, self.config)
        self.bars = bars if self.is_compiled else self._latest(bars, n_expected)
        self.baseline = self.figures(self.bars)

    @property
    def is_partial(self) -> bool:
        """Tell whether only the last bars were used."""
        return self.config.start_index == 0 and len(self.bars) < self.run.first_bar + len(
            self.run.equity
        )

    @property
    def span_words(self) -> str:
        """Say on which bars and at which costs; empty for those of the run itself."""
        words = f" on the last {len(self.bars):,} bars" if self.is_partial else ""
        return words + average_cost_words(self.run.config.costs)

    def figures(self, bars: Bars, params: Mapping[str, object] | None = None) -> Figures:
        """Run again under other prices or parameters."""
        try:
            curve = curve_of(bars, self.run.spec, params or self.run.params, self.config)
        except (EngineError, IndexError):
            return IMPOSSIBLE
        return figures_of(curve, self.config.cash, self.run.bars_per_year)

    def _latest(self, bars: Bars, n_expected: int) -> Bars:
        warm_up = self.run.spec.warm_up(self.run.params)
        n_bars = max(STEPPED_BARS // max(n_expected, 1), 2 * warm_up, FEWEST_BARS)
        if n_bars >= len(bars):
            return bars
        self.config = replace(self.config, start_index=0)
        return bars.slice(len(bars) - n_bars, len(bars))


def figures_of(curve: Curve, cash: float, bars_per_year: float) -> Figures:
    """Return what a rerun came to that began with so much cash."""
    returns = metrics.simple_returns(curve.equity, start=cash)
    sharpe_ratio = metrics.sharpe_ratio(returns, bars_per_year)
    return Figures(sharpe_ratio, curve.win_rate, curve.n_round_trips)


def average_cost_words(costs: CostModel) -> str:
    """Say that a rerun pays a constant share to trade; empty where the run itself paid one.

    What holding costs is the same in both.
    """
    pays_commission_alone = replace(costs, commission_bps=0.0).is_free
    return "" if pays_commission_alone else " at its average cost"


def constant_costs(costs: CostModel, paid_bps: float) -> CostModel:
    """Return costs of a constant share; borrow stays, and the class, which breakers measure by."""
    return CostModel(
        commission_bps=min(paid_bps, 1_000.0),
        preset=costs.preset,
        preset_scale=0.0,
        borrow_bps_per_day=costs.borrow_rate_per_day / BPS,
        financing_bps_per_year=costs.financing_bps_per_year,
    )
