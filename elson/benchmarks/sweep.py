"""Bench `sweep`: 10,000 moving-average crosses over 8,000 bars."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from elson.benchmarks.environment import VECTORBT, peer_python, peer_version
from elson.benchmarks.figures import figures_check, sweep_figures
from elson.benchmarks.harness import (
    OURS,
    Bench,
    Contender,
    Contest,
    Goal,
    Report,
    Results,
)
from elson.benchmarks.peers import Peer
from elson.benchmarks.series import geometric_walk
from marketdata.types import Bars
from trading.engine.backtest import BacktestConfig
from trading.engine.kernels import FloatArray
from trading.engine.sweep import SweepResult, sweep
from trading.engine.sweep_kernels import sma_table_nb

N_BARS = 8_000
FAST, SLOW = range(5, 105), range(105, 205)
WINDOWS = [*FAST, *SLOW]
COMMISSION_BPS = 5.0
N_THREADS = 2
REPEATS = 10
VECTORBT_STEP = 10  # every tenth combination: it needs a second for a thousand
NUMBA_STEP = 40
RAPTORBT_STEP = 10
# vectorbt counts 365 days to the year, we 252.
SHARPE_YEARS = math.sqrt(252 / 365)
PEER_MODULE = "elson.benchmarks.peer_scripts.vectorbt_peer"


def elson_contender(run: Callable[[], Any], n_combinations: int) -> Contender:
    """Return our side: the public call, timed from outside, several times over.

    One call is so short that the neighbours on this machine would decide its time.
    """

    def timed() -> Results:
        began = time.perf_counter()
        for _ in range(REPEATS):
            result = run()
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "figures": sweep_figures(result)}

    label = f"Elson sweep, {N_THREADS} threads"
    version = f"Python {platform.python_version()}"
    return Contender(OURS, label, version, REPEATS * n_combinations, timed)


def vectorbt_start(
    stack: ExitStack, bars: Bars, engine: str, n_processes: int, report: Report
) -> list[Peer]:
    """Start processes of vectorbt that know the prices."""
    python = peer_python(VECTORBT, report)
    peers = [stack.enter_context(Peer(PEER_MODULE, python=python)) for _ in range(n_processes)]
    for peer in peers:
        peer.ask(
            "load",
            close=bars.close,
            opened=bars.open,
            fees=COMMISSION_BPS / 1e4,
            engine=engine,
        )
    return peers


def shared_run(peers: Sequence[Peer], command: str, points: FloatArray) -> Results:
    """Split the points over the processes and wait for the slowest."""
    parts = np.array_split(points, len(peers))
    for peer, part in zip(peers, parts, strict=True):
        peer.send(command, points=part)
    answers = [peer.receive() for peer in peers]
    return {
        "seconds": max(answer["seconds"] for answer in answers),
        "figures": np.concatenate([answer["figures"] for answer in answers]),
    }


@contextmanager
def prepare(report: Report) -> Iterator[Contest]:
    """Start all contenders on the same walk."""
    bars = geometric_walk(7, N_BARS)
    config = BacktestConfig(commission_bps=COMMISSION_BPS)
    grid = {"fast": FAST, "slow": SLOW}
    pairs = np.array([(fast, slow) for fast in FAST for slow in SLOW], dtype=np.float64)

    def run() -> SweepResult:
        # Bars of their own: the regimes of a series are computed once while it lives.
        own = bars.slice(0, len(bars))
        return sweep(own, "sma_cross", grid, config, n_threads=N_THREADS)

    ours = elson_contender(run, len(pairs))
    with ExitStack() as stack:
        rust = vectorbt_start(stack, bars, "rust", 2, report)
        numba = vectorbt_start(stack, bars, "numba", 1, report)
        for peer in (*rust, *numba):
            peer.ask("load_means", windows=WINDOWS)
        raptor = _raptorbt_start(stack, bars, report)
        few, fewer = pairs[::VECTORBT_STEP], pairs[::NUMBA_STEP]
        rows = pairs[::RAPTORBT_STEP] - FAST.start
        version = peer_version(VECTORBT, "vectorbt")
        contenders = (
            ours,
            Contender(
                "vectorbt_rust",
                "vectorbt, Rust engine, 2 processes",
                version,
                len(few),
                lambda: shared_run(rust, "cross", few),
            ),
            Contender(
                "raptorbt",
                "raptorbt batch, 2 threads",
                peer_version(VECTORBT, "raptorbt"),
                len(rows),
                lambda: raptor.ask("cross", points=rows),
            ),
            Contender(
                "vectorbt_numba",
                "vectorbt, numba engine, 1 process",
                version,
                len(fewer),
                lambda: shared_run(numba, "cross", fewer),
            ),
        )
        yield Contest(contenders, _check)


def _raptorbt_start(stack: ExitStack, bars: Bars, report: Report) -> Peer:
    raptor = stack.enter_context(
        Peer(
            "elson.benchmarks.peer_scripts.raptorbt_peer",
            python=peer_python(VECTORBT, report),
            environment={"RAYON_NUM_THREADS": "2"},
        )
    )
    raptor.ask(
        "load",
        fees=COMMISSION_BPS / 1e4,
        closed_at=bars.closed_at,
        opened=bars.open,
        high=bars.high,
        low=bars.low,
        close=bars.close,
        volume=bars.volume,
    )
    means = np.empty((len(WINDOWS), len(bars)))
    sma_table_nb(bars.close, np.array(WINDOWS, dtype=np.int64), means)
    raptor.ask("load_means", means=means)
    return raptor


def _check(results: Mapping[str, Results]) -> None:
    ours = results[OURS]["figures"]
    for key, step, years in (
        ("vectorbt_rust", VECTORBT_STEP, SHARPE_YEARS),
        ("raptorbt", RAPTORBT_STEP, 1.0),
        ("vectorbt_numba", NUMBA_STEP, SHARPE_YEARS),
    ):
        figures_check(ours[::step], results[key]["figures"], key, sharpe_years=years)


BENCH = Bench(
    name="sweep",
    title="10,000 moving-average crosses over 8,000 bars",
    unit="combination",
    workload=(
        "Fast 5–104 × slow 105–204 on a seeded walk, all-in at the next open, 5 bp a side; final "
        "equity, orders, deepest drawdown and Sharpe ratio of each. Peers run every tenth "
        "combination (vectorbt with numba every 40th) and get their averages for free."
    ),
    goals=(Goal("vectorbt_rust", 100.0, stretch=250.0), Goal("raptorbt", 30.0, stretch=80.0)),
    prepare=prepare,
)
