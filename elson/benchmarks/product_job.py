"""The child of bench `job`: the product itself on a database of its own.

Served over a pipe like a peer, by our own interpreter, so that its peak of memory is its own.
"""

from __future__ import annotations

import datetime as dt
import io
import time
from pathlib import Path
from typing import Any

import django
import numpy as np

from elson.benchmarks.peer_scripts.serve import serve

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
EMAIL = "bench@example.com"
SYMBOL = "WALK"


def prepare(bars_path: str) -> dict[str, Any]:
    """Make the database, a person and the bars, in a process that does nothing else."""
    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("migrate", verbosity=0, stdout=io.StringIO())
    get_user_model().objects.create_user(email=EMAIL)
    call_command("import_bars", bars_path, symbol=SYMBOL, stdout=io.StringIO())
    return {}


def start() -> dict[str, Any]:
    """Load the product as a worker does before its first job."""
    django.setup()
    return {}


def run(
    fast: list[int],
    slow: list[int],
    commission_bps: float,
    n_threads: int,
    n_best: int,
    n_times: int,
) -> dict[str, Any]:
    """Do the whole job so many times: bars from the database, sweep, best rows to the database."""
    from accounts.selectors import user_get_by_email
    from trading.services.sweeps import SweepRequest, sweep_run

    began = time.perf_counter()
    user = user_get_by_email(EMAIL)
    assert user is not None  # noqa: S101 - made by prepare
    request = SweepRequest(
        strategy_key="sma_cross",
        symbol=SYMBOL,
        timeframe="1d",
        grid={"fast": fast, "slow": slow},
        commission_bps=commission_bps,
        ranked_by="final_equity",
        n_best=n_best,
        n_threads=n_threads,
    )
    for _ in range(n_times):
        made = sweep_run(user=user, request=request, now=NOW)
    seconds = time.perf_counter() - began
    names = ("final_equity", "n_orders", "max_drawdown", "sharpe_ratio")
    rows = [[row[name] for name in names] for row in made.best]
    points = [[row["parameters"]["fast"], row["parameters"]["slow"]] for row in made.best]
    return {
        "seconds": seconds,
        "n_combinations": made.n_combinations,
        "figures": np.array(rows),
        "points": np.array(points),
        "n_stored": type(made).objects.count(),
    }


def write_csv(path: Path, bars: Any) -> None:
    """Write bars as the import reads them."""
    closed = bars.closed_at.astype("datetime64[ns]").astype("datetime64[s]")
    lines = ["timestamp,open,high,low,close,volume"]
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    for row, moment in enumerate(closed):
        numbers = ",".join(repr(float(column[row])) for column in columns)
        lines.append(f"{moment}Z,{numbers}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    serve({"prepare": prepare, "start": start, "run": run})
