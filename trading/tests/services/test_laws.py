"""Laws of orders, positions and books under any sequence of what people and markets do."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from trading.engine.fills import BarPrices
from trading.engine.types import FINAL_STATUSES, ORDER_TRANSITIONS, OrderStatus
from trading.models import Fill, Order, OrderEvent, Position
from trading.selectors.ledger import cash_get
from trading.selectors.ledger_checks import ledger_verify
from trading.selectors.portfolios import mark_of, portfolio_value, reserved_cash
from trading.services.amounts import amount_of, round_to_step
from trading.services.fills import FillInvalid, fill_record, orders_match
from trading.services.order_costs import MarketView
from trading.services.orders import (
    IdempotencyKeyReused,
    OrderFinal,
    order_cancel,
    order_submit,
)
from trading.services.portfolios import portfolio_lock
from trading.tests.factories import DAY, FIRST_CLOSE, NOW, instrument_make, portfolio_make

D = Decimal
prices = st.decimals("60", "160", places=2)
quantities = st.sampled_from([D(1), D("12.5"), D(200), D(480), D(990), D(2_000)])


class Desk(RuleBasedStateMachine):
    """One portfolio, one instrument; prices, orders and executions come in any sequence."""

    def __init__(self) -> None:
        super().__init__()
        # Nothing of one history may reach the next: each is undone at its end.
        self._history = transaction.atomic()
        self._history.__enter__()

    def teardown(self) -> None:
        """Undo everything."""
        transaction.set_rollback(True)
        self._history.__exit__(None, None, None)

    @initialize()
    def open(self) -> None:
        self.instrument = instrument_make("LAW", tick_size=D("0.01"))
        self.portfolio = portfolio_make(
            max_order_notional=D(10**9), max_daily_loss_ratio=1.0, max_open_orders=6
        )
        self.at, self.price, self.day = FIRST_CLOSE, D(100), 0
        self.asked: dict[str, tuple[Any, ...]] = {}

    @rule(
        key=st.sampled_from([f"k{n}" for n in range(24)]),
        side=st.sampled_from(["BUY", "SELL"]),
        kind=st.sampled_from(["MARKET", "MARKET", "LIMIT", "STOP_MARKET", "STOP_LIMIT"]),
        in_force=st.sampled_from(["GTC", "DAY", "IOC", "FOK"]),
        quantity=quantities,
        limit=prices,
        stop=prices,
    )
    def place(self, side, kind, in_force, quantity, limit, stop, key) -> None:
        body = (
            side, kind, quantity, limit if "LIMIT" in kind else None,
            stop if "STOP" in kind else None, in_force,
        )  # fmt: skip
        try:
            order = order_submit(
                portfolio=self.portfolio, instrument=self.instrument, side=body[0],
                order_type=body[1], quantity=body[2], limit_price=body[3], stop_price=body[4],
                time_in_force=body[5], client_order_id=key, now=NOW,
                market=MarketView(self.price, self.at, None, self.at),
            )  # fmt: skip
        except IdempotencyKeyReused:
            assert self.asked[key] != body
            return
        assert self.asked.setdefault(key, body) == body
        assert order.client_order_id == key

    @rule(n=st.integers(0, 20), share=st.sampled_from(["0.3", "1", "1.2"]))
    def sell(self, n: int, share: str) -> None:
        """Sell some of what is held, or more, which no rule allows."""
        held = Position.objects.filter(portfolio=self.portfolio).first()
        if held is None or held.quantity <= 0:
            return
        quantity = round_to_step(held.quantity * D(share), self.instrument.quantity_step)
        if quantity > 0:
            self.place("SELL", "MARKET", "GTC", quantity, D(0), D(0), key=f"s{n}")

    @rule(n=st.integers(0, 20))
    def cancel(self, n: int) -> None:
        order = self._nth(n)
        if order is None:
            return
        try:
            assert order_cancel(order=order).status == OrderStatus.CANCELED
        except OrderFinal:
            assert order.status in FINAL_STATUSES - {OrderStatus.CANCELED}

    @rule(open_=prices, high=st.integers(0, 20), low=st.integers(0, 20), share=st.floats(0, 1))
    def bar(self, open_: Decimal, high: int, low: int, share: float) -> None:
        """A day passes; the paper broker meets its bar with every working order."""
        self.at += DAY
        top, bottom = float(open_) + high, float(open_) - low
        close = round(bottom + share * (top - bottom), 2)
        prices_now = BarPrices(
            float(open_), top, bottom, min(max(close, bottom), top), 1e6, int(self.at.timestamp())
        )
        with transaction.atomic():
            portfolio_lock(self.portfolio.pk)
            orders_match(
                portfolio=self.portfolio, instrument=self.instrument, bar=prices_now,
                closed_at=self.at, book_cash={},
            )  # fmt: skip
            Position.objects.filter(portfolio=self.portfolio).update(
                last_price=amount_of(prices_now.close), last_price_at=self.at
            )
        self.price = amount_of(prices_now.close)

    @rule(
        n=st.integers(0, 20), share=st.sampled_from(["0.2", "0.5", "1", "1.5"]), again=st.booleans()
    )
    def report(self, n: int, share: str, again: bool) -> None:
        """An execution is reported from outside, perhaps twice, perhaps after the end."""
        order = self._nth(n, but=("DENIED", "REJECTED", "FILLED"))
        if order is None or order.filled_quantity == order.quantity:
            return
        left = order.quantity - order.filled_quantity
        # A purchase costs what was set aside for it at most, as a venue would make sure.
        price = amount_of(order.reserved_cash / left / 2) or D(50)
        trade_id = f"t{order.fills.count()}"
        for _ in range(2 if again else 1):
            try:
                fill_record(
                    order=order, trade_id=trade_id, quantity=amount_of(left * D(share)),
                    price=price, commission=D("0.01"), filled_at=self.at,
                )  # fmt: skip
            except FillInvalid:
                assert D(share) > 1

    @invariant()
    def the_books_hold(self) -> None:
        owed = {item.invariant for item in ledger_verify(self.portfolio)}
        # A late fill of a canceled purchase has no reserve behind it; only then may cash run short.
        late = OrderEvent.objects.filter(
            order__portfolio=self.portfolio, detail__has_key="late_fill"
        ).exists()
        assert owed <= ({"L5", "L6"} if late else set())

    @invariant()
    def equity_is_cash_and_positions(self) -> None:
        summary = portfolio_value(self.portfolio)
        held = Position.objects.filter(portfolio=self.portfolio)
        value = sum((position.quantity * mark_of(position) for position in held), D(0))
        assert summary.equity == cash_get(self.portfolio) + value
        made = summary.realized_pnl + summary.unrealized_pnl - summary.commission_total
        assert summary.equity - self.portfolio.opening_cash == made

    @invariant()
    def orders_keep_to_their_table(self) -> None:
        total = D(0)
        for order in Order.objects.filter(portfolio=self.portfolio):
            fills = list(Fill.objects.filter(order=order))
            assert sum((fill.quantity for fill in fills), D(0)) == order.filled_quantity
            assert 0 <= order.filled_quantity <= order.quantity
            if fills:
                paid = [fill.price for fill in fills]
                assert min(paid) <= order.avg_fill_price <= max(paid)
            assert not (order.status in FINAL_STATUSES and order.reserved_cash)
            total += order.reserved_cash
            self._path_is_legal(order)
        assert total == reserved_cash(self.portfolio)

    def _path_is_legal(self, order: Order) -> None:
        events = list(OrderEvent.objects.filter(order=order).order_by("sequence"))
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert events[-1].to_status == order.status
        for before, after in pairwise(events):
            assert after.from_status == before.to_status
            is_late = "late_fill" in after.detail
            allowed = ORDER_TRANSITIONS[OrderStatus(before.to_status)]
            assert is_late or OrderStatus(after.to_status) in allowed

    def _nth(self, n: int, but: tuple[str, ...] = ()) -> Order | None:
        mine = Order.objects.filter(portfolio=self.portfolio).exclude(status__in=but)
        orders = list(mine.order_by("pk"))
        return orders[n % len(orders)] if orders else None


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.django_db
def test_money_orders_and_positions_agree_whatever_happens() -> None:
    run_state_machine_as_test(
        Desk,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
