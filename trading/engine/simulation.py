"""A whole run of a strategy that is a table, in one compiled pass.

INPUT    features with a table, costs, capital
OUTPUT   cash and quantity per bar, fills as arrays, the state a live runner would hold at the end
LOOKBACK the features' own
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from marketdata.types import Bars
from trading.engine import order_loop, positions, rich
from trading.engine.breaker import NS, state_of, state_vector
from trading.engine.breaker_kernels import DAY_S
from trading.engine.costs import (
    CostModel,
    commission_rates,
    impact_scales,
    price_rates,
)
from trading.engine.kernels import FloatArray
from trading.engine.market import ExecutionTerms, days_between, has_volume
from trading.engine.once import once_per_bars
from trading.engine.order_loop import FillLog, OrderLog, OrderMarket, OrderTerms
from trading.engine.regimes import RegimeSeries
from trading.engine.rich import RichFills
from trading.engine.rules import KINDS, RuleTable
from trading.engine.schedule import withheld_rows
from trading.engine.state import StrategyState, worth
from trading.engine.strategies.base import Features
from trading.engine.strategies.tables import breaker_config, breaker_limits, table_of
from trading.engine.types import OrderStatus, TimeInForce

# By the numbers of `order_loop`.
STATUSES = (
    OrderStatus.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
    OrderStatus.EXPIRED,
)
NO_BREAKER = np.empty(0)
NOTHING_HELD = np.zeros(positions.N_MEMORY)
for cell in (
    positions.STOP_PRICE,
    positions.TARGET_PRICE,
    positions.PENDING_STOP,
    positions.PENDING_TARGET,
):
    NOTHING_HELD[cell] = np.nan


@dataclass(frozen=True, slots=True, eq=False)
class TableRun:
    """Cash and quantity after each bar, the fills, and the memory at the end as plain vectors."""

    cash: FloatArray
    quantity: FloatArray
    fills: RichFills
    memory: FloatArray
    breaker: FloatArray

    def equity(self, close: FloatArray) -> FloatArray:
        """Return equity at each close."""
        return self.cash + self.quantity * close


def simulate(
    features: Features,
    *,
    cash: float,
    costs: CostModel,
    quantity_step: float = 0.0,
    tick_size: float = 0.0,
    start_index: int = 0,
    allows_all_cash: bool = True,
) -> TableRun:
    """Run a table of signals over its bars.

    Parameters
    ----------
    features : Features
        With a table.
    cash : float
        Starting capital, > 0.
    costs : CostModel
        Proportional to the notional: what grows with the order needs `simulate_orders`.
    quantity_step : float
        Units are rounded down to a multiple; 0 for fractional units.
    tick_size : float
        Prices of resting orders are rounded to a multiple, away from the market; 0 for any price.
    start_index : int
        First bar that may decide.
    allows_all_cash : bool
        False sizes all-in rules at the close.

    Returns
    -------
    TableRun
        Fills equal those of `step.step` bar by bar, to the last bit.
    """
    bars, regimes, table = features.bars, features.regimes, table_of(features)
    limits = breaker_limits(features.params, bars, costs)
    memory, breaker = start_memory(cash), state_vector(None)
    commission, slippage = rates_of(bars, costs, regimes)
    found = rich.simulate_rules_nb(
        bars.exec_prices,
        bars.high if table.rests_protection else None,
        bars.low if table.rests_protection else None,
        bars.close,
        *clock_of(bars),
        columns_of(features),
        regimes.volatility,
        regimes.percentile,
        commission,
        slippage,
        NO_BREAKER if limits is None else limits,
        breaker,
        memory,
        sizing_terms(table, costs, quantity_step, allows_all_cash, tick_size),
        start_index,
        max(start_index, features.first),
    )
    cash_path, held_path, fill_bars, quantities, prices, fees, reasons, levels, n = found
    fills = RichFills(fill_bars[:n], quantities[:n], prices[:n], fees[:n], reasons[:n], levels[:n])
    return TableRun(cash_path, held_path, fills, memory, breaker)


@dataclass(frozen=True, slots=True, eq=False)
class OrderRun:
    """A run whose orders do not simply fill whole: as `TableRun`, with every order.

    `interest` is what negative cash cost, currency; `is_stopped` tells whether a stop was met of
    which a part is still held.
    """

    cash: FloatArray
    quantity: FloatArray
    orders: OrderLog
    fills: FillLog
    memory: FloatArray
    breaker: FloatArray
    interest: float
    is_stopped: bool


def simulate_orders(
    features: Features,
    *,
    cash: float,
    terms: ExecutionTerms,
    start_index: int = 0,
    allows_all_cash: bool = True,
) -> OrderRun:
    """Run a table of signals over its bars, whatever its orders cost and how they are filled.

    Parameters
    ----------
    features : Features
        With a table that only buys.
    cash : float
        Starting capital, > 0.
    terms : ExecutionTerms
        Costs, lot, tick, share of the volume, what becomes of a rest.
    start_index : int
        First bar that may decide.
    allows_all_cash : bool
        False sizes all-in rules at the close.

    Returns
    -------
    OrderRun
        Orders and fills equal those of `execution.Blotter` and `step.step`, to the last bit.
    """
    bars, regimes, table = features.bars, features.regimes, table_of(features)
    costs = terms.costs
    limits = breaker_limits(features.params, bars, costs)
    memory, breaker = start_memory(cash), state_vector(None)
    cash_path, held_path, orders, fills, n_orders, n_fills, interest, is_stopped = (
        order_loop.simulate_orders_nb(
            _market(features, costs),
            _terms(bars, terms),
            *clock_of(bars),
            columns_of(features),
            regimes.volatility,
            regimes.percentile,
            NO_BREAKER if limits is None else limits,
            breaker,
            memory,
            sizing_terms(table, costs, terms.quantity_step, allows_all_cash, terms.tick_size),
            start_index,
            max(start_index, features.first),
        )
    )
    return OrderRun(
        cash_path,
        held_path,
        OrderLog._make(column[:n_orders] for column in orders),
        FillLog._make(column[:n_fills] for column in fills),
        memory,
        breaker,
        float(interest),
        bool(is_stopped),
    )


def _market(features: Features, costs: CostModel) -> OrderMarket:
    bars = features.bars
    prices = (bars.exec_prices, bars.open, bars.high, bars.low, bars.close, bars.volume)
    impact = impact_scales(costs, features.regimes.codes, bars.close, bars.volume)
    days = days_between(bars.closed_at)
    return OrderMarket(*prices, days, *rates_of(bars, costs, features.regimes), impact)


def _terms(bars: Bars, terms: ExecutionTerms) -> OrderTerms:
    costs, share = terms.costs, terms.max_participation
    return OrderTerms(
        float(share) if share is not None and has_volume(bars) else math.nan,
        terms.time_in_force is TimeInForce.GTC,
        bars.exec_price == "CLOSE",
        float(costs.commission_per_unit),
        float(costs.commission_minimum),
        costs.financing_rate_per_day,
    )


@once_per_bars
def clock_of(bars: Bars) -> tuple[FloatArray, FloatArray]:
    """Return the seconds and the whole days from 1970 to each close; shared, not to be written."""
    seconds = bars.closed_at / NS
    days = seconds / DAY_S
    return seconds, np.floor(days, out=days)


@once_per_bars
def rates_of(bars: Bars, costs: CostModel, regimes: RegimeSeries) -> tuple[FloatArray, FloatArray]:
    """Return commission and slippage of a fill decided at each bar; shared, not to be written.

    Regimes are told apart by identity: those of most strategies are one series of the bars.
    """
    commission = commission_rates(costs, regimes.codes)
    return commission, price_rates(costs, regimes.codes, bars.high, bars.low, bars.close)


def columns_of(features: Features) -> FloatArray:
    """Return the table of a strategy column after column, with its schedule marked in it."""
    rows = withheld_rows(table_of(features).rows, features.bars, features.params)
    return np.ascontiguousarray(rows.T)


def start_memory(cash: float) -> FloatArray:
    """Return the memory of a strategy that holds nothing but ``cash``."""
    memory = NOTHING_HELD.copy()
    memory[positions.CASH] = cash
    return memory


def sizing_terms(
    table: RuleTable,
    costs: CostModel,
    quantity_step: float,
    allows_all_cash: bool,
    tick_size: float = 0.0,
) -> FloatArray:
    """Lay the terms of sizing out for the kernel."""
    return np.array(
        [
            quantity_step,
            table.no_trade_band,
            float(table.rebalances),
            float(table.uses_all_cash),
            float(allows_all_cash),
            costs.slippage_rate,
            float(table.keeps_limit),
            float(table.rests_protection),
            tick_size,
        ]
    )


def state_after(
    run: TableRun | OrderRun, features: Features, booked: StrategyState, start_index: int
) -> StrategyState:
    """Complete a state with what the loop remembered.

    Parameters
    ----------
    run : TableRun or OrderRun
        The run.
    features : Features
        Its features.
    booked : StrategyState
        After `state.book_fill` of every fill of the run.
    start_index : int
        First bar of the run.

    Returns
    -------
    StrategyState
        What `step.step` returns at the last bar.
    """
    rests = table_of(features).rests_protection
    memory = run.memory
    has_breaker = breaker_config(features.params) is not None and (
        features.first < len(features.bars)
    )
    return replace(
        marked_at_end(features, booked, start_index),
        bars_held=int(memory[positions.BARS_HELD]),
        entry_kind=KINDS[int(memory[positions.KIND])],
        stop_price=_known(memory[positions.STOP_PRICE]),
        target_price=_known(memory[positions.TARGET_PRICE]),
        rests_protection=rests and memory[positions.HELD] != 0.0,
        holding_limit=int(memory[positions.LIMIT]),
        pending_kind=KINDS[int(memory[positions.PENDING_KIND])],
        pending_stop_distance=_known(memory[positions.PENDING_STOP]),
        pending_target_distance=_known(memory[positions.PENDING_TARGET]),
        pending_cost_rate=float(memory[positions.PENDING_RATE]),
        pending_holding_limit=int(memory[positions.PENDING_LIMIT]),
        pending_rests_protection=rests and memory[positions.PENDING_KIND] != 0.0,
        breaker=state_of(run.breaker) if has_breaker else None,
    )


def marked_at_end(features: Features, booked: StrategyState, start_index: int) -> StrategyState:
    """Return a state as it is marked at the last close, with the regime and how long it lasted."""
    codes = features.regimes.settled_codes[start_index:]
    changes = np.flatnonzero(codes != codes[-1])
    return replace(
        booked,
        equity=worth(booked, float(features.bars.close[-1])),
        regime_code=int(codes[-1]),
        regime_bars=codes.shape[0] - (int(changes[-1]) + 1 if changes.size else 0),
        last_bar_at=int(features.bars.closed_at[-1]),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
