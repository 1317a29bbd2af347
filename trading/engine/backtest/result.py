"""What a backtest leaves: the tape of a path, and the run with its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from marketdata.types import FloatArray, IntArray
from trading.engine import metrics
from trading.engine.backtest.config import BacktestConfig
from trading.engine.cost_parts import CostParts, cost_parts
from trading.engine.execution import Blotter
from trading.engine.explanation import Decision
from trading.engine.market import market_of
from trading.engine.portfolio import round_trips
from trading.engine.state import StrategyState
from trading.engine.strategies.base import Features, ParameterValue, StrategySpec
from trading.engine.summary import regime_table, run_metrics
from trading.engine.types import Fill, Order, RoundTrip, regime_of


@dataclass(frozen=True, slots=True, eq=False)
class BacktestRun:
    """Result of one run; arrays cover the bars from `first_bar` to the end.

    Attributes
    ----------
    orders, fills : tuple
        An order may have several fills, or none; ``fills[k].bar`` counts in the given bars.
    signal_bars, fill_reasons : tuple
        Per fill: the bar whose close decided it, and the rule that spoke.
    round_trips : tuple of RoundTrip
        Completed trades. A position open at the end is in `final_state`, marked at the last close.
    closed_at, equity, cash, quantity, drawdown, exposure, regime_codes, absolute_regime_codes
        Per bar: time, marked equity, cash, signed units, drawdown (<= 0), share of equity invested,
        regime by percentile (fallback included) and by absolute cuts.
    metrics, by_regime, by_absolute_regime
        Figures by name; NaN where undefined.
    costs : CostParts
        What trading and holding cost, part by part.
    rested, watched : mapping of int to (float, float)
        As `execution.Blotter` has them, of runs that went bar by bar; a table says it for every
        bar.
    """

    spec: StrategySpec
    params: Mapping[str, ParameterValue]
    config: BacktestConfig
    symbol: str
    first_bar: int
    bars_per_year: float
    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]
    signal_bars: tuple[int, ...]
    fill_reasons: tuple[str, ...]
    round_trips: tuple[RoundTrip, ...]
    closed_at: IntArray
    equity: FloatArray
    cash: FloatArray
    quantity: FloatArray
    drawdown: FloatArray
    exposure: FloatArray
    regime_codes: IntArray
    absolute_regime_codes: IntArray
    metrics: Mapping[str, float]
    by_regime: Mapping[str, Mapping[str, float]]
    by_absolute_regime: Mapping[str, Mapping[str, float]]
    costs: CostParts
    decisions: tuple[Decision, ...] = field(default=())
    final_state: StrategyState | None = None
    rested: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    watched: Mapping[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def strategy_key(self) -> str:
        """Return the key of the strategy."""
        return self.spec.key

    @property
    def final_equity(self) -> float:
        """Return the equity at the last close."""
        return float(self.equity[-1])


@dataclass(slots=True, eq=False)
class Tape:
    """What a path leaves: the books at the end, cash and units after each bar, explanations."""

    blotter: Blotter
    cash: FloatArray
    quantity: FloatArray
    decisions: list[Decision] = field(default_factory=list)


def result_of(
    features: Features, spec: StrategySpec, config: BacktestConfig, tape: Tape
) -> BacktestRun:
    """Return the run a tape tells of: its figures, round trips and costs from `start_index` on.

    Long because each field of a run is a line.
    """
    bars, first, blotter = features.bars, config.start_index, tape.blotter
    fills = blotter.fills
    equity = (tape.cash + tape.quantity * bars.close)[first:]
    exposure = (tape.quantity * bars.close)[first:] / equity
    relative, absolute = features.regimes.codes, features.regimes.absolute_codes
    trips, _ = round_trips(
        fills,
        signal_bars=blotter.signal_bars,
        reasons=blotter.reasons,
        regime_codes=relative,
        borrow=blotter.borrow_at,
    )
    absolute_trips = [
        replace(trip, regime=regime_of(int(absolute[trip.signal_bar]))) for trip in trips
    ]
    parts = cost_parts(
        fills,
        blotter.signal_bars,
        market_of(bars, relative, config.costs),
        config.costs,
        limit_orders=blotter.limit_orders,
        borrow=blotter.borrow,
        financing=blotter.financing,
    )
    returns = metrics.simple_returns(equity, start=config.cash)
    bars_per_year = bars.bars_per_year
    return BacktestRun(
        spec=spec,
        params=features.params,
        config=config,
        symbol=bars.symbol,
        first_bar=first,
        bars_per_year=bars_per_year,
        orders=tuple(blotter.orders),
        fills=tuple(fills),
        signal_bars=tuple(blotter.signal_bars),
        fill_reasons=tuple(blotter.reasons),
        round_trips=tuple(trips),
        closed_at=bars.closed_at[first:].copy(),
        equity=equity,
        cash=tape.cash[first:],
        quantity=tape.quantity[first:],
        drawdown=metrics.drawdowns(equity, start=config.cash),
        exposure=exposure,
        regime_codes=relative[first:],
        absolute_regime_codes=absolute[first:],
        metrics=run_metrics(equity, returns, exposure, trips, fills, config.cash, bars_per_year)
        | {"n_orders": float(len(blotter.orders))},
        costs=parts,
        by_regime=regime_table(trips, relative[first:], returns, exposure, bars_per_year),
        by_absolute_regime=regime_table(
            absolute_trips, absolute[first:], returns, exposure, bars_per_year
        ),
        decisions=tuple(tape.decisions),
        final_state=blotter.state,
        rested=blotter.rested,
        watched=blotter.watched,
    )
