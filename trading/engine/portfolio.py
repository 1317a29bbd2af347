"""Positions and round trips from fills.

INPUT    fills in the order they happened
OUTPUT   positions, realized results, completed trades
LOOKBACK none
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trading.engine.kernels import IntArray
from trading.engine.state import DUST
from trading.engine.types import Fill, OrderSide, Position, RoundTrip, regime_of


def apply_fill(position: Position, fill: Fill) -> Position:
    """Return the position after a fill.

    Parameters
    ----------
    position : Position
        Before.
    fill : Fill
        Same symbol.

    Returns
    -------
    Position
        Adding moves the average price; reducing realizes ``(price - average) x units`` and keeps
        the average; crossing zero does both. Commission lowers the realized result at once.

    Examples
    --------
    >>> bought = apply_fill(Position("SPX"), Fill("1", "SPX", OrderSide.BUY, 2, 10.0, 0.5, 0, 0))
    >>> sold = apply_fill(bought, Fill("2", "SPX", OrderSide.SELL, 2, 12.0, 0.5, 1, 1))
    >>> sold.quantity, sold.realized_pnl
    (0.0, 3.0)
    """
    before = position.quantity
    signed = fill.signed_quantity
    after = before + signed
    if abs(after) <= DUST * max(abs(before), abs(signed)):
        after = 0.0
    realized = position.realized_pnl - fill.commission
    if before * signed >= 0.0:
        average = (before * position.avg_entry_price + signed * fill.price) / after
        return replace(position, quantity=after, avg_entry_price=average, realized_pnl=realized)
    closed = min(abs(signed), abs(before)) * (1.0 if before > 0.0 else -1.0)
    realized += closed * (fill.price - position.avg_entry_price)
    average = position.avg_entry_price
    if after == 0.0:
        average = 0.0
    elif after * before < 0.0:
        average = fill.price
    return replace(position, quantity=after, avg_entry_price=average, realized_pnl=realized)


def round_trips(
    fills: Sequence[Fill],
    *,
    signal_bars: Sequence[int],
    reasons: Sequence[str],
    regime_codes: IntArray,
    borrow: Mapping[int, float] | None = None,
) -> tuple[list[RoundTrip], list[Fill]]:
    """Group the fills of one symbol into completed trades.

    Parameters
    ----------
    fills : sequence of Fill
        In order. One that turns a position around ends a trade and begins the next; each has its
        part of the commission.
    signal_bars : sequence of int
        Bar whose close decided each fill.
    reasons : sequence of str
        Why, per fill; the last one becomes the trade's exit reason.
    regime_codes : int64, shape (n_bars,)
        Regime at each bar; the entry's signal bar gives the trade its regime.
    borrow : mapping of int to float or None
        What borrowing a short position cost, currency by bar, bars rising; it was charged before
        the fills of its bar, so it belongs to what was held until then. None for nothing.

    Returns
    -------
    list of RoundTrip
        Completed trades, oldest first.
    list of Fill
        Those of a trade that is still open, or the part of one that belongs to it.

    Examples
    --------
    >>> import numpy as np
    >>> tape = [
    ...     Fill("1", "SPX", OrderSide.BUY, 2, 10.0, 0.5, 1, 10),
    ...     Fill("2", "SPX", OrderSide.SELL, 2, 12.0, 0.5, 3, 30),
    ... ]
    >>> trades, still_open = round_trips(
    ...     tape, signal_bars=[0, 2], reasons=["", "RECOVERED"], regime_codes=np.zeros(4, np.int64)
    ... )
    >>> trades[0].pnl, trades[0].bars_held, still_open
    (3.0, 2, [])
    """
    trips: list[RoundTrip] = []
    members: list[Fill] = []
    held, first, owed = 0.0, 0, 0.0
    charges = _Charges(borrow or {})
    for k, fill in enumerate(fills):
        owed += charges.until(fill.bar)
        for part in _parts(fill, held):
            first = first if members else signal_bars[k]
            members.append(part)
            held += part.signed_quantity
            if abs(held) <= DUST * fill.quantity:
                trips.append(_trip(members, first, int(regime_codes[first]), reasons[k], owed))
                members, held, owed = [], 0.0, 0.0
    return trips, members


class _Charges:
    """What borrowing cost, handed out once, bar after bar."""

    def __init__(self, by_bar: Mapping[int, float]) -> None:
        self._left = list(by_bar.items())[::-1]

    def until(self, bar: int) -> float:
        """Return what was charged up to a bar and not asked for before."""
        owed = 0.0
        while self._left and self._left[-1][0] <= bar:
            owed += self._left.pop()[1]
        return owed


def _parts(fill: Fill, held: float) -> tuple[Fill, ...]:
    """Part a fill that turns a position around in what ends it and what begins the other side."""
    if held * fill.signed_quantity >= 0.0 or fill.quantity - abs(held) <= DUST * fill.quantity:
        return (fill,)
    share = abs(held) / fill.quantity
    ends = replace(fill, quantity=abs(held), commission=fill.commission * share)
    left, rest = fill.quantity - ends.quantity, fill.commission - ends.commission
    return ends, replace(fill, quantity=left, commission=rest)


def _trip(
    fills: Sequence[Fill], signal_bar: int, code: int, reason: str, borrow: float
) -> RoundTrip:
    side = fills[0].side
    opened = _leg([fill for fill in fills if fill.side is side])
    closed = _leg([fill for fill in fills if fill.side is not side])
    most = _most_in_use(fills)
    commission = sum(fill.commission for fill in fills)
    gross = closed.notional - opened.notional
    return RoundTrip(
        symbol=fills[0].symbol,
        side=side,
        signal_bar=signal_bar,
        entry_bar=fills[0].bar,
        exit_bar=fills[-1].bar,
        entry_at=fills[0].filled_at,
        exit_at=fills[-1].filled_at,
        quantity=most.quantity,
        entry_price=opened.price,
        exit_price=closed.price,
        entry_notional=most.notional,
        traded_notional=opened.notional + closed.notional,
        commission=commission,
        borrow=borrow,
        pnl=(gross if side is OrderSide.BUY else -gross) - commission - borrow,
        regime=regime_of(code),
        bars_held=fills[-1].bar - fills[0].bar,
        exit_reason=reason,
    )


@dataclass(frozen=True, slots=True)
class _Leg:
    quantity: float
    notional: float

    @property
    def price(self) -> float:
        return self.notional / self.quantity


def _leg(fills: Sequence[Fill]) -> _Leg:
    return _Leg(sum(f.quantity for f in fills), sum(f.notional for f in fills))


def _most_in_use(fills: Sequence[Fill]) -> _Leg:
    """Return the most units held and the most money in them, at what they cost on average.

    Money that a sale gave back and a later purchase took again is the same money.
    """
    held = cost = most = dearest = 0.0
    for fill in fills:
        if fill.side is fills[0].side:
            held, cost = held + fill.quantity, cost + fill.notional
        else:
            left = max(held - fill.quantity, 0.0)
            held, cost = left, cost * left / held
        most, dearest = max(most, held), max(dearest, cost)
    return _Leg(most, dearest)
