"""NautilusTrader in a process of its own: one moving-average cross, event by event."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import numpy as np
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.indicators import SimpleMovingAverage
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

from elson.benchmarks.peer_scripts.serve import serve

VENUE = Venue("XNAS")
INSTRUMENT = TestInstrumentProvider.equity("WALK", "XNAS")
BAR_TYPE = BarType.from_str(f"{INSTRUMENT.id}-1-DAY-LAST-EXTERNAL")
STORE: dict[str, Any] = {}


class Cross(Strategy):
    """Hold one lot while the fast average lies above the slow one."""

    def __init__(self, fast: int, slow: int) -> None:
        super().__init__()
        self.fast_mean = SimpleMovingAverage(fast)
        self.slow_mean = SimpleMovingAverage(slow)

    def on_start(self) -> None:
        """Ask for bars."""
        self.register_indicator_for_bars(BAR_TYPE, self.fast_mean)
        self.register_indicator_for_bars(BAR_TYPE, self.slow_mean)
        self.subscribe_bars(BAR_TYPE)

    def on_bar(self, bar: Bar) -> None:
        """Decide at the close."""
        if not self.slow_mean.initialized:
            return
        is_flat = self.portfolio.is_flat(INSTRUMENT.id)
        if self.fast_mean.value > self.slow_mean.value:
            if is_flat:
                self._submit(OrderSide.BUY)
        elif not is_flat:
            self._submit(OrderSide.SELL)

    def _submit(self, side: OrderSide) -> None:
        lot = Quantity.from_int(100)
        self.submit_order(self.order_factory.market(INSTRUMENT.id, side, lot))


def load(closed_at: str, **columns: str) -> dict[str, Any]:
    """Take the bars: open, high, low, close, volume; prices rounded to its two decimals."""
    prices = [np.load(columns[name]).round(2) for name in ("open", "high", "low", "close")]
    volume = np.load(columns["volume"])
    moments = np.load(closed_at)
    STORE["bars"] = [
        Bar(
            BAR_TYPE,
            *(Price(float(column[i]), 2) for column in prices),
            Quantity.from_int(int(volume[i])),
            int(moments[i]),
            int(moments[i]),
        )
        for i in range(len(moments))
    ]
    return {}


def run(fast: int, slow: int) -> dict[str, Any]:
    """Run once, engine made afresh outside the clock."""
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        venue=VENUE,
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=USD,
        starting_balances=[Money(Decimal(100_000_000), USD)],
    )
    engine.add_instrument(INSTRUMENT)
    engine.add_data(STORE["bars"])
    engine.add_strategy(Cross(fast, slow))
    began = time.perf_counter()
    engine.run()
    seconds = time.perf_counter() - began
    n_orders = len(engine.cache.orders_closed())
    engine.dispose()
    return {"seconds": seconds, "n_orders": n_orders}


if __name__ == "__main__":
    serve({"load": load, "run": run})
