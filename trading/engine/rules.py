"""A long-or-flat strategy as a table: what each bar says before anybody knows what is held.

INPUT    one row per bar with signals, weights and distances; the position's own memory
OUTPUT   why something is held or not after this bar, and how much to trade on the next
LOOKBACK none; whoever fills the table looks back

Two kinds of position: TREND, held until its end is signaled, and DIP, bought against the move and
held until it recovers or its time is up. `rule_next_nb` and `plan_nb` are the only place where a
table becomes a decision: the compiled loop and the step of the live runner both call them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trading.engine.kernels import FloatArray, inlined

# Columns of `RuleTable.rows`.
SIGNALS, TREND_WEIGHT, DIP_WEIGHT, HOLDING_LIMIT = 0, 1, 2, 3
STOP_DISTANCE, TARGET_DISTANCE, TRAIL_DISTANCE, COST_RATE = 4, 5, 6, 7
N_COLUMNS = 8

# Bits of the first column; both that open a position; the one that lets nothing be added.
ENTER_TREND, ENTER_DIP, LEAVE_TREND, LEAVE_DIP = 1, 2, 4, 8
WITHHOLDS = 16
ENTERS = ENTER_TREND | ENTER_DIP

FLAT, TREND, DIP = 0, 1, 2
KINDS = ("", "TREND", "PULLBACK")

REASONS = (
    "NO_SETUP",
    "TREND_UP",
    "DIP",
    "TREND_UNDECIDED",
    "STOP",
    "TARGET",
    "RECOVERED",
    "HOLDING_LIMIT",
    "TREND_DOWN",
    "BREAKER",
    "STOP_REACHED",
    "STOP_GAPPED",
    "TARGET_REACHED",
)
NO_SETUP, BREAKER_REASON = 0, 9
# Why a close ends a position that its rule would have held longer.
STOP, TARGET, HOLDING_LIMIT_REACHED = 4, 5, 7
# Why an order that rested was filled.
STOP_REACHED, STOP_GAPPED, TARGET_REACHED = 10, 11, 12
PROTECTED = frozenset(REASONS[STOP_REACHED:])

BLOCKS = (None, "NO_EQUITY", "NO_TRADE_BAND", "CASH", "QUANTITY_STEP")


@dataclass(frozen=True, slots=True, eq=False)
class RuleTable:
    """What a rule says at each bar, and how its positions are sized.

    Attributes
    ----------
    rows : float64, shape (n_bars, 8)
        Per bar: signal bits (see the module), weight of a TREND and of a DIP as shares of equity,
        holding limit of a DIP in bars (0 none; see ``keeps_limit``), and in price units the
        distances of stop, target and trailing stop (NaN none); last the cost per side as a fraction
        a target must earn first. Value at i uses bars 0..i only. Best column after column in memory
        (the transpose of a C-contiguous array), as the bar loop reads it: it copies others.
    no_trade_band : float
        Weight differences up to this are left alone.
    rebalances : bool
        Whether a position follows its weight; otherwise only entries and exits trade.
    uses_all_cash : bool
        Buy with all cash at the fill instead of by weight.
    keeps_limit : bool
        Whether the holding limit of the signal bar's row stays with the position, as its stop and
        target do; otherwise the limit of each later row applies while it lasts.
    rests_protection : bool
        Whether stop and target rest at the market as orders instead of being watched at the close.
    reasons : tuple of str
        The strategy's own word for each of `REASONS`.
    """

    rows: FloatArray
    no_trade_band: float = 0.0
    rebalances: bool = False
    uses_all_cash: bool = False
    keeps_limit: bool = False
    rests_protection: bool = False
    reasons: tuple[str, ...] = REASONS

    @property
    def only_buys(self) -> bool:
        """Tell whether no weight is negative; a NaN is none."""
        columns = (self.rows[:, TREND_WEIGHT], self.rows[:, DIP_WEIGHT])
        return not any(np.fmin.reduce(column, initial=0.0) < 0.0 for column in columns)


class Row(NamedTuple):
    """One row of a table, field by field as in `RuleTable.rows`."""

    signals: float
    trend_weight: float
    dip_weight: float
    holding_limit: float
    stop_distance: float
    target_distance: float
    trail_distance: float
    cost_rate: float


@inlined
def rule_next_nb(
    signals: int,
    kind: int,
    bars_held: int,
    holding_limit: int,
    close: float,
    stop_price: float,
    target_price: float,
    cost_rate: float,
) -> int:
    """Return the index in `REASONS` of what speaks after this close.

    `kind` is what is held (0 flat); a NaN stop or target is none. Stop first, then target, then the
    rule's own exits; a DIP whose trend turns up is kept as a TREND.
    """
    if kind == FLAT:
        if signals & ENTER_TREND:
            return 1
        if signals & ENTER_DIP:
            return 2
        return 0
    if close <= stop_price:
        return 4
    if close * (1.0 - cost_rate) > target_price:
        return 5
    if signals & ENTER_TREND:
        return 1
    if kind == DIP:
        if signals & LEAVE_DIP:
            return 6
        if holding_limit > 0 and bars_held >= holding_limit:
            return 7
        return 2
    return 8 if signals & LEAVE_TREND else 3


@inlined
def kind_after_nb(reason: int) -> int:
    """Return the kind of position a reason asks for; 0 for none."""
    if reason == 1 or reason == 3:
        return 1
    return 2 if reason == 2 else 0


@inlined
def round_down_nb(quantity: float, step: float) -> float:
    """Round towards zero to a multiple of `step`; 0 keeps the quantity as it is."""
    if step <= 0.0:
        return quantity
    # The small addition keeps 0.3 / 0.1 = 2.999... from losing a step.
    rounded = math.floor(abs(quantity) / step + 1e-9) * step
    # To ten digits: 3 * 0.1 is 0.30000000000000004. Beyond 2**53 there are none to round.
    scaled = rounded * 1e10
    if scaled < 9007199254740992.0:
        rounded = math.floor(scaled + 0.5) / 1e10
    return -rounded if quantity < 0.0 and rounded > 0.0 else rounded


@inlined
def order_level_nb(price: float, tick_size: float, is_up: bool) -> float:
    """Round the price of a resting order to the tick, `is_up` or down; 0 keeps it as it is."""
    level = round_down_nb(price, tick_size)
    # As in rounding down, 3.3000000000000003 lies on a tick of 0.1.
    if is_up and level < price - 1e-9 * tick_size:
        return round_down_nb(level + tick_size, tick_size)
    return level


@inlined
def affordable_nb(cash: float, price: float, commission_rate: float, step: float) -> float:
    """Return the units `cash` buys at `price` with commission included."""
    if cash <= 0.0:
        return 0.0
    # Commission first, then price: the order of operations decides the last bit.
    return round_down_nb(cash / (1.0 + commission_rate) / price, step)


@inlined
def plan_nb(
    weight: float,
    held: float,
    cash: float,
    close: float,
    commission_rate: float,
    slippage_rate: float,
    quantity_step: float,
    no_trade_band: float,
    rebalances: bool,
    takes_all_cash: bool,
) -> tuple[float, float, int]:
    """Turn a wanted weight into a quantity: target after the trade, units to trade, block.

    The block is an index in `BLOCKS`. An all-in rule always asks for more than commission leaves;
    that it is cut is no block.
    """
    if weight == 0.0:
        return 0.0, -held, 0
    if held != 0.0 and not rebalances:
        return held, 0.0, 0
    equity = cash + held * close
    if equity <= 0.0:
        return held, 0.0, 1
    drift = weight - held * close / equity
    if held != 0.0 and abs(drift) <= no_trade_band:
        return held, 0.0, 2 if drift != 0.0 else 0
    target = round_down_nb(weight * equity / close, quantity_step)
    price = close * (1.0 + slippage_rate)
    affordable = affordable_nb(cash, price, commission_rate, quantity_step)
    block = 0
    if target - held > affordable:
        target = held + affordable
        block = 0 if takes_all_cash else 3
    delta = target - held
    if delta == 0.0:
        return held, 0.0, block if block != 0 else 4
    return target, delta, block
