"""Compare `manage.py backtest --json` with vectorbt 1.2 on any OHLCV files, three strategies.

Run it in the environment of the peers, which `make bench` makes:

    PYTHONPATH=. .venv-bench/bin/python docs/research/vectorbt_command.py .venv/bin/python FILE ...

The command gets no database and no state folder, which `--data` does not need. The rules are
written a second time in `vectorbt_equality.signals`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import vectorbt as vbt
from vectorbt_equality import bars_of, signals

# strategy, parameters, commission in basis points, cash
CASES = (
    ("sma_cross", {"fast": 20, "slow": 100}, 5, 100_000),
    ("sma_cross", {"fast": 5, "slow": 20}, 10, 10_000),
    ("sma_cross", {"fast": 50, "slow": 200}, 0, 1_000_000),
    ("rsi2_reversion", {"entry_level": 10, "max_bars": 0}, 5, 100_000),
    ("rsi2_reversion", {"entry_level": 25, "max_bars": 0}, 0, 10_000),
    ("donchian_breakout", {"entry_bars": 20, "exit_bars": 10}, 5, 100_000),
    ("donchian_breakout", {"entry_bars": 55, "exit_bars": 20}, 10, 10_000),
)
ROOT = Path(__file__).parents[2]


def main() -> None:
    """Print one Markdown row per file and case, then the worst difference."""
    python, *files = sys.argv[1:]
    worst, n_unequal = 0.0, 0
    print("| file | strategy | bp | orders | vectorbt | final equity | vectorbt | difference | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for path in files:
        for case in CASES:
            began = time.perf_counter()
            ours = command(python, path, case)
            seconds = time.perf_counter() - began
            n_orders, equity = peer(path, case)
            difference = abs(ours["final_equity"] / equity - 1.0)
            worst = max(worst, difference)
            n_unequal += ours["orders"] != n_orders
            key, params, commission_bps, _ = case
            numbers = "/".join(str(value) for value in params.values())
            print(
                f"| {Path(path).name} | {key} {numbers} | {commission_bps} | {ours['orders']} | "
                f"{n_orders} | {ours['final_equity']!r} | {equity!r} | {difference:.1e} | "
                f"{seconds:.1f} |",
                flush=True,
            )
    print(f"\nother order counts: {n_unequal}; worst relative difference: {worst:.1e}")


def command(python: str, path: str, case: tuple) -> dict[str, object]:
    """Run the command as a stranger would; its whole stdout is one JSON object."""
    key, params, commission_bps, cash = case
    words = ["manage.py", "backtest", "--strategy", key, "--data", os.path.abspath(path)]
    for name, value in params.items():
        words += ["--param", f"{name}={value}"]
    words += ["--commission-bps", str(commission_bps), "--cash", str(cash), "--json"]
    with tempfile.TemporaryDirectory() as empty:
        environment = os.environ | {
            "DATABASE_URL": f"sqlite:///{empty}/nowhere/elson.sqlite3",
            "ELSON_STATE_DIR": empty,
        }
        said = subprocess.run(
            [python, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
    return json.loads(said.stdout)


def peer(path: str, case: tuple) -> tuple[int, float]:
    """Simulate the same signals: decided at the close, orders at the next open."""
    key, params, commission_bps, cash = case
    bars = bars_of(Path(path))
    entries, exits = signals(bars, key, params)
    portfolio = vbt.Portfolio.from_signals(
        pd.Series(bars.close),
        entries=entries.shift(1, fill_value=False),
        exits=exits.shift(1, fill_value=False),
        price=pd.Series(bars.open),
        size=np.inf,
        fees=commission_bps / 1e4,
        init_cash=cash,
        accumulate=False,
        freq="1D",
    )
    return int(portfolio.orders.count()), float(portfolio.value().iloc[-1])


if __name__ == "__main__":
    main()
