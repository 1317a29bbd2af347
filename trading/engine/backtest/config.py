"""What a backtest is run with, apart from prices and parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from marketdata.types import FloatArray, IntArray
from trading.engine.costs import CostModel
from trading.engine.errors import ConfigInvalid
from trading.engine.market import ExecutionTerms
from trading.engine.own_limits import NO_LIMITS, OwnLimits
from trading.engine.types import AssetClass, TimeInForce

Progress = Callable[[str, float], None]
# Closes of the bars that have run, and their equity at chosen indices.
EquityAt = Callable[[IntArray], FloatArray]
Observer = Callable[[IntArray, EquityAt], None]


@dataclass(frozen=True, slots=True)
class BacktestConfig:
    """Everything of a run but prices and parameters.

    Attributes
    ----------
    cash : float
        Starting capital, > 0.
    commission_bps, slippage_bps : float
        Per side; see `CostModel`.
    cost_preset : AssetClass or None
        Adds the class's costs, scaled by regime.
    cost_model : CostModel or None
        The whole model, in place of the three above, which must then be left alone.
    max_participation : float or None
        Largest share of a bar's volume an order may take; see `ExecutionTerms`.
    time_in_force : TimeInForce
        DAY cancels the rest a bar does not fill, GTC carries it.
    quantity_step : float
        0 for fractional units.
    tick_size : float
        Prices of resting orders are rounded to a multiple, away from the market; 0 for any price.
    seed : int
        Recorded in the manifest and used by null models; the run itself has no randomness.
    start_index : int
        First bar that may decide; bars before it only warm up.
    keeps_decisions : bool
        Store the explanation of every bar; slower.
    allows_all_cash : bool
        False sizes all-in rules at the close, as a live runner does.
    limits : OwnLimits
        What the strategy limits itself to; a run with some goes bar by bar through the step.
    progress : callable or None
        Called with a phase and a share in [0, 1]; may raise to cancel the run.
    observe : callable or None
        Called before `progress` where a run goes bar by bar, with the closes of the bars that have
        run (int64, nanoseconds) and a function from indices to their equity, currency; the
        compiled loops end before anybody could look.
    """

    cash: float = 100_000.0
    commission_bps: float = 0.0
    slippage_bps: float = 0.0
    cost_preset: AssetClass | None = None
    quantity_step: float = 0.0
    seed: int = 0
    start_index: int = 0
    keeps_decisions: bool = False
    allows_all_cash: bool = True
    progress: Progress | None = None
    cost_model: CostModel | None = None
    max_participation: float | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    tick_size: float = 0.0
    observe: Observer | None = None
    limits: OwnLimits = NO_LIMITS

    def __post_init__(self) -> None:
        """Refuse impossible capital, lot size and start."""
        if not (math.isfinite(self.cash) and self.cash > 0.0):
            raise ConfigInvalid(f"cash {self.cash} must be above 0")
        if not 0.0 <= self.quantity_step < math.inf:
            raise ConfigInvalid(f"quantity_step {self.quantity_step} must not be negative")
        if not 0.0 <= self.tick_size < math.inf:
            raise ConfigInvalid(f"tick_size {self.tick_size} must not be negative")
        if self.start_index < 0:
            raise ConfigInvalid(f"start_index {self.start_index} must not be negative")
        has_short_form = self.commission_bps or self.slippage_bps or self.cost_preset
        if self.cost_model is not None and has_short_form:
            raise ConfigInvalid(
                f"cost_model is given, so commission_bps {self.commission_bps}, slippage_bps "
                f"{self.slippage_bps} and cost_preset {self.cost_preset} must be left at 0"
            )
        _ = self.terms

    @property
    def costs(self) -> CostModel:
        """Return the cost model of the run."""
        if self.cost_model is not None:
            return self.cost_model
        return CostModel(self.commission_bps, self.slippage_bps, self.cost_preset)

    @property
    def terms(self) -> ExecutionTerms:
        """Return on what terms orders meet bars."""
        return ExecutionTerms(
            self.costs,
            self.quantity_step,
            self.max_participation,
            self.time_in_force,
            self.tick_size,
        )

    def report(self, phase: str, share: float) -> None:
        """Tell `progress`, where there is one, how far the run is."""
        if self.progress is not None:
            self.progress(phase, share)

    def show(self, closed_at: IntArray, equity_at: EquityAt) -> None:
        """Tell `observe`, where there is one, which bars have run and how to read their equity."""
        if self.observe is not None:
            self.observe(closed_at, equity_at)
