"""backtesting.py in a process of its own: one moving-average cross, bar by bar."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

from elson.benchmarks.peer_scripts.serve import serve

# It buys whole units only; with this much cash rounding does not matter.
CASH = 1e9
STORE: dict[str, Any] = {}


def load(closed_at: str, fees: float, **columns: str) -> dict[str, Any]:
    """Take the bars: Open, High, Low, Close, Volume."""
    times = pd.to_datetime(np.load(closed_at), unit="ns")
    STORE["bars"] = pd.DataFrame(
        {name: np.load(path) for name, path in columns.items()}, index=times
    )
    STORE["fees"] = fees
    return {}


def mean(values: np.ndarray, window: int) -> np.ndarray:
    """Return the moving average."""
    return pd.Series(values).rolling(window).mean().to_numpy()


class Cross(Strategy):
    """All in while the fast average lies above the slow one."""

    fast, slow = 20, 100

    def init(self) -> None:
        """Prepare both averages."""
        self.fast_mean = self.I(mean, self.data.Close, self.fast)
        self.slow_mean = self.I(mean, self.data.Close, self.slow)

    def next(self) -> None:
        """Decide at the close; the order meets the next open."""
        if self.fast_mean[-1] > self.slow_mean[-1]:
            if not self.position:
                self.buy()
        elif self.position:
            self.position.close()


def run(fast: int, slow: int) -> dict[str, Any]:
    """Run once."""
    Cross.fast, Cross.slow = fast, slow
    bench = Backtest(STORE["bars"], Cross, cash=CASH, commission=STORE["fees"])
    began = time.perf_counter()
    found = bench.run()
    seconds = time.perf_counter() - began
    n_open = len(found["_strategy"].trades)
    return {"seconds": seconds, "n_orders": 2 * int(found["# Trades"]) + n_open}


if __name__ == "__main__":
    serve({"load": load, "run": run})
