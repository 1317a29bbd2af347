"""Replay a strategy over history with the same step the live runner uses.

INPUT    bars, a strategy with parameters, a `BacktestConfig`
OUTPUT   a `BacktestRun`: orders, fills, round trips, equity, regimes, figures
LOOKBACK the strategy's own; an order decided on bar i meets the prices of bar i + 1

Two paths with equal results: rules that look only at prices and their own position run through one
compiled loop; everything else, and every run that keeps its decisions, goes bar by bar through
`step.step`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from marketdata.types import Bars, FloatArray, IntArray
from trading.engine import loops, metrics
from trading.engine.costs import CostModel, commission_rates
from trading.engine.errors import ConfigInvalid, InsufficientBars
from trading.engine.fills import affordable_quantity, market_price
from trading.engine.portfolio import round_trips
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
from trading.engine.summary import regime_table, run_metrics
from trading.engine.types import (
    AssetClass,
    Decision,
    Fill,
    Order,
    OrderIntent,
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

    def __post_init__(self) -> None:
        """Refuse impossible capital, lot size and start."""
        if not (math.isfinite(self.cash) and self.cash > 0.0):
            raise ConfigInvalid(f"cash {self.cash} must be above 0")
        if not 0.0 <= self.quantity_step < math.inf:
            raise ConfigInvalid(f"quantity_step {self.quantity_step} must not be negative")
        if self.start_index < 0:
            raise ConfigInvalid(f"start_index {self.start_index} must not be negative")

    @property
    def costs(self) -> CostModel:
        """Return the cost model of the run."""
        return CostModel(self.commission_bps, self.slippage_bps, self.cost_preset)


@dataclass(frozen=True, slots=True, eq=False)
class BacktestRun:
    """Result of one run; arrays cover the bars from `first_bar` to the end.

    Attributes
    ----------
    orders, fills : tuple
        One fill per order; ``fills[k].bar`` counts in the given bars.
    signal_bars, fill_reasons : tuple
        Per fill: the bar whose close decided it, and the rule that spoke.
    round_trips : tuple of RoundTrip
        Completed trades. A position open at the end is in `final_state`, marked at the last close.
    closed_at, equity, cash, quantity, drawdown, exposure, regime_codes, absolute_regime_codes
        Per bar: time, marked equity, cash, signed units, drawdown (<= 0), share of equity invested,
        regime by percentile (fallback included) and by absolute cuts.
    metrics, by_regime, by_absolute_regime
        Figures by name; NaN where undefined.
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


@dataclass(slots=True)
class _Tape:
    """What the loop writes down; the only mutable thing in a run."""

    fills: list[Fill]
    signal_bars: list[int]
    reasons: list[str]
    cash: FloatArray
    quantity: FloatArray
    decisions: list[Decision]
    state: StrategyState


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
    tape = _fast_tape(features, spec, config) if runs_compiled(spec, resolved, config) else None
    if tape is None:
        tape = _stepped_tape(features, spec, config)
    _report(config, "Statistics", 0.0)
    result = _result(features, spec, config, tape)
    _report(config, "Statistics", 1.0)
    return result


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
    )


def _fast_tape(features: Features, spec: StrategySpec, config: BacktestConfig) -> _Tape:
    assert spec.targets is not None  # noqa: S101 - runs_compiled has looked
    bars = features.bars
    first = max(config.start_index, features.first)
    targets = spec.targets(features, first)
    rates = commission_rates(config.costs, features.regimes.codes)
    slippage = np.full(len(bars), config.costs.slippage_rate)
    cash, held, order_bars, quantities, prices, fees, n_orders = loops.simulate_all_in_nb(
        bars.exec_prices, bars.close, targets, rates, slippage, float(config.cash), first
    )
    tape = _empty_tape(config)
    tape.cash, tape.quantity = cash, held
    for k in range(n_orders):
        signed = float(quantities[k])
        fill = _fill(
            bars,
            int(order_bars[k]),
            OrderSide.BUY if signed > 0.0 else OrderSide.SELL,
            abs(signed),
            price=float(prices[k]),
            commission=float(fees[k]),
            number=k + 1,
        )
        state = tape.state
        tape.state = book_fill(state, fill)
        tape.fills.append(fill)
        tape.signal_bars.append(fill.bar - 1)
        tape.reasons.append("ENTRY" if signed > 0.0 else "EXIT")
    return tape


def _stepped_tape(features: Features, spec: StrategySpec, config: BacktestConfig) -> _Tape:
    context = StepContext(
        spec=spec,
        costs=config.costs,
        quantity_step=config.quantity_step,
        explains=config.keeps_decisions,
        allows_all_cash=config.allows_all_cash,
    )
    n_bars = len(features.bars)
    tape = _empty_tape(config)
    tape.cash, tape.quantity = np.full(n_bars, config.cash), np.zeros(n_bars)
    intent: OrderIntent | None = None
    for i in range(config.start_index, n_bars):
        if intent is not None:
            _execute(features, i, intent, tape, config)
        outcome = step(features, i, tape.state, context)
        tape.state, intent = outcome.state, outcome.order_intent
        tape.cash[i], tape.quantity[i] = tape.state.cash, tape.state.quantity
        if outcome.decision is not None:
            tape.decisions.append(outcome.decision)
        if i % PROGRESS_EVERY_BARS == 0:
            _report(config, "Simulating", i / n_bars)
    return tape


def _empty_tape(config: BacktestConfig) -> _Tape:
    return _Tape([], [], [], np.empty(0), np.empty(0), [], start(config.cash))


def _execute(
    features: Features, i: int, intent: OrderIntent, tape: _Tape, config: BacktestConfig
) -> None:
    """Fill a market order at the price of bar ``i`` with the costs of its signal bar."""
    bars, state = features.bars, tape.state
    rate = config.costs.commission_rate(int(features.regimes.codes[i - 1]))
    price = market_price(float(bars.exec_prices[i]), intent.side, config.costs.slippage_rate)
    quantity, commission = intent.quantity, 0.0
    if intent.side is OrderSide.BUY and state.quantity >= 0.0:
        affordable = affordable_quantity(state.cash, price, rate, config.quantity_step)
        quantity = affordable if intent.uses_all_cash else min(quantity, affordable)
    if quantity <= 0.0:
        return
    commission = quantity * price * rate
    if intent.uses_all_cash and config.quantity_step == 0.0:
        # All cash is spent: the rest after the units is commission, to the last bit.
        commission = state.cash - state.cash / (1.0 + rate)
    fill = _fill(
        bars,
        i,
        intent.side,
        quantity,
        price=price,
        commission=commission,
        number=len(tape.fills) + 1,
    )
    tape.state = book_fill(state, fill)
    tape.fills.append(fill)
    tape.signal_bars.append(i - 1)
    tape.reasons.append(intent.reason)


def _fill(
    bars: Bars,
    i: int,
    side: OrderSide,
    quantity: float,
    *,
    price: float,
    commission: float,
    number: int,
) -> Fill:
    return Fill(
        client_order_id=f"backtest-{number}",
        symbol=bars.symbol,
        side=side,
        quantity=quantity,
        price=price,
        commission=commission,
        bar=i,
        filled_at=int(bars.closed_at[i]),
    )


def _order(fill: Fill, submitted_at: int) -> Order:
    return Order(
        client_order_id=fill.client_order_id,
        symbol=fill.symbol,
        side=fill.side,
        order_type=OrderType.MARKET,
        quantity=fill.quantity,
        time_in_force=TimeInForce.DAY,
        filled_quantity=fill.quantity,
        status=OrderStatus.FILLED,
        submitted_at=submitted_at,
    )


def _result(
    features: Features, spec: StrategySpec, config: BacktestConfig, tape: _Tape
) -> BacktestRun:
    bars, first = features.bars, config.start_index
    equity = (tape.cash + tape.quantity * bars.close)[first:]
    exposure = (tape.quantity * bars.close)[first:] / equity
    relative, absolute = features.regimes.codes, features.regimes.absolute_codes
    trips, _ = round_trips(
        tape.fills, signal_bars=tape.signal_bars, reasons=tape.reasons, regime_codes=relative
    )
    absolute_trips, _ = round_trips(
        tape.fills, signal_bars=tape.signal_bars, reasons=tape.reasons, regime_codes=absolute
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
        orders=tuple(
            _order(fill, int(bars.closed_at[signal]))
            for fill, signal in zip(tape.fills, tape.signal_bars, strict=True)
        ),
        fills=tuple(tape.fills),
        signal_bars=tuple(tape.signal_bars),
        fill_reasons=tuple(tape.reasons),
        round_trips=tuple(trips),
        closed_at=bars.closed_at[first:].copy(),
        equity=equity,
        cash=tape.cash[first:],
        quantity=tape.quantity[first:],
        drawdown=metrics.drawdowns(equity, start=config.cash),
        exposure=exposure,
        regime_codes=relative[first:],
        absolute_regime_codes=absolute[first:],
        metrics=run_metrics(
            equity, returns, exposure, trips, tape.fills, config.cash, bars_per_year
        ),
        by_regime=regime_table(trips, relative[first:], returns, exposure, bars_per_year),
        by_absolute_regime=regime_table(
            absolute_trips, absolute[first:], returns, exposure, bars_per_year
        ),
        decisions=tuple(tape.decisions),
        final_state=tape.state,
    )
