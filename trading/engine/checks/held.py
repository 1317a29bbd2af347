"""What a rule can hold at a bar: the states under which a check asks it to decide.

INPUT    features, a bar, the cash of the book
OUTPUT   flat, and each position the rule judges in a way of its own, entered at the close before
LOOKBACK one bar: stop, target and limit are those of its row
"""

from __future__ import annotations

import math

from marketdata.types import FloatArray
from trading.engine import rules
from trading.engine.rules import KINDS
from trading.engine.state import StrategyState, start
from trading.engine.strategies.base import Features


def held_states(features: Features, i: int, cash: float) -> tuple[StrategyState, ...]:
    """Return what may be held when bar ``i`` is decided.

    Parameters
    ----------
    features : Features
        Of the rule that decides.
    i : int
        The bar to be decided, >= 1.
    cash : float
        Of the book, > 0; a position is worth all of it.

    Returns
    -------
    tuple of StrategyState
        With a table: flat, a TREND and a DIP held since the bar before, and a DIP whose time is up
        at this bar. Without one: flat, long and short since the bar before. Always as many.
    """
    flat = start(cash)
    if features.table is None:
        long = _held(features, i, flat)
        return flat, long, long.changed(cash=2.0 * cash, quantity=-long.quantity)
    row = features.table.rows[i - 1]
    trend, dip = (
        _protected(_held(features, i, flat).changed(entry_kind=KINDS[kind]), row, features)
        for kind in (rules.TREND, rules.DIP)
    )
    limit = int(row[rules.HOLDING_LIMIT]) if row[rules.HOLDING_LIMIT] > 0.0 else 1
    # `step` counts the bar it decides.
    return flat, trend, dip, dip.changed(bars_held=max(limit - 1, 0))


def _held(features: Features, i: int, flat: StrategyState) -> StrategyState:
    price = float(features.bars.close[i - 1])
    return flat.changed(
        cash=0.0,
        quantity=flat.cash / price,
        avg_entry_price=price,
        entry_bar=i - 1,
        entry_at=int(features.bars.closed_at[i - 1]),
        bars_held=1,
    )


def _protected(state: StrategyState, row: FloatArray, features: Features) -> StrategyState:
    """Give a position the stop, target and limit that its row sets."""
    table, price, rate = features.table, state.avg_entry_price, float(row[rules.COST_RATE])
    assert table is not None  # noqa: S101 - only asked for a table
    stop, target = float(row[rules.STOP_DISTANCE]), float(row[rules.TARGET_DISTANCE])
    limit = row[rules.HOLDING_LIMIT] if table.keeps_limit and row[rules.HOLDING_LIMIT] > 0.0 else 0
    return state.changed(
        stop_price=None if math.isnan(stop) else price - stop,
        target_price=None if math.isnan(target) else price * (1.0 + rate) + target,
        rests_protection=table.rests_protection,
        holding_limit=int(limit),
    )
