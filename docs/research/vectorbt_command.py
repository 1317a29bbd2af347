"""Compare `manage.py backtest --json` with vectorbt 1.2 on any OHLCV files.

Run it in a throw-away environment that has vectorbt; the product never installs it:

    python -m venv /tmp/peer && /tmp/peer/bin/pip install vectorbt==1.2.0
    /tmp/peer/bin/python docs/research/vectorbt_command.py .venv/bin/python FILE.csv.gz ...

The command gets no database and no state folder, which `--data` does not need.
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

# fast, slow, commission in basis points, cash
CASES = ((20, 100, 5, 100_000), (5, 20, 10, 10_000), (50, 200, 0, 1_000_000))
ROOT = Path(__file__).parents[2]


def main() -> None:
    """Print one Markdown row per file and case, then the worst difference."""
    python, *files = sys.argv[1:]
    worst, n_unequal = 0.0, 0
    print(
        "| file | fast/slow | bp | orders | vectorbt | final equity | vectorbt | difference | s |"
    )
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
            print(
                f"| {Path(path).name} | {case[0]}/{case[1]} | {case[2]} | {ours['orders']} | "
                f"{n_orders} | {ours['final_equity']!r} | {equity!r} | {difference:.1e} | "
                f"{seconds:.1f} |",
                flush=True,
            )
    print(f"\nother order counts: {n_unequal}; worst relative difference: {worst:.1e}")


def command(python: str, path: str, case: tuple[int, ...]) -> dict[str, object]:
    """Run the command as a stranger would; its whole stdout is one JSON object."""
    fast, slow, commission_bps, cash = case
    words = ["manage.py", "backtest", "--strategy", "sma_cross", "--data", os.path.abspath(path)]
    words += ["--param", f"fast={fast}", "--param", f"slow={slow}"]
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


def peer(path: str, case: tuple[int, ...]) -> tuple[int, float]:
    """Write the rule a second time: signals at the close, orders at the next open."""
    fast, slow, commission_bps, cash = case
    table = pd.read_csv(path)
    is_long = vbt.MA.run(table["close"], fast).ma > vbt.MA.run(table["close"], slow).ma
    portfolio = vbt.Portfolio.from_signals(
        table["close"],
        entries=is_long.shift(1, fill_value=False),
        exits=(~is_long).shift(1, fill_value=False),
        price=table["open"],
        size=np.inf,
        fees=commission_bps / 1e4,
        init_cash=cash,
        accumulate=False,
        freq="1D",
    )
    return int(portfolio.orders.count()), float(portfolio.final_value())


if __name__ == "__main__":
    main()
