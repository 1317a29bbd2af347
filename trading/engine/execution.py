"""What happens to a working order on one bar, for one instrument's book.

INPUT    an order wish decided at the close of bar i - 1, the prices and volume of bar i
OUTPUT   fills booked in the state, orders with their final status, costs of holding
LOOKBACK costs use what was known at the signal bar; only price and volume come from bar i

Order of one bar: 1. holding costs since the bar before (borrow of shorts, financing of negative
cash); 2. the working order meets the bar (`fills.execute`: gaps, stops, limits, volume share,
lots, cash); 3. what rests for the position meets the rest of the bar (`engine.protection`), also on
the bar of the entry, because that was filled at the open; where orders are filled at the close it
meets the bar first; 4. the caller steps the strategy at the close; 5. a new wish replaces the
working order, no wish keeps its rest working while it may (time in force) and there is something
to complete.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from trading.engine.fill_rules import FillRules, payable_quantity
from trading.engine.fills import BarPrices, Execution, execute
from trading.engine.market import ExecutionTerms, Market
from trading.engine.protection import ProtectionMet, protection_met, protective_orders
from trading.engine.state import StrategyState, book_fill
from trading.engine.types import (
    FINAL_STATUSES,
    Fill,
    Order,
    OrderIntent,
    OrderSide,
    OrderStatus,
    OrderType,
    TimeInForce,
)


@dataclass(slots=True)
class Blotter:
    """Orders, fills and state of one book while it is replayed; the only mutable thing in a run.

    Attributes
    ----------
    state : StrategyState
        After everything booked so far.
    orders : list of Order
        In order of submission, each with its status by now.
    fills, signal_bars, reasons : list
        One entry per fill: the fill, the bar whose close decided it, the rule that spoke.
    financing : float
        Interest on negative cash charged so far, currency, >= 0.
    borrow_at : dict of int to float
        By bar, what borrowing a short position cost since the bar before, currency, > 0.
    rested, watched : dict of int to (float, float)
        By bar of entry, how far from the price paid stop and target began to rest, or were set to
        be watched at the close, as shares of the close that decided the entry; NaN for none.
    intent, signal_bar
        The wish still working and the bar that decided it; None and -1 without one.
    """

    state: StrategyState
    orders: list[Order] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    signal_bars: list[int] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    financing: float = 0.0
    borrow_at: dict[int, float] = field(default_factory=dict)
    rested: dict[int, tuple[float, float]] = field(default_factory=dict)
    watched: dict[int, tuple[float, float]] = field(default_factory=dict)
    intent: OrderIntent | None = None
    signal_bar: int = -1
    _is_met: bool = False
    # What the fills of the working order came to, the least commission left out.
    _charged: float = 0.0

    def accrue(self, i: int, market: Market, terms: ExecutionTerms) -> None:
        """Charge borrow on a short position and financing on negative cash since the bar before.

        The value is that of the close before; time is counted in calendar days.
        """
        state = self.state
        if i == 0 or (state.quantity >= 0.0 and state.cash >= 0.0):
            return
        days = float(market.days_between[i])
        short = max(-state.quantity, 0.0) * float(market.bars.close[i - 1])
        borrow = short * terms.costs.borrow_rate_per_day * days
        financing = max(-state.cash, 0.0) * terms.costs.financing_rate_per_day * days
        if borrow:
            self.borrow_at[i] = borrow
        self.financing += financing
        self.state = state.changed(cash=state.cash - borrow - financing)

    def book(self, fill: Fill, signal_bar: int, reason: str) -> None:
        """Book a fill in the state, and keep the bar that decided it and the rule that spoke."""
        self.state = book_fill(self.state, fill)
        self.fills.append(fill)
        self.signal_bars.append(signal_bar)
        self.reasons.append(reason)

    @property
    def borrow(self) -> float:
        """What borrowing cost so far, currency, >= 0."""
        return math.fsum(self.borrow_at.values())

    @property
    def limit_orders(self) -> frozenset[str]:
        """Names of the limit orders, which pay no slippage."""
        return frozenset(
            order.client_order_id for order in self.orders if order.order_type is OrderType.LIMIT
        )

    @property
    def working_quantity(self) -> float:
        """Signed units that the working order may still fill; 0 without one."""
        if self.intent is None:
            return 0.0
        left = self.orders[-1].remaining_quantity if self._is_met else self.intent.quantity
        return left if self.intent.side is OrderSide.BUY else -left

    def submit(self, intent: OrderIntent | None, i: int, target_weight: float = 0.0) -> None:
        """Take the wish of bar ``i``: it replaces the working order; None keeps a rest working.

        Without a position there is nothing to complete: a rule that still wants one asks again. Nor
        is there where the rest reduces a position that ``target_weight`` by now wants kept.
        """
        is_kept = target_weight * self.state.quantity > 0.0
        is_complete = self.state.is_flat or (is_kept and self._is_reducing)
        if intent is None and self.intent is not None and not is_complete:
            return
        self._end(OrderStatus.CANCELED)
        if intent is not None:
            self.intent, self.signal_bar, self._is_met = intent, i, False
            self._charged = 0.0

    @property
    def _is_reducing(self) -> bool:
        return self.working_quantity * self.state.quantity < 0.0

    def trade(self, i: int, market: Market, terms: ExecutionTerms) -> None:
        """Let bar ``i`` fill the working order and what rests, each at its time of the bar."""
        if market.fills_at_close:
            self.protect(i, market, terms)
            self.meet(i, market, terms)
        else:
            self.meet(i, market, terms)
            self.protect(i, market, terms)

    def meet(
        self, i: int, market: Market, terms: ExecutionTerms, cash: float | None = None
    ) -> Fill | None:
        """Let the working order meet bar ``i`` and book what it fills.

        Parameters
        ----------
        i : int
            A bar after the signal bar.
        market : Market
            The series.
        terms : ExecutionTerms
            Costs and limits.
        cash : float or None
            What a purchase may cost; None for the book's own cash.

        Returns
        -------
        Fill or None
            What was executed; the state already contains it.
        """
        if self.intent is None:
            return None
        rules, prices = market.rules(self.signal_bar, terms), market.prices(i)
        budget = self.state.cash if cash is None else cash
        order = self.orders[-1] if self._is_met else _order_of(self, market, terms)
        rules = rules.after(self._charged)
        order = self._within(budget, order, prices, rules)
        if not order.remaining_quantity > 0.0:
            self._end(OrderStatus.CANCELED)
            return None
        met = execute(order, prices, rules)
        commission = met.commission
        if self.intent.uses_all_cash and _spends_all(order, met.quantity, rules):
            # All cash is spent: the rest after the units is commission, to the last bit.
            commission = budget - budget / (1.0 + rules.commission_rate)
        self._record(order, met)
        fill = None
        if met.quantity > 0.0:
            fill = fill_of(
                order, met.quantity, i, prices.closed_at, price=met.price, commission=commission
            )
            self.book(fill, self.signal_bar, self.intent.reason)
            self._charged += rules.charged(met.quantity, met.price)
            self._note_levels(fill, float(market.bars.close[self.signal_bar]))
        if met.status in FINAL_STATUSES:
            self.intent = None
        return fill

    def protect(self, i: int, market: Market, terms: ExecutionTerms) -> Fill | None:
        """Let what rests for the position meet bar ``i`` and book what it fills.

        It shares the volume of the bar with the working order, which a protective fill ends: the
        strategy asks again. Only what was filled is in `orders`; a resting order that was replaced
        or canceled is not.

        Parameters
        ----------
        i, market, terms
            As in `meet`; costs are those known at the close before.

        Returns
        -------
        Fill or None
            What was executed; the state already contains it.
        """
        orders = protective_orders(self.state, market.bars.symbol, terms.tick_size)
        if not orders:
            return None
        rules = market.rules(i - 1, terms)
        met = protection_met(orders, self._left_of(market.prices(i), rules, i), rules)
        if met is None:
            return None
        self._end(OrderStatus.CANCELED)
        self.state = self.state.changed(is_stopped=self.state.is_stopped or met.is_stopped)
        if not met.execution.quantity > 0.0:
            return None
        return self._book_protection(met, i, int(market.bars.closed_at[i]))

    def _left_of(self, prices: BarPrices, rules: FillRules, i: int) -> BarPrices:
        """Take from a bar's volume what the working order had of it."""
        if rules.volume_share is None or not self.fills or self.fills[-1].bar != i:
            return prices
        taken = self.fills[-1].quantity / rules.volume_share
        return replace(prices, volume=max(prices.volume - taken, 0.0))

    def _book_protection(self, met: ProtectionMet, i: int, closed_at: int) -> Fill:
        done, order = met.execution, met.order_after(f"backtest-{len(self.orders) + 1}")
        fill = fill_of(
            order, done.quantity, i, closed_at, price=done.price, commission=done.commission
        )
        self.orders.append(order)
        self.book(fill, i - 1, met.reason)
        return fill

    def _within(self, budget: float, order: Order, prices: BarPrices, rules: FillRules) -> Order:
        """Cut a purchase down to what the budget pays for; covering a short is never cut.

        What an order that turns a short around buys beyond it is cut as any purchase.
        """
        covered = min(max(-self.state.quantity, 0.0), order.remaining_quantity)
        if order.side is OrderSide.SELL or covered == order.remaining_quantity:
            return order
        assert self.intent is not None  # noqa: S101 - meet has looked
        payable = payable_quantity(budget, _worst_price(order, prices, rules), rules)
        is_open_ended = self.intent.uses_all_cash and not self._is_met
        quantity = payable if is_open_ended else min(order.remaining_quantity, payable)
        quantity = max(quantity, covered)
        if quantity == order.remaining_quantity:
            return order
        return replace(order, quantity=order.filled_quantity + quantity)

    def _note_levels(self, fill: Fill, close: float) -> None:
        state = self.state
        noted = self.rested if state.rests_protection else self.watched
        if state.entry_bar != fill.bar or fill.bar in noted:
            return
        stop, target = (
            math.nan if level is None else abs(level - fill.price) / close
            for level in (state.stop_price, state.target_price)
        )
        if state.rests_protection or not math.isnan(stop) or not math.isnan(target):
            noted[fill.bar] = stop, target

    def _record(self, order: Order, met: Execution) -> None:
        order = replace(
            order,
            status=met.status,
            is_triggered=met.is_triggered,
            filled_quantity=order.filled_quantity + met.quantity,
        )
        if self._is_met:
            self.orders[-1] = order
        else:
            self.orders.append(order)
        self._is_met = True

    def _end(self, status: OrderStatus) -> None:
        if self.intent is not None and self._is_met:
            self.orders[-1] = replace(self.orders[-1], status=status)
        self.intent = None


def fill_of(
    order: Order, quantity: float, i: int, filled_at: int, *, price: float, commission: float
) -> Fill:
    """Return what bar ``i`` executed of an order."""
    return Fill(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=quantity,
        price=price,
        commission=commission,
        bar=i,
        filled_at=filled_at,
    )


def _order_of(blotter: Blotter, market: Market, terms: ExecutionTerms) -> Order:
    intent = blotter.intent
    assert intent is not None  # noqa: S101 - meet has looked
    is_carried = terms.time_in_force is TimeInForce.GTC and intent.time_in_force is TimeInForce.DAY
    return Order(
        client_order_id=f"backtest-{len(blotter.orders) + 1}",
        symbol=intent.symbol,
        side=intent.side,
        order_type=intent.order_type,
        quantity=intent.quantity,
        limit_price=intent.limit_price,
        stop_price=intent.stop_price,
        time_in_force=TimeInForce.GTC if is_carried else intent.time_in_force,
        submitted_at=int(market.bars.closed_at[blotter.signal_bar]),
    )


def _worst_price(order: Order, prices: BarPrices, rules: FillRules) -> float:
    """Return the most a purchase can be asked for on a bar, before slippage."""
    base = prices.open if rules.price_field == "OPEN" else prices.close
    if order.order_type is OrderType.MARKET:
        return base
    if order.limit_price is not None:
        return order.limit_price
    return max(base, order.stop_price or 0.0)


def _spends_all(order: Order, quantity: float, rules: FillRules) -> bool:
    is_whole = order.filled_quantity == 0.0 and quantity == order.quantity
    return is_whole and rules.is_proportional and rules.quantity_step == 0.0
