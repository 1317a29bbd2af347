"""The memory of one strategy on one instrument: small, frozen, plain JSON both ways.

INPUT    fills, its own and those by which others sell of its position; marks
OUTPUT   the next state; nothing is changed in place
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from trading.engine.breaker import BreakerState
from trading.engine.errors import StateInvalid
from trading.engine.outside import OutsideSales, sales_after, units_text
from trading.engine.types import Fill, OrderSide

# Quantities smaller than this share of the traded one are rounding dust, not a position.
DUST = 1e-12


# No slots: `changed` copies the dictionary, once or twice a bar.
@dataclass(frozen=True)
class StrategyState:
    """What a strategy must remember between two bars.

    Attributes
    ----------
    cash, equity : float
        The strategy's own book, currency; ``equity`` as marked at the last close seen.
    quantity : float
        Signed units held.
    avg_entry_price : float
        Average price paid, commission left out; 0 while flat.
    entry_bar : int
        Bar index of the first fill of the position in the caller's numbering; -1 while flat.
    entry_at : int
        That bar's close, nanoseconds UTC; 0 while flat.
    entry_kind : str
        Which rule opened the position, for strategies with more than one; empty while flat.
    bars_held : int
        Closes seen since the entry fill, the entry bar included; 0 while flat.
    stop_price, target_price : float or None
        Levels watched at each close, or at which orders rest; None when not set.
    rests_protection : bool
        Whether stop and target rest at the market as orders (see `engine.protection`).
    is_stopped : bool
        Whether the resting stop was met and volume left a part of it; that part is to be sold.
    holding_limit : int
        Bars after which the position is closed, fixed by its signal bar; 0 while flat, for none and
        where the rule follows the limit of each later bar.
    pending_kind, pending_stop_distance, pending_target_distance, pending_cost_rate,
    pending_holding_limit, pending_rests_protection
        Set when an entry is ordered, used when its fill is booked; a target lies its distance
        above what was paid with that cost.
    regime_code : int
        Settled regime at the last bar seen, -1 unknown.
    regime_bars : int
        Bars the settled regime has lasted.
    last_bar_at : int
        Close of the last bar stepped, nanoseconds UTC; makes a repeated step detectable.
    day_start_equity : float
        Equity at the last close before the market day (UTC); 0 while no daily loss is limited.
    breaker : BreakerState or None
        Memory of the circuit breaker; None while it is off or has seen nothing.
    is_overruled : bool
        Whether others sold of the position. While something is held nothing is added to it; while
        nothing is, the strategy waits until its rule has asked for nothing once.
    outside : OutsideSales or None
        What others sold since the last decision, which tells it; None for nothing.
    added_at : int
        Close that decided the last entry or increase, nanoseconds UTC; 0 for none, and while no
        schedule asks for it.
    """

    cash: float
    equity: float
    quantity: float = 0.0
    avg_entry_price: float = 0.0
    entry_bar: int = -1
    entry_at: int = 0
    entry_kind: str = ""
    bars_held: int = 0
    stop_price: float | None = None
    target_price: float | None = None
    rests_protection: bool = False
    is_stopped: bool = False
    holding_limit: int = 0
    pending_kind: str = ""
    pending_stop_distance: float | None = None
    pending_target_distance: float | None = None
    pending_cost_rate: float = 0.0
    pending_holding_limit: int = 0
    pending_rests_protection: bool = False
    regime_code: int = -1
    regime_bars: int = 0
    last_bar_at: int = 0
    day_start_equity: float = 0.0
    breaker: BreakerState | None = None
    is_overruled: bool = False
    outside: OutsideSales | None = None
    added_at: int = 0

    @property
    def is_flat(self) -> bool:
        """Tell whether nothing is held."""
        return self.quantity == 0.0

    def changed(self, **values: Any) -> StrategyState:
        """Return a copy with other values; every step makes some, so `__init__` is passed by.

        Raises
        ------
        TypeError
            For a name the state does not have.

        Examples
        --------
        >>> start(10.0).changed(quantity=2.0).quantity
        2.0
        """
        copied = object.__new__(StrategyState)
        kept = copied.__dict__
        kept.update(self.__dict__)
        kept.update(values)
        if len(kept) != len(self.__dict__):
            raise TypeError(f"StrategyState has no {', '.join(kept.keys() - self.__dict__.keys())}")
        return copied

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON values.

        Examples
        --------
        >>> start(1_000.0).to_dict()["cash"]
        1000.0
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, object]) -> StrategyState:
        """Read a stored state back; unknown names are refused, missing ones take their default.

        Raises
        ------
        StateInvalid
            When a name is unknown, or cash or equity is missing or not a finite number.

        Examples
        --------
        >>> StrategyState.from_dict(start(5.0).to_dict()) == start(5.0)
        True
        """
        unknown = sorted(set(stored) - {field.name for field in fields(cls)})
        if unknown:
            raise StateInvalid(f"stored strategy state has unknown values: {', '.join(unknown)}")
        for name in ("cash", "equity"):
            value = stored.get(name)
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise StateInvalid(f"stored strategy state has {name} {value!r}, not a number")
        values = dict(stored)
        if isinstance(memory := values.get("breaker"), Mapping):
            values["breaker"] = BreakerState.from_dict(memory)
        if isinstance(sales := values.get("outside"), Mapping):
            values["outside"] = OutsideSales(**sales)
        return cls(**values)  # type: ignore[arg-type]


def start(cash: float) -> StrategyState:
    """Return the state of a strategy that holds nothing but ``cash``.

    Raises
    ------
    StateInvalid
        If ``cash`` is not a finite number above zero.

    Examples
    --------
    >>> start(100.0).is_flat
    True
    """
    if not (math.isfinite(cash) and cash > 0.0):
        raise StateInvalid(f"cash {cash} must be above 0")
    return StrategyState(cash=float(cash), equity=float(cash))


def book_fill(state: StrategyState, fill: Fill) -> StrategyState:
    """Return the state after an execution.

    Parameters
    ----------
    state : StrategyState
        Before the fill.
    fill : Fill
        What was executed; ``fill.bar`` in the caller's numbering of bars.

    Returns
    -------
    StrategyState
        Cash moved by ``fill.cash_flow``; average price changed only by fills that add; everything
        of the position cleared when it goes flat; stop, target and holding limit set on the first
        fill as the entry asked for them.

    Examples
    --------
    >>> from trading.engine.types import OrderSide
    >>> fill = Fill("1", "SPX", OrderSide.BUY, 2.0, 10.0, 1.0, bar=3, filled_at=9)
    >>> after = book_fill(start(100.0), fill)
    >>> after.cash, after.quantity, after.entry_bar
    (79.0, 2.0, 3)
    """
    before = state.quantity
    after = before + fill.signed_quantity
    if abs(after) <= DUST * max(abs(before), fill.quantity):
        return _flat(state, state.cash + fill.cash_flow)
    if before == 0.0 or (before > 0.0) != (after > 0.0):
        return _opened(state, fill, after)
    average = state.avg_entry_price
    if abs(after) > abs(before):
        average = (before * average + fill.signed_quantity * fill.price) / after
    return state.changed(cash=state.cash + fill.cash_flow, quantity=after, avg_entry_price=average)


def book_outside_sale(state: StrategyState, fill: Fill) -> StrategyState:
    """Return the state after somebody else has sold of a long position.

    Parameters
    ----------
    state : StrategyState
        Before the sale.
    fill : Fill
        The part of the execution that was the strategy's, its part of the commission included.

    Returns
    -------
    StrategyState
        As after a sale of its own: what it brought stays in the book, stop, target and entry stay
        with what is left, and all of the position is cleared when nothing is. It remembers the sale
        for the next decision and is overruled.

    Raises
    ------
    StateInvalid
        If the fill is no sale, or sells more than the book holds.

    Examples
    --------
    >>> sale = Fill("1", "SPX", OrderSide.SELL, 3.0, 10.0, 1.0, bar=3, filled_at=9)
    >>> after = book_outside_sale(start(100.0).changed(quantity=5.0, stop_price=8.0), sale)
    >>> after.cash, after.quantity, after.stop_price, after.is_overruled
    (129.0, 2.0, 8.0, True)
    """
    held = state.quantity
    if fill.side is not OrderSide.SELL or not 0.0 < fill.quantity <= held * (1.0 + DUST):
        raise StateInvalid(
            f"outside {fill.side} of {units_text(fill.quantity)} units does not fit the "
            f"{units_text(held)} the book holds"
        )
    outside = sales_after(state.outside, held, fill)
    return book_fill(state, fill).changed(is_overruled=True, outside=outside)


def worth(state: StrategyState, price: float) -> float:
    """Return cash and position at ``price``, in the currency of the account.

    Examples
    --------
    >>> worth(start(10.0).changed(quantity=2.0), 3.0)
    16.0
    """
    return state.cash + state.quantity * price


def _opened(state: StrategyState, fill: Fill, quantity: float) -> StrategyState:
    sign = 1.0 if quantity > 0.0 else -1.0
    stop, target = state.pending_stop_distance, state.pending_target_distance
    paid = fill.price * (1.0 + sign * state.pending_cost_rate)
    target_price = None if target is None else paid + sign * target
    if target_price is not None and state.pending_rests_protection:
        # An order that rests is filled before costs; what is watched at the close, after them.
        target_price /= 1.0 - sign * state.pending_cost_rate
    return state.changed(
        cash=state.cash + fill.cash_flow,
        quantity=quantity,
        avg_entry_price=fill.price,
        entry_bar=fill.bar,
        entry_at=fill.filled_at,
        entry_kind=state.pending_kind,
        bars_held=0,
        stop_price=None if stop is None else fill.price - sign * stop,
        target_price=target_price,
        rests_protection=state.pending_rests_protection,
        is_stopped=False,
        is_overruled=False,
        holding_limit=state.pending_holding_limit,
        pending_kind="",
        pending_stop_distance=None,
        pending_target_distance=None,
        pending_cost_rate=0.0,
        pending_holding_limit=0,
        pending_rests_protection=False,
    )


def _flat(state: StrategyState, cash: float) -> StrategyState:
    return state.changed(
        cash=cash,
        quantity=0.0,
        avg_entry_price=0.0,
        entry_bar=-1,
        entry_at=0,
        entry_kind="",
        bars_held=0,
        stop_price=None,
        target_price=None,
        rests_protection=False,
        is_stopped=False,
        is_overruled=False,
        holding_limit=0,
        pending_kind="",
        pending_stop_distance=None,
        pending_target_distance=None,
        pending_cost_rate=0.0,
        pending_holding_limit=0,
        pending_rests_protection=False,
    )
