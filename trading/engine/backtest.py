"""Replay a strategy over history with the same step the live runner uses.

INPUT    bars, a strategy with parameters, a `BacktestConfig`
OUTPUT   a `BacktestRun`: orders, fills, round trips, equity, regimes, figures
LOOKBACK the strategy's own; an order decided on bar i meets the prices of bar i + 1

Three paths with equal results. A strategy that is a table runs through the compiled loop of
`engine.rich`, whose kernels the step calls too; all-in rules through the shorter loop that a sweep
uses; everything else, developers' own Python and every run that keeps its decisions, bar by bar
through `step.step`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from marketdata.types import Bars, FloatArray, IntArray
from trading.engine import loops, metrics
from trading.engine.cost_parts import CostParts, cost_parts
from trading.engine.costs import CostModel, commission_rates, price_rates
from trading.engine.errors import ConfigInvalid, InsufficientBars
from trading.engine.execution import Blotter, ExecutionTerms, fill_of, market_of
from trading.engine.portfolio import round_trips
from trading.engine.simulation import TableRun, simulate, state_after
from trading.engine.state import StrategyState, book_fill, start
from trading.engine.step import StepContext, step
from trading.engine.strategies import strategy_get
from trading.engine.strategies.base import (
    Features,
    ParameterValue,
    StrategySpec,
    resolve_params,
)
from trading.engine.strategies.long_flat import ALL_IN
from trading.engine.strategies.tables import table_of
from trading.engine.summary import regime_table, run_metrics
from trading.engine.types import (
    AssetClass,
    Decision,
    Fill,
    Order,
    OrderSide,
    OrderStatus,
    OrderType,
    RoundTrip,
    TimeInForce,
)

Progress = Callable[[str, float], None]
PROGRESS_EVERY_BARS = 256


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
    seed : int
        Recorded in the manifest and used by null models; the run itself has no randomness.
    start_index : int
        First bar that may decide; bars before it only warm up.
    keeps_decisions : bool
        Store the explanation of every bar; slower.
    allows_all_cash : bool
        False sizes all-in rules at the close, as a live runner does.
    progress : callable or None
        Called with a phase and a share in [0, 1]; may raise to cancel the run.
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

    def __post_init__(self) -> None:
        """Refuse impossible capital, lot size and start."""
        if not (math.isfinite(self.cash) and self.cash > 0.0):
            raise ConfigInvalid(f"cash {self.cash} must be above 0")
        if not 0.0 <= self.quantity_step < math.inf:
            raise ConfigInvalid(f"quantity_step {self.quantity_step} must not be negative")
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
            self.costs, self.quantity_step, self.max_participation, self.time_in_force
        )


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

    @property
    def strategy_key(self) -> str:
        """Return the key of the strategy."""
        return self.spec.key

    @property
    def final_equity(self) -> float:
        """Return the equity at the last close."""
        return float(self.equity[-1])


@dataclass(slots=True, eq=False)
class _Tape:
    """What a path leaves: the books at the end, cash and units after each bar, explanations."""

    blotter: Blotter
    cash: FloatArray
    quantity: FloatArray
    decisions: list[Decision] = field(default_factory=list)


def run(
    bars: Bars,
    strategy: str | StrategySpec,
    params: Mapping[str, object] | None = None,
    config: BacktestConfig | None = None,
) -> BacktestRun:
    """Run one strategy over one series.

    Parameters
    ----------
    bars : Bars
        At least two bars from ``config.start_index`` on.
    strategy : str or StrategySpec
        A key of `strategies.STRATEGIES`, or the strategy itself (one bound to a model, or an own
        one that is not registered).
    params : mapping or None
        Missing parameters take their default; text is converted.
    config : BacktestConfig or None
        None for 100,000 of cash and no costs.

    Returns
    -------
    BacktestRun
        Deterministic: the same arguments give the same numbers.

    Raises
    ------
    UnknownStrategy, ParameterInvalid, ConfigInvalid
        For a wrong request.
    InsufficientBars
        If fewer than two bars are left to trade, or none lies behind the warm-up.

    Examples
    --------
    >>> price = np.array([1.0, 1.0, 2.0, 4.0, 4.0, 2.0, 1.0, 1.0])
    >>> bars = Bars("X", "1d", np.arange(8), price, price, price, price, np.zeros(8))
    >>> result = run(bars, "sma_cross", {"fast": 1, "slow": 2}, BacktestConfig(cash=100.0))
    >>> [(fill.bar, str(fill.side), fill.price) for fill in result.fills]
    [(3, 'BUY', 4.0), (5, 'SELL', 2.0)]
    >>> result.final_equity
    50.0
    """
    config = config or BacktestConfig()
    spec = strategy if isinstance(strategy, StrategySpec) else strategy_get(strategy)
    resolved = resolve_params(spec, params)
    _check_length(bars, spec, resolved, config)
    _report(config, "Warm-up", 0.0)
    features = spec.prepare(bars, resolved)
    _report(config, "Simulating", 0.0)
    if runs_compiled(spec, resolved, config):
        tape = _fast_tape(features, spec, config)
    elif reads_table(features, config):
        tape = _table_tape(features, config)
    else:
        tape = _stepped_tape(features, spec, config)
    _report(config, "Statistics", 0.0)
    result = _result(features, spec, config, tape)
    _report(config, "Statistics", 1.0)
    return result


def equity_of(
    bars: Bars, spec: StrategySpec, params: Mapping[str, object] | None, config: BacktestConfig
) -> FloatArray:
    """Run a strategy for its equity alone, without orders, trades and figures.

    Parameters
    ----------
    bars, spec, params, config
        As in `run`.

    Returns
    -------
    float64, shape (n_bars - start_index,)
        That of `run`.

    Raises
    ------
    ParameterInvalid, InsufficientBars
        As `run`.

    Examples
    --------
    >>> price = np.array([1.0, 1.0, 2.0, 4.0, 4.0, 2.0, 1.0, 1.0])
    >>> bars = Bars("X", "1d", np.arange(8), price, price, price, price, np.zeros(8))
    >>> spec = strategy_get("sma_cross")
    >>> float(equity_of(bars, spec, {"fast": 1, "slow": 2}, BacktestConfig(cash=100.0))[-1])
    50.0
    """
    resolved = resolve_params(spec, params)
    _check_length(bars, spec, resolved, config)
    features = spec.prepare(bars, resolved)
    if runs_compiled(spec, resolved, config):
        cash, held, *_ = _all_in(features, spec, config)
    elif reads_table(features, config):
        found = _simulated(features, config)
        cash, held = found.cash, found.quantity
    else:
        tape = _stepped_tape(features, spec, config)
        cash, held = tape.cash, tape.quantity
    equity: FloatArray = (cash + held * bars.close)[config.start_index :]
    return equity


def _check_length(
    bars: Bars, spec: StrategySpec, params: Mapping[str, ParameterValue], config: BacktestConfig
) -> None:
    n_bars = len(bars)
    n_left = n_bars - config.start_index
    if n_left < 2:
        raise InsufficientBars(
            f"{n_bars} bars from start_index {config.start_index} leave {max(n_left, 0)}; "
            "a backtest needs at least 2"
        )
    warm_up = spec.warm_up(params)
    if n_bars <= warm_up:
        raise InsufficientBars(
            f"{spec.key} needs {warm_up} bars of warm-up with these parameters, found {n_bars} bars"
        )


def _report(config: BacktestConfig, phase: str, share: float) -> None:
    if config.progress is not None:
        config.progress(phase, share)


def runs_compiled(
    spec: StrategySpec, params: Mapping[str, ParameterValue], config: BacktestConfig
) -> bool:
    """Tell whether the compiled loop can run it: all-in, fractional, no explanations kept."""
    return (
        spec.targets is not None
        and params.get("sizing") == ALL_IN
        and config.quantity_step == 0.0
        and config.allows_all_cash
        and not config.keeps_decisions
        and config.terms.is_plain
    )


def _fast_tape(features: Features, spec: StrategySpec, config: BacktestConfig) -> _Tape:
    bars = features.bars
    cash, held, order_bars, quantities, prices, fees, n_orders = _all_in(features, spec, config)
    blotter = Blotter(start(config.cash))
    for k in range(n_orders):
        reason = "ENTRY" if quantities[k] > 0.0 else "EXIT"
        _book(blotter, bars, int(order_bars[k]), quantities[k], prices[k], fees[k], reason)
    return _Tape(blotter, cash, held)


def _all_in(
    features: Features, spec: StrategySpec, config: BacktestConfig
) -> tuple[FloatArray, FloatArray, IntArray, FloatArray, FloatArray, FloatArray, int]:
    assert spec.targets is not None  # noqa: S101 - runs_compiled has looked
    bars = features.bars
    first = max(config.start_index, features.first)
    targets = spec.targets(features, first)
    rates = commission_rates(config.costs, features.regimes.codes)
    worse = price_rates(config.costs, bars.high, bars.low, bars.close)
    return loops.simulate_all_in_nb(
        bars.exec_prices, bars.close, targets, rates, worse, float(config.cash), first
    )


def is_compiled(
    bars: Bars, spec: StrategySpec, params: Mapping[str, ParameterValue], config: BacktestConfig
) -> bool:
    """Tell whether a run takes one of the compiled paths, and so milliseconds instead of tenths.

    Examples
    --------
    >>> price = np.linspace(1.0, 2.0, 60)
    >>> bars = Bars("X", "1d", np.arange(60), price, price, price, price, np.zeros(60))
    >>> spec = strategy_get("sma_cross")
    >>> is_compiled(bars, spec, spec.defaults, BacktestConfig(keeps_decisions=True))
    False
    """
    if runs_compiled(spec, params, config):
        return True
    return reads_table(spec.prepare(bars, params), config)


def reads_table(features: Features, config: BacktestConfig) -> bool:
    """Tell whether the compiled loop decides from the strategy's table; else the step does."""
    table = features.table
    if table is None or config.keeps_decisions or not config.terms.is_plain:
        return False
    # The dust of an all-in purchase would be charged as borrowed cash in the step only.
    return not (table.uses_all_cash and config.costs.financing_bps_per_year)


def _table_tape(features: Features, config: BacktestConfig) -> _Tape:
    """Run the table; fills equal those of the step to the last bit."""
    found = _simulated(features, config)
    blotter = Blotter(start(config.cash))
    words = table_of(features).reasons
    for i, signed, price, fee, reason in zip(*found.fills, strict=True):
        _book(blotter, features.bars, int(i), signed, price, fee, words[reason])
    blotter.state = state_after(found, features, blotter.state, config.start_index)
    return _Tape(blotter, found.cash, found.quantity)


def _simulated(features: Features, config: BacktestConfig) -> TableRun:
    return simulate(
        features,
        cash=float(config.cash),
        costs=config.costs,
        quantity_step=config.quantity_step,
        start_index=config.start_index,
        allows_all_cash=config.allows_all_cash,
    )


def _book(
    blotter: Blotter,
    bars: Bars,
    i: int,
    signed: float,
    price: float,
    commission: float,
    reason: str,
) -> None:
    """Write down one fill of a compiled loop."""
    order = _filled_order(bars, i, float(signed), number=len(blotter.orders) + 1)
    fill = fill_of(
        order,
        order.quantity,
        i,
        int(bars.closed_at[i]),
        price=float(price),
        commission=float(commission),
    )
    blotter.state = book_fill(blotter.state, fill)
    blotter.orders.append(order)
    blotter.fills.append(fill)
    blotter.signal_bars.append(i - 1)
    blotter.reasons.append(reason)


def _stepped_tape(features: Features, spec: StrategySpec, config: BacktestConfig) -> _Tape:
    context = StepContext(
        spec=spec,
        costs=config.costs,
        quantity_step=config.quantity_step,
        explains=config.keeps_decisions,
        allows_all_cash=config.allows_all_cash,
    )
    n_bars, terms = len(features.bars), config.terms
    market = market_of(features.bars, features.regimes.codes, config.costs)
    blotter = Blotter(start(config.cash))
    tape = _Tape(blotter, np.full(n_bars, config.cash), np.zeros(n_bars))
    for i in range(config.start_index, n_bars):
        blotter.accrue(i, market, terms)
        blotter.meet(i, market, terms)
        outcome = step(features, i, blotter.state, context)
        blotter.state = outcome.state
        blotter.submit(outcome.order_intent, i)
        tape.cash[i], tape.quantity[i] = blotter.state.cash, blotter.state.quantity
        if outcome.decision is not None:
            tape.decisions.append(outcome.decision)
        if i % PROGRESS_EVERY_BARS == 0:
            _report(config, "Simulating", i / n_bars)
    return tape


def _filled_order(bars: Bars, i: int, signed: float, *, number: int) -> Order:
    return Order(
        client_order_id=f"backtest-{number}",
        symbol=bars.symbol,
        side=OrderSide.BUY if signed > 0.0 else OrderSide.SELL,
        order_type=OrderType.MARKET,
        quantity=abs(signed),
        time_in_force=TimeInForce.DAY,
        filled_quantity=abs(signed),
        status=OrderStatus.FILLED,
        submitted_at=int(bars.closed_at[i - 1]),
    )


def _result(
    features: Features, spec: StrategySpec, config: BacktestConfig, tape: _Tape
) -> BacktestRun:
    bars, first, blotter = features.bars, config.start_index, tape.blotter
    fills = blotter.fills
    equity = (tape.cash + tape.quantity * bars.close)[first:]
    exposure = (tape.quantity * bars.close)[first:] / equity
    relative, absolute = features.regimes.codes, features.regimes.absolute_codes
    trips, _ = round_trips(
        fills, signal_bars=blotter.signal_bars, reasons=blotter.reasons, regime_codes=relative
    )
    absolute_trips, _ = round_trips(
        fills, signal_bars=blotter.signal_bars, reasons=blotter.reasons, regime_codes=absolute
    )
    parts = cost_parts(
        fills,
        blotter.signal_bars,
        market_of(bars, relative, config.costs),
        config.costs,
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
    )
