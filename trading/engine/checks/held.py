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
from trading.engine.state import StrategyState, book_fill, start
from trading.engine.strategies.base import Features
from trading.engine.types import Fill, OrderSide


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
        return flat, *(
            _entered(features, i, flat, side) for side in (OrderSide.BUY, OrderSide.SELL)
        )
    row = features.table.rows[i - 1]
    trend, dip = (
        _entered(features, i, _ordered(flat, kind, row, features.table))
        for kind in (rules.TREND, rules.DIP)
    )
    limit = int(row[rules.HOLDING_LIMIT]) if row[rules.HOLDING_LIMIT] > 0.0 else 1
    # `step` counts the bar it decides.
    return flat, trend, dip, dip.changed(bars_held=max(limit - 1, 0))


def _entered(
    features: Features, i: int, ordered: StrategyState, side: OrderSide = OrderSide.BUY
) -> StrategyState:
    """Book an entry with all cash at the close of the bar before, without costs."""
    bars, price = features.bars, float(features.bars.close[i - 1])
    fill = Fill(
        client_order_id="",
        symbol=bars.symbol,
        side=side,
        quantity=ordered.cash / price,
        price=price,
        commission=0.0,
        bar=i - 1,
        filled_at=int(bars.closed_at[i - 1]),
    )
    return book_fill(ordered, fill).changed(bars_held=1)


def _ordered(
    flat: StrategyState, kind: int, row: FloatArray, table: rules.RuleTable
) -> StrategyState:
    """Return what is remembered of an entry of a kind whose stop, target and limit a row sets."""
    keeps_limit = table.keeps_limit and row[rules.HOLDING_LIMIT] > 0.0
    return flat.changed(
        pending_kind=KINDS[kind],
        pending_stop_distance=_distance(row[rules.STOP_DISTANCE]),
        pending_target_distance=_distance(row[rules.TARGET_DISTANCE]),
        pending_cost_rate=float(row[rules.COST_RATE]),
        pending_holding_limit=int(row[rules.HOLDING_LIMIT]) if keeps_limit else 0,
        pending_rests_protection=table.rests_protection,
    )


def _distance(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
