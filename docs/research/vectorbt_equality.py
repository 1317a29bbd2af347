"""Compare the backtest with vectorbt 1.2 and, on request, write the golden numbers of the tests.

Run it in the environment of the peers, which `make bench` makes; the product never installs it:

    PYTHONPATH=. .venv-bench/bin/python docs/research/vectorbt_equality.py [FILE.csv ...]
    PYTHONPATH=. .venv-bench/bin/python docs/research/vectorbt_equality.py --golden OUT.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import vectorbt as vbt

from marketdata.types import Bars
from trading.engine.backtest import BacktestConfig, run
from trading.tests.engine.walks import random_walk

# The Rust engine adds averages in another order than vectorbt's own, and ties fall otherwise.
vbt.settings["engine"] = "numba"
PAIRS = ((5, 20), (20, 50), (20, 100), (50, 200), (2, 3), (100, 30))
COSTS = ((0.0, 0.0), (5.0, 0.0), (10.0, 0.0), (5.0, 3.0))


def main() -> None:
    """Compare every file and walk, print one line each and the worst difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--golden", type=Path)
    options = parser.parse_args()
    if options.golden:
        options.golden.write_text(json.dumps(golden(), indent=1) + "\n")
        return
    worst, n_runs, n_orders, n_unequal = 0.0, 0, 0, 0
    for bars in [bars_of(path) for path in options.files] + [
        random_walk(seed, n) for seed in range(5) for n in (300, 2_000)
    ]:
        rows = [compare(bars, *case) for case in cases()]
        worst = max(worst, *(row["difference"] for row in rows))
        n_unequal += sum(row["orders"] != row["orders_peer"] for row in rows)
        n_runs += len(rows)
        n_orders += sum(row["orders"] for row in rows)
        print(f"{bars.symbol:12} {len(bars):6} bars  {max(r['difference'] for r in rows):.2e}")
    print(f"{n_runs} runs, {n_orders} orders, {n_unequal} with another count, worst {worst:.2e}")


def cases() -> list[tuple[str, dict[str, float], float, float]]:
    """List strategy, parameters, commission and slippage of every comparison."""
    rows = [("sma_cross", {"fast": f, "slow": s}) for f, s in PAIRS]
    rows += [("rsi2_reversion", {"entry_level": e, "max_bars": 0}) for e in (5.0, 10.0, 25.0)]
    rows += [
        ("donchian_breakout", {"entry_bars": e, "exit_bars": x}) for e, x in ((20, 10), (55, 20))
    ]
    return [(key, params, *cost) for key, params in rows for cost in COSTS]


def compare(
    bars: Bars, key: str, params: dict[str, float], commission_bps: float, slippage_bps: float
) -> dict[str, float]:
    """Run both engines once; the difference is relative."""
    config = BacktestConfig(
        cash=100_000.0, commission_bps=commission_bps, slippage_bps=slippage_bps
    )
    ours = run(bars, key, params, config)
    entries, exits = signals(bars, key, params)
    peer = vbt.Portfolio.from_signals(
        pd.Series(bars.close),
        entries.shift(1, fill_value=False),
        exits.shift(1, fill_value=False),
        price=pd.Series(bars.open),
        size=np.inf,
        fees=commission_bps / 1e4,
        slippage=slippage_bps / 1e4,
        init_cash=100_000.0,
        freq="1D",
    )
    equity = peer.value().to_numpy()
    return {
        "orders": len(ours.orders),
        "orders_peer": int(peer.orders.count()),
        "final_equity": float(equity[-1]),
        "max_drawdown": float(peer.max_drawdown()),
        "sharpe_ratio": float(peer.sharpe_ratio()),
        "difference": float(np.max(np.abs(ours.equity / equity - 1.0))),
    }


def signals(bars: Bars, key: str, params: dict[str, float]) -> tuple[pd.Series, pd.Series]:
    """Write each rule a second time, in pandas and vectorbt's own indicators."""
    close, high, low = (pd.Series(x) for x in (bars.close, bars.high, bars.low))
    if key == "sma_cross":
        fast = vbt.MA.run(close, int(params["fast"])).ma
        slow = vbt.MA.run(close, int(params["slow"])).ma
        is_long = fast > slow
        return is_long, ~is_long
    if key == "rsi2_reversion":
        strength, mean = wilder_rsi(close, 2), vbt.MA.run(close, 5).ma
        return (strength < params["entry_level"]) & (close <= mean), close > mean
    upper = high.rolling(int(params["entry_bars"])).max().shift(1)
    lower = low.rolling(int(params["exit_bars"])).min().shift(1)
    return close > upper, close < lower


def wilder_rsi(close: pd.Series, window: int) -> pd.Series:
    """RSI with a simple mean as seed, as Wilder wrote it."""
    change = close.diff().to_numpy()
    out = np.full(len(close), np.nan)
    gains, losses = np.maximum(change, 0.0), np.maximum(-change, 0.0)
    gain, loss = gains[1 : window + 1].mean(), losses[1 : window + 1].mean()
    for i in range(window, len(close)):
        if i > window:
            gain = (gain * (window - 1) + gains[i]) / window
            loss = (loss * (window - 1) + losses[i]) / window
        out[i] = 100.0 * gain / (gain + loss) if gain + loss else 0.0
    return pd.Series(out)


def golden() -> list[dict[str, object]]:
    """Compute the numbers stored with the tests: seeded random walks only."""
    rows = []
    for seed in (1, 2):
        bars = random_walk(seed, 600)
        for key, params, commission_bps, slippage_bps in cases():
            result = compare(bars, key, params, commission_bps, slippage_bps)
            rows.append(
                {
                    "seed": seed,
                    "n_bars": 600,
                    "strategy": key,
                    "params": params,
                    "commission_bps": commission_bps,
                    "slippage_bps": slippage_bps,
                    "orders": result["orders_peer"],
                    "final_equity": result["final_equity"],
                    "max_drawdown": result["max_drawdown"],
                    "sharpe_ratio": result["sharpe_ratio"],
                }
            )
    return rows


def bars_of(path: Path) -> Bars:
    """Read an OHLCV file without checking more than `Bars` does."""
    table = pd.read_csv(path)
    times = pd.to_datetime(table["timestamp"], utc=True).dt.as_unit("ns").astype("int64")
    columns = [table[name].to_numpy(float) for name in ("open", "high", "low", "close")]
    volume = table["volume"].fillna(0.0).to_numpy(float)
    return Bars(path.name.split(".")[0], "1d", times.to_numpy(), *columns, volume)


if __name__ == "__main__":
    main()
