"""Orders that do not simply fill whole: their costs, what cash pays for, what a bar meets.

INPUT    one order, one bar, what trading costs at its signal bar
OUTPUT   units, prices and commissions
LOOKBACK none

The compiled twins of `engine.fills` and `engine.protection`, for long positions.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from trading.engine.costs import MOST_WORSE
from trading.engine.kernels import inlined, kernel
from trading.engine.positions import Begin, Position
from trading.engine.rules import (
    STOP_GAPPED,
    STOP_REACHED,
    TARGET_REACHED,
    affordable_nb,
    order_level_nb,
    round_down_nb,
)

BISECTIONS = 60


class Charges(NamedTuple):
    """What a fill costs: the fields of `fill_rules.FillRules`; `before` is the last."""

    slippage: float
    commission: float
    impact: float
    per_unit: float
    minimum: float
    quantity_step: float
    before: float


class Working(NamedTuple):
    """The order at work: its place among the orders (-1 before a bar has met it), what it wants.

    `signal` is the bar that decided it, -1 for no order; `quantity` and `filled` are units,
    `charged` is what its fills came to, the least commission left out.
    """

    number: int
    signal: int
    is_buy: bool
    takes_all_cash: bool
    quantity: float
    filled: float
    reason: int
    charged: float


@inlined
def no_order_nb() -> Working:
    """Return what works when nothing does."""
    return Working(-1, -1, False, False, 0.0, 0.0, 0, 0.0)


@inlined
def is_proportional_nb(charges: Charges) -> bool:
    """Tell whether a fill costs a fraction of its notional, whatever its size."""
    return charges.impact == 0.0 and charges.per_unit == 0.0 and charges.minimum == 0.0


@inlined
def price_rate_nb(charges: Charges, quantity: float) -> float:
    """Return how much worse a market fill of `quantity` is, up to `MOST_WORSE` of price."""
    rate = charges.slippage
    if charges.impact != 0.0:
        rate += charges.impact * math.sqrt(quantity)
    return min(rate, MOST_WORSE)


@inlined
def charged_nb(charges: Charges, quantity: float, price: float) -> float:
    """Return the commission of a fill without the least one, currency."""
    return quantity * price * charges.commission + quantity * charges.per_unit


@inlined
def commission_nb(charges: Charges, quantity: float, price: float) -> float:
    """Return the commission of a fill, currency: all fills of an order pay one minimum."""
    if is_proportional_nb(charges):
        return quantity * price * charges.commission
    before, least = charges.before, charges.minimum
    total = before + charged_nb(charges, quantity, price)
    return max(total, least) - (max(before, least) if before != 0.0 else 0.0)


@kernel
def payable_nb(cash: float, price: float, charges: Charges) -> float:
    """Return the units `cash` buys in the market at costs of their own size."""
    worse = price * (1.0 + price_rate_nb(charges, 0.0))
    most = affordable_nb(cash, worse, charges.commission, charges.quantity_step)
    if is_proportional_nb(charges) or cost_nb(most, price, charges) <= cash:
        return most
    low, high = 0.0, most
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        if cost_nb(middle, price, charges) <= cash:
            low = middle
        else:
            high = middle
    return round_down_nb(low, charges.quantity_step)


@kernel
def cost_nb(quantity: float, price: float, charges: Charges) -> float:
    """Return what a purchase of `quantity` costs, commission included."""
    paid = price * (1.0 + price_rate_nb(charges, quantity))
    return quantity * paid + commission_nb(charges, quantity, paid)


@inlined
def fillable_nb(quantity: float, most: float, quantity_step: float) -> float:
    """Return the units of an order that a bar fills which gives at most `most`."""
    return quantity if most >= quantity else round_down_nb(most, quantity_step)


@kernel
def ordered_nb(working: Working, cash: float, price: float, charges: Charges) -> float:
    """Return the units of an order once a purchase is cut to what cash pays for."""
    if not working.is_buy:
        return working.quantity
    left = max(working.quantity - working.filled, 0.0)
    payable = payable_nb(cash, price, charges)
    is_open_ended = working.takes_all_cash and working.number < 0
    wanted = payable if is_open_ended else min(left, payable)
    return working.quantity if wanted == left else working.filled + wanted


@kernel
def filled_at_nb(
    working: Working, ordered: float, quantity: float, cash: float, price: float, charges: Charges
) -> tuple[float, float]:
    """Return price and commission of a market fill; an all-cash one spends the last bit."""
    rate = price_rate_nb(charges, quantity)
    paid = price * (1.0 + rate) if working.is_buy else price * (1.0 - rate)
    fee = commission_nb(charges, quantity, paid)
    is_whole = working.filled == 0.0 and quantity == ordered
    is_divisible = is_proportional_nb(charges) and charges.quantity_step == 0.0
    if working.takes_all_cash and is_whole and is_divisible:
        fee = cash - cash / (1.0 + charges.commission)
    return paid, fee


@kernel
def rested_nb(
    position: Position,
    held: float,
    begin: Begin,
    high: float,
    low: float,
    tick_size: float,
    most: float,
    charges: Charges,
) -> tuple[int, float, float, float]:
    """Let a bar that gives at most `most` units meet what rests for a long position.

    As `protection.protection_met`: reason (0 for none), units (0 for a stop without volume), price,
    level.
    """
    stop, target = -np.inf, np.inf
    if position.stop_price == position.stop_price:
        level = order_level_nb(position.stop_price, tick_size, False)
        stop = level if level > 0.0 else stop
    if position.target_price == position.target_price:
        level = order_level_nb(position.target_price, tick_size, True)
        target = level if level > 0.0 else target
    quantity = fillable_nb(held, most, charges.quantity_step)
    # A target that finds no volume is not met: the stop has its chance.
    is_stop_gap, is_target_gap = begin.under <= stop, begin.over >= target
    is_first = is_target_gap and not is_stop_gap
    if low <= stop and not (is_first and quantity > 0.0):
        worse = 1.0 - price_rate_nb(charges, quantity)
        if is_stop_gap:
            return STOP_GAPPED, quantity, begin.price * worse, stop
        return STOP_REACHED, quantity, stop * worse, stop
    if high >= target and quantity > 0.0:
        return TARGET_REACHED, quantity, begin.price if is_target_gap else target, target
    return 0, 0.0, 0.0, 0.0
