"""What every broker adapter can do, in the engine's own words.

A broker is told everything it needs as arguments: no settings, no tables, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from trading.engine.types import Order, OrderStatus


class BrokerError(Exception):
    """Base of what a broker may answer instead of a report."""


class BrokerUnavailable(BrokerError):
    """No answer, or not now: the outcome is unknown, ask before sending again."""


class BrokerRejected(BrokerError):
    """Refused for good; the message is for the owner of the order."""


class BrokerProtocolError(BrokerError):
    """An answer nobody understands: a bug on one of the two sides."""


@dataclass(frozen=True, slots=True)
class BrokerFill:
    """One execution; `trade_id` is the same however often it is reported.

    `price` contains `slippage` (currency, >= 0); `filled_at` is nanoseconds UTC.
    """

    trade_id: str
    quantity: float
    price: float
    commission: float
    slippage: float
    filled_at: int


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """Where the broker says an order stands.

    `quantity` is set when the broker settled on another size than was asked for.
    """

    client_order_id: str
    venue_order_id: str
    status: OrderStatus
    fills: tuple[BrokerFill, ...] = ()
    is_triggered: bool = False
    quantity: float | None = None
    reason: str = ""


class Broker(Protocol):
    """Takes orders; every call may be repeated with the same outcome."""

    key: str

    def submit(self, order: Order) -> ExecutionReport:
        """Take a new order; the same client_order_id answers the same report."""
        ...

    def cancel(self, order: Order) -> ExecutionReport:
        """Cancel what is left of a working order; raise BrokerRejected when it is final."""
        ...

    def reduce(self, order: Order, quantity: float) -> ExecutionReport:
        """Make a working order smaller; raise BrokerRejected when it is final or not smaller.

        `quantity` is the new size, what was filled included. Where a venue cannot amend, its
        adapter cancels there and places the rest anew under the same client_order_id.
        """
        ...
