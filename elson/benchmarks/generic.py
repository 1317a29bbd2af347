"""Bench `generic`: strategies with entry and exit conditions through the same sweep."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np

from elson.benchmarks.environment import VECTORBT, peer_version
from elson.benchmarks.figures import figures_check, sweep_figures
from elson.benchmarks.harness import (
    OURS,
    Bench,
    Contender,
    Contest,
    Goal,
    Limit,
    Report,
    Results,
    Times,
)
from elson.benchmarks.peers import Peer
from elson.benchmarks.series import geometric_walk
from elson.benchmarks.sweep import (
    COMMISSION_BPS,
    N_BARS,
    N_THREADS,
    SHARPE_YEARS,
    shared_run,
    vectorbt_start,
)
from marketdata.types import Bars
from trading.engine.backtest import BacktestConfig
from trading.engine.indicators import rolling_max, rolling_min, rsi, sma
from trading.engine.kernels import FloatArray
from trading.engine.sweep import sweep

STEP = 20  # peers run every 20th combination
REPEATS = 4
RSI_BARS, ENTRY_LEVELS, EXIT_BARS = range(2, 6), np.arange(2.0, 52.0, 2.0), range(1, 101)
UPPER_BARS, LOWER_BARS = range(10, 110), range(5, 105)
GRIDS: Mapping[str, Mapping[str, Sequence[object]]] = {
    "rsi2_reversion": {
        "rsi_bars": RSI_BARS,
        "entry_level": ENTRY_LEVELS.tolist(),
        "exit_bars": EXIT_BARS,
        "max_bars": [0],
    },
    "donchian_breakout": {"entry_bars": UPPER_BARS, "exit_bars": LOWER_BARS},
}
COMMANDS = {"rsi2_reversion": "reversion", "donchian_breakout": "breakout"}
N_COMBINATIONS = 20_000


@contextmanager
def prepare(report: Report) -> Iterator[Contest]:
    """Start both sides on the same walk; indicator rows are given to the peer for free."""
    bars = geometric_walk(11, N_BARS)
    points = _points()
    with ExitStack() as stack:
        peers = vectorbt_start(stack, bars, "rust", 2, report)
        for peer in peers:
            peer.ask("load_rows", **_rows(bars))
        contenders = (
            Contender(
                OURS,
                f"Elson sweep, {N_THREADS} threads",
                f"Python {platform.python_version()}",
                REPEATS * N_COMBINATIONS,
                lambda: _ours(bars),
            ),
            Contender(
                "vectorbt_rust",
                "vectorbt, Rust engine, 2 processes",
                peer_version(VECTORBT, "vectorbt"),
                sum(len(rows) for rows in points.values()),
                lambda: _theirs(peers, points),
            ),
        )
        yield Contest(contenders, _check, _figures)


def _points() -> dict[str, FloatArray]:
    reversion = [
        (row, level, mean)
        for row in range(len(RSI_BARS))
        for level in ENTRY_LEVELS
        for mean in range(len(EXIT_BARS))
    ]
    breakout = [(u, low) for u in range(len(UPPER_BARS)) for low in range(len(LOWER_BARS))]
    return {
        "rsi2_reversion": np.array(reversion, dtype=np.float64)[::STEP],
        "donchian_breakout": np.array(breakout, dtype=np.float64)[::STEP],
    }


def _rows(bars: Bars) -> dict[str, FloatArray]:
    return {
        "rsi": np.array([rsi(bars.close, n) for n in RSI_BARS]),
        "exit_mean": np.array([sma(bars.close, n) for n in EXIT_BARS]),
        "upper": np.array([_before(rolling_max(bars.high, n)) for n in UPPER_BARS]),
        "lower": np.array([_before(rolling_min(bars.low, n)) for n in LOWER_BARS]),
    }


def _before(values: FloatArray) -> FloatArray:
    return np.concatenate(([np.nan], values[:-1]))


def _ours(bars: Bars) -> Results:
    config = BacktestConfig(commission_bps=COMMISSION_BPS)
    results: dict[str, object] = {"seconds": 0.0}
    total = 0.0
    for key, grid in GRIDS.items():
        # Bars of their own for each pass: the regimes of a series are computed once while it lives.
        passes = [bars.slice(0, len(bars)) for _ in range(REPEATS)]
        began = time.perf_counter()
        for own in passes:
            result = sweep(own, key, grid, config, n_threads=N_THREADS)
        seconds = time.perf_counter() - began
        total += seconds
        results |= {key: sweep_figures(result), f"{key} s": seconds / REPEATS / len(result)}
    return {**results, "seconds": total}


def _theirs(peers: Sequence[Peer], points: Mapping[str, FloatArray]) -> Results:
    results: dict[str, object] = {}
    total = 0.0
    for key, command in COMMANDS.items():
        answer = shared_run(peers, command, points[key])
        total += answer["seconds"]
        results |= {key: answer["figures"], f"{key} s": answer["seconds"] / len(points[key])}
    return {**results, "seconds": total}


def _check(results: Mapping[str, Results]) -> None:
    for key in GRIDS:
        ours, theirs = results[OURS][key][::STEP], results["vectorbt_rust"][key]
        figures_check(ours, theirs, f"vectorbt on {key}", sharpe_years=SHARPE_YEARS)


def _figures(times: Mapping[str, Times]) -> dict[str, float]:
    """Return the ratio of each strategy alone, the middle of the rounds."""
    rounds = list(zip(times[OURS].rounds, times["vectorbt_rust"].rounds, strict=True))
    return {
        f"{key}, times vectorbt": statistics.median(
            theirs[f"{key} s"] / ours[f"{key} s"] for ours, theirs in rounds
        )
        for key in GRIDS
    }


BENCH = Bench(
    name="generic",
    title="any strategy: 10,000 RSI reversions and 10,000 Donchian breakouts over 8,000 bars",
    unit="combination",
    workload=(
        "Rules with separate entry and exit conditions on a seeded walk, all-in at the next open, "
        "5 bp a side; the four figures of each. The peer runs every 20th combination and gets "
        "every indicator row for free."
    ),
    goals=(Goal("vectorbt_rust", 50.0),),
    prepare=prepare,
    limits=tuple(Limit(f"{key}, times vectorbt", "×", at_least=50.0) for key in GRIDS),
)
