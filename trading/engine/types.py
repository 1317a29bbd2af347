"""The words of trading: enumerations, the order state table and frozen messages.

Nothing here computes; everything else in the engine speaks in these types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from trading.engine.errors import TransitionInvalid

FloatArray = NDArray[np.float64]
CodeArray = NDArray[np.int64]


class OrderSide(StrEnum):
    """Direction of an order."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """How an order may be priced."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_MARKET = "STOP_MARKET"
    STOP_LIMIT = "STOP_LIMIT"


class OrderStatus(StrEnum):
    """Where an order stands; DENIED is our own risk check, REJECTED is the venue."""

    INITIALIZED = "INITIALIZED"
    SUBMITTED = "SUBMITTED"
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    DENIED = "DENIED"


class TimeInForce(StrEnum):
    """How long an order works."""

    DAY = "DAY"
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"


class Regime(StrEnum):
    """Volatility state known at the close of a bar."""

    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"
    EXTREME = "EXTREME"


class RegimeCode(IntEnum):
    """The same states as array values; UNKNOWN is a bar without enough history."""

    UNKNOWN = -1
    LOW = 0
    NORMAL = 1
    HIGH = 2
    EXTREME = 3


class DecisionAction(StrEnum):
    """What a strategy decided at the close of one bar."""

    ENTER_LONG = "ENTER_LONG"
    ENTER_SHORT = "ENTER_SHORT"
    EXIT = "EXIT"
    REDUCE = "REDUCE"
    INCREASE = "INCREASE"
    HOLD = "HOLD"
    NO_TRADE = "NO_TRADE"
    WARM_UP = "WARM_UP"


class AssetClass(StrEnum):
    """Classes that differ in what trading them costs."""

    EQUITY = "EQUITY"
    EQUITY_CLOSE = "EQUITY_CLOSE"
    ETF = "ETF"
    INDEX = "INDEX"
    FX = "FX"
    FX_EMERGING = "FX_EMERGING"
    COMMODITY = "COMMODITY"
    CRYPTO = "CRYPTO"


class RuleStatus(StrEnum):
    """Outcome of one rule or check: ✓, ⚠ or ✕ on a page; · where it says nothing about a case."""

    PASS = "PASS"  # noqa: S105 - a check's outcome, not a password
    WARN = "WARN"
    FAIL = "FAIL"
    NOT_APPLICABLE = "NOT_APPLICABLE"


ORDER_TRANSITIONS: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.INITIALIZED: frozenset({OrderStatus.SUBMITTED, OrderStatus.DENIED}),
    OrderStatus.SUBMITTED: frozenset(
        {
            OrderStatus.ACCEPTED,
            OrderStatus.REJECTED,
            OrderStatus.CANCELED,
            OrderStatus.EXPIRED,
            # A venue may report the fill before, or instead of, the acceptance.
            OrderStatus.PARTIALLY_FILLED,
            OrderStatus.FILLED,
        }
    ),
    OrderStatus.ACCEPTED: frozenset(
        {
            OrderStatus.PARTIALLY_FILLED,
            OrderStatus.FILLED,
            OrderStatus.CANCELED,
            OrderStatus.EXPIRED,
            OrderStatus.REJECTED,
        }
    ),
    OrderStatus.PARTIALLY_FILLED: frozenset(
        {
            OrderStatus.PARTIALLY_FILLED,
            OrderStatus.FILLED,
            OrderStatus.CANCELED,
            OrderStatus.EXPIRED,
        }
    ),
    OrderStatus.FILLED: frozenset(),
    OrderStatus.CANCELED: frozenset(),
    OrderStatus.EXPIRED: frozenset(),
    OrderStatus.REJECTED: frozenset(),
    OrderStatus.DENIED: frozenset(),
}

WORKING_STATUSES = frozenset(
    {OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED}
)
FINAL_STATUSES = frozenset(status for status, after in ORDER_TRANSITIONS.items() if not after)


def check_transition(before: OrderStatus, after: OrderStatus) -> None:
    """Refuse an order status that may not follow the one before it.

    Raises
    ------
    TransitionInvalid
        When the table `ORDER_TRANSITIONS` does not list ``after`` under ``before``.

    Examples
    --------
    >>> check_transition(OrderStatus.ACCEPTED, OrderStatus.FILLED)
    """
    if after not in ORDER_TRANSITIONS[before]:
        raise TransitionInvalid(f"an order that is {before} cannot become {after}")


@dataclass(frozen=True, slots=True)
class Order:
    """One instruction: quantity in units > 0, prices in the instrument's currency.

    `is_triggered` is for stop orders whose stop was met on an earlier bar; `expires_at` is
    nanoseconds UTC and only read for GTD.
    """

    client_order_id: str
    symbol: str
    side: OrderSide
    order_type: OrderType
    quantity: float
    limit_price: float | None = None
    stop_price: float | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    filled_quantity: float = 0.0
    status: OrderStatus = OrderStatus.ACCEPTED
    is_triggered: bool = False
    expires_at: int | None = None
    submitted_at: int = 0

    @property
    def remaining_quantity(self) -> float:
        """Units still to be filled, >= 0."""
        return max(self.quantity - self.filled_quantity, 0.0)


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution: `price` already contains slippage, `commission` >= 0 in currency.

    `bar` is the index of the bar it happened on, `filled_at` that bar's close in nanoseconds UTC.
    """

    client_order_id: str
    symbol: str
    side: OrderSide
    quantity: float
    price: float
    commission: float
    bar: int
    filled_at: int

    @property
    def signed_quantity(self) -> float:
        """Units, positive for a buy and negative for a sell."""
        return self.quantity if self.side is OrderSide.BUY else -self.quantity

    @property
    def notional(self) -> float:
        """Quantity times price, > 0."""
        return self.quantity * self.price

    @property
    def cash_flow(self) -> float:
        """Change of cash, negative for a buy, commission included."""
        return -self.signed_quantity * self.price - self.commission


@dataclass(frozen=True, slots=True)
class Position:
    """Net holding: signed `quantity`, `avg_entry_price` without commission, realized P&L net."""

    symbol: str
    quantity: float = 0.0
    avg_entry_price: float = 0.0
    realized_pnl: float = 0.0

    def unrealized_pnl(self, price: float) -> float:
        """Return what closing at ``price`` would realize before costs."""
        return self.quantity * (price - self.avg_entry_price)

    def market_value(self, price: float) -> float:
        """Return the signed value at ``price``."""
        return self.quantity * price


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """From flat to flat: one completed trade.

    `pnl` is net of commission, slippage and the borrow of a short; the interest on negative cash is
    the account's and no trade's. `quantity` is the most that was held, `entry_notional` the most
    money that was in it at average cost, and `return_ratio` pnl over that; prices are averages of
    all fills of a side, `traded_notional` sums both. `signal_bar` and `regime` belong to the bar
    whose close decided the entry.
    """

    symbol: str
    side: OrderSide
    signal_bar: int
    entry_bar: int
    exit_bar: int
    entry_at: int
    exit_at: int
    quantity: float
    entry_price: float
    exit_price: float
    entry_notional: float
    traded_notional: float
    commission: float
    pnl: float
    regime: Regime | None
    bars_held: int
    exit_reason: str = ""
    borrow: float = 0.0

    @property
    def return_ratio(self) -> float:
        """Net result over the most money that was in it, fraction."""
        return self.pnl / self.entry_notional if self.entry_notional else 0.0

    @property
    def is_win(self) -> bool:
        """Tell whether the net result after costs is above zero."""
        return self.pnl > 0.0


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """What a strategy wants done on the next bar; the caller turns it into an order.

    `quantity` is what the close suggests. With `uses_all_cash` the fill decides instead: buy with
    all cash there is, commission included. Stop and target of the position it opens are in the
    state (`StrategyState.pending_stop_distance` and its like) and follow when the fill is booked.
    """

    symbol: str
    side: OrderSide
    quantity: float
    reason: str
    order_type: OrderType = OrderType.MARKET
    limit_price: float | None = None
    stop_price: float | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    uses_all_cash: bool = False
    closes_position: bool = False


def regime_of(code: int) -> Regime | None:
    """Translate an array code to its name; None for UNKNOWN.

    Examples
    --------
    >>> regime_of(3), regime_of(-1)
    (<Regime.EXTREME: 'EXTREME'>, None)
    """
    return _REGIMES[code] if code >= 0 else None


_REGIMES = (Regime.LOW, Regime.NORMAL, Regime.HIGH, Regime.EXTREME)
