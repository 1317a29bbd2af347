"""The four ways through the bars, with equal results.

A strategy that is a table runs through the compiled loop of `engine.rich`, whose kernels the step
calls too, or where orders do not simply fill whole at the open through that of `engine.order_loop`;
all-in rules through the shorter loop that a sweep uses; everything else, developers' own Python and
every run that keeps its decisions or has limits of its own, bar by bar through `step.step`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from marketdata.types import Bars, FloatArray, IntArray
from trading.engine import loops
from trading.engine.backtest.config import BacktestConfig
from trading.engine.backtest.result import Tape
from trading.engine.costs import commission_rates, price_rates
from trading.engine.execution import Blotter, fill_of
from trading.engine.explanation import Decision
from trading.engine.market import market_of
from trading.engine.order_loop import OrderLog
from trading.engine.planning import StepContext
from trading.engine.rules import REASONS, STOP_REACHED, TARGET_REACHED
from trading.engine.schedule import schedule_of
from trading.engine.simulation import (
    STATUSES,
    OrderRun,
    TableRun,
    marked_at_end,
    simulate,
    simulate_orders,
    state_after,
)
from trading.engine.state import StrategyState, start
from trading.engine.step import step
from trading.engine.strategies.base import Features, ParameterValue, StrategySpec
from trading.engine.strategies.long_flat import ALL_IN
from trading.engine.strategies.tables import table_of
from trading.engine.types import Order, OrderSide, OrderStatus, OrderType, TimeInForce

PROGRESS_EVERY_BARS = 256
# Words of resting orders' fills and their index.
PROTECTION = {word: k for k, word in enumerate(REASONS) if k >= STOP_REACHED}


def tape_of(features: Features, spec: StrategySpec, config: BacktestConfig) -> Tape:
    """Take the fastest path the run allows, with its fills."""
    if runs_compiled(spec, features.params, config):
        return _all_in_tape(features, spec, config)
    if reads_table(features, config):
        return _table_tape(features, config)
    if decides_alone(features, config):
        return _ordered_tape(features, config)
    return _stepped_tape(features, spec, config)


class Holdings(NamedTuple):
    """Cash and units after each bar, and the bars within which a trade both began and ended."""

    cash: FloatArray
    quantity: FloatArray
    inside: IntArray


def holdings_of(features: Features, spec: StrategySpec, config: BacktestConfig) -> Holdings:
    """Return what `tape_of` holds, without writing fills down."""
    if runs_compiled(spec, features.params, config):
        cash, held, *_ = _all_in(features, spec, config)
        return Holdings(cash, held, np.empty(0, dtype=np.int64))
    if reads_table(features, config):
        found = _simulated(features, config)
        fills = found.fills
        inside = _inside(fills.reasons, fills.bars, fills.quantities, found.quantity)
        return Holdings(found.cash, found.quantity, inside)
    if decides_alone(features, config):
        ordered = _ordered(features, config)
        log = ordered.fills
        inside = _inside(log.reasons, log.bars, log.quantities, ordered.quantity)
        return Holdings(ordered.cash, ordered.quantity, inside)
    tape = _stepped_tape(features, spec, config)
    codes = np.array([PROTECTION.get(reason, 0) for reason in tape.blotter.reasons], dtype=np.int64)
    at_bars = np.array([fill.bar for fill in tape.blotter.fills], dtype=np.int64)
    signed = np.array([fill.signed_quantity for fill in tape.blotter.fills], dtype=float)
    return Holdings(tape.cash, tape.quantity, _inside(codes, at_bars, signed, tape.quantity))


def _inside(
    reasons: IntArray, at_bars: IntArray, signed: FloatArray, quantity: FloatArray
) -> IntArray:
    """Return where a resting order ended a trade on its entry bar, also one that turned around."""
    is_resting = reasons >= STOP_REACHED
    ended = at_bars[is_resting]
    is_entry_bar = np.sign(quantity[ended - 1]) != -np.sign(signed[is_resting])
    found: IntArray = ended[is_entry_bar & (quantity[ended] == 0.0)]
    return found


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
        and config.limits.is_empty
        and schedule_of(params) is None
    )


def is_compiled(
    bars: Bars, spec: StrategySpec, params: Mapping[str, ParameterValue], config: BacktestConfig
) -> bool:
    """Tell whether a run takes one of the compiled paths, and so milliseconds instead of tenths.

    Examples
    --------
    >>> from trading.engine.strategies import strategy_get
    >>> price = np.linspace(1.0, 2.0, 60)
    >>> bars = Bars("X", "1d", np.arange(60), price, price, price, price, np.zeros(60))
    >>> spec = strategy_get("sma_cross")
    >>> is_compiled(bars, spec, spec.defaults, BacktestConfig(keeps_decisions=True))
    False
    """
    if runs_compiled(spec, params, config):
        return True
    return decides_alone(spec.prepare(bars, params), config)


def reads_table(features: Features, config: BacktestConfig) -> bool:
    """Tell whether a table runs through the loop of `engine.rich`, whose orders fill whole."""
    table = features.table
    if table is None or not has_plain_table(features, config):
        return False
    if table.rests_protection and features.bars.exec_price == "CLOSE":
        # Orders that rest would meet the bar before the fill at its close: only the step does.
        return False
    # The dust of an all-in purchase would be charged as borrowed cash in the step only.
    return not (table.uses_all_cash and config.costs.financing_bps_per_year)


def has_plain_table(features: Features, config: BacktestConfig) -> bool:
    """Tell whether a table decides alone, and every order of it fills whole."""
    return config.terms.is_plain and decides_alone(features, config)


def decides_alone(features: Features, config: BacktestConfig) -> bool:
    """Tell whether a strategy is a table that only buys, and nobody asks why it decides."""
    if features.table is None or config.keeps_decisions:
        return False
    schedule = schedule_of(features.params)
    if schedule is not None and schedule.every_bars > 1:
        # When something was added last is remembered by the step alone.
        return False
    # Compiled fills, stops and targets are those of a long position.
    return config.limits.is_empty and features.table.only_buys


def _all_in_tape(features: Features, spec: StrategySpec, config: BacktestConfig) -> Tape:
    bars = features.bars
    cash, held, order_bars, quantities, prices, fees, n_orders = _all_in(features, spec, config)
    blotter = Blotter(start(config.cash))
    for k in range(n_orders):
        reason = "ENTRY" if quantities[k] > 0.0 else "EXIT"
        _book(blotter, bars, int(order_bars[k]), quantities[k], prices[k], fees[k], reason)
    # The loop leaves nothing of what it spends; fills booked one by one leave dust.
    blotter.state = blotter.state.changed(cash=float(cash[-1]))
    blotter.state = _stepped_once(features, spec, config, blotter)
    return Tape(blotter, cash, held)


def _stepped_once(
    features: Features, spec: StrategySpec, config: BacktestConfig, blotter: Blotter
) -> StrategyState:
    """Return the state that the step leaves at the last bar; the loop remembers fills alone."""
    state, last = blotter.state, len(features.bars) - 1
    if not state.is_flat:
        # The kind is what the rule called it at the bar that decided the entry.
        signal = blotter.signal_bars[-1]
        kind = spec.decide(features, signal, start(config.cash)).kind
        state = state.changed(entry_kind=kind, bars_held=last - state.entry_bar)
    context = replace(_context(spec, config), explains=False)
    state = step(features, last, state, context).state
    return marked_at_end(features, state, config.start_index)


def _all_in(
    features: Features, spec: StrategySpec, config: BacktestConfig
) -> tuple[FloatArray, FloatArray, IntArray, FloatArray, FloatArray, FloatArray, int]:
    assert spec.targets is not None  # noqa: S101 - runs_compiled has looked
    bars = features.bars
    first = max(config.start_index, features.first)
    targets = spec.targets(features, first)
    rates = commission_rates(config.costs, features.regimes.codes)
    worse = price_rates(config.costs, features.regimes.codes, bars.high, bars.low, bars.close)
    return loops.simulate_all_in_nb(
        bars.exec_prices, bars.close, targets, rates, worse, float(config.cash), first
    )


def _table_tape(features: Features, config: BacktestConfig) -> Tape:
    """Run the table; fills equal those of the step to the last bit."""
    found = _simulated(features, config)
    blotter = Blotter(start(config.cash))
    words = table_of(features).reasons
    *columns, levels = found.fills
    for k, (i, signed, price, fee, reason) in enumerate(zip(*columns, strict=True)):
        level = float(levels[k]) if reason >= STOP_REACHED else None
        _book(blotter, features.bars, int(i), signed, price, fee, words[reason], level)
    blotter.state = state_after(found, features, blotter.state, config.start_index)
    return Tape(blotter, found.cash, found.quantity)


def _ordered_tape(features: Features, config: BacktestConfig) -> Tape:
    """Run the table with all its orders; they equal those of the step to the last bit."""
    found, bars = _ordered(features, config), features.bars
    blotter = Blotter(start(config.cash), financing=found.interest)
    blotter.orders.extend(
        _logged(bars, config, found.orders, k) for k in range(found.orders.signals.shape[0])
    )
    words = table_of(features).reasons
    for i, number, signed, price, fee, reason in zip(*found.fills, strict=True):
        fill = fill_of(
            blotter.orders[number],
            abs(float(signed)),
            int(i),
            int(bars.closed_at[i]),
            price=float(price),
            commission=float(fee),
        )
        blotter.book(fill, int(found.orders.signals[number]), words[reason])
    # The fills know nothing of the interest.
    booked = blotter.state.changed(cash=float(found.cash[-1]), is_stopped=found.is_stopped)
    blotter.state = state_after(found, features, booked, config.start_index)
    return Tape(blotter, found.cash, found.quantity)


def _ordered(features: Features, config: BacktestConfig) -> OrderRun:
    return simulate_orders(
        features,
        cash=float(config.cash),
        terms=config.terms,
        start_index=config.start_index,
        allows_all_cash=config.allows_all_cash,
    )


def _logged(bars: Bars, config: BacktestConfig, log: OrderLog, k: int) -> Order:
    """Return an order as the loop left it."""
    order = _filled_order(bars, int(log.signals[k]) + 1, float(log.quantities[k]), number=k + 1)
    if reason := int(log.rested[k]):
        order = _rested(order, float(log.levels[k]), REASONS[reason])
    else:
        order = replace(order, time_in_force=config.time_in_force)
    filled, status = float(log.filled[k]), STATUSES[int(log.statuses[k])]
    return replace(order, filled_quantity=filled, status=status)


def _simulated(features: Features, config: BacktestConfig) -> TableRun:
    return simulate(
        features,
        cash=float(config.cash),
        costs=config.costs,
        quantity_step=config.quantity_step,
        tick_size=config.tick_size,
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
    level: float | None = None,
) -> None:
    """Write down one fill of a compiled loop; ``level`` is where an order rested for it."""
    order = _filled_order(bars, i, float(signed), number=len(blotter.orders) + 1)
    if level is not None:
        order = _rested(order, level, reason)
    fill = fill_of(
        order,
        order.quantity,
        i,
        int(bars.closed_at[i]),
        price=float(price),
        commission=float(commission),
    )
    blotter.orders.append(order)
    blotter.book(fill, i - 1, reason)


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


def _rested(order: Order, level: float, reason: str) -> Order:
    is_target = reason == REASONS[TARGET_REACHED]
    return replace(
        order,
        order_type=OrderType.LIMIT if is_target else OrderType.STOP_MARKET,
        limit_price=level if is_target else None,
        stop_price=None if is_target else level,
        time_in_force=TimeInForce.GTC,
        is_triggered=not is_target,
    )


def _context(spec: StrategySpec, config: BacktestConfig) -> StepContext:
    return StepContext(
        spec=spec,
        costs=config.costs,
        quantity_step=config.quantity_step,
        tick_size=config.tick_size,
        explains=config.keeps_decisions,
        allows_all_cash=config.allows_all_cash,
        limits=config.limits,
    )


def stepped_decisions(
    features: Features, spec: StrategySpec, config: BacktestConfig, at: Collection[int]
) -> list[Decision]:
    """Explain the decisions at some bars, in order; the rest is stepped without words.

    Nothing after the last of them is run.
    """
    config = replace(config, keeps_decisions=True)
    return _stepped_tape(features, spec, config, frozenset(at)).decisions


def _stepped_tape(
    features: Features,
    spec: StrategySpec,
    config: BacktestConfig,
    explained: frozenset[int] | None = None,
) -> Tape:
    """Go bar by bar; with bars to explain only up to the last of them."""
    context = _context(spec, config)
    silent = replace(context, explains=False)
    n_bars, terms = len(features.bars), config.terms
    stop = n_bars if explained is None else max(explained, default=-1) + 1
    market = market_of(features.bars, features.regimes.codes, config.costs)
    blotter = Blotter(start(config.cash))
    tape = Tape(blotter, np.full(n_bars, config.cash), np.zeros(n_bars))
    close = features.bars.close

    def equity_at(bars: IntArray) -> FloatArray:
        return np.asarray(tape.cash[bars] + tape.quantity[bars] * close[bars])

    for i in range(config.start_index, stop):
        blotter.accrue(i, market, terms)
        blotter.trade(i, market, terms)
        tells = explained is None or i in explained
        outcome = step(features, i, blotter.state, context if tells else silent)
        blotter.state = outcome.state
        blotter.submit(outcome.order_intent, i, outcome.target_weight)
        tape.cash[i], tape.quantity[i] = blotter.state.cash, blotter.state.quantity
        if outcome.decision is not None:
            tape.decisions.append(outcome.decision)
        if i % PROGRESS_EVERY_BARS == 0:
            config.show(features.bars.closed_at[: i + 1], equity_at)
            config.report("Simulating", i / n_bars)
    return tape
