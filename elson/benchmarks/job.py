"""Bench `job`: the whole product job, database to database, against vectorbt's bare call."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from elson.benchmarks.environment import VECTORBT, peer_version
from elson.benchmarks.figures import figures_check
from elson.benchmarks.harness import (
    OURS,
    Bench,
    Contender,
    Contest,
    Goal,
    Limit,
    Report,
    Results,
    ResultsDiffer,
    Times,
)
from elson.benchmarks.peers import Peer
from elson.benchmarks.product_job import write_csv
from elson.benchmarks.series import geometric_walk
from elson.benchmarks.sweep import (
    COMMISSION_BPS,
    FAST,
    N_BARS,
    N_THREADS,
    SHARPE_YEARS,
    SLOW,
    VECTORBT_STEP,
    WINDOWS,
    shared_run,
    vectorbt_start,
)

N_BEST = 50
REPEATS = 5  # one job is too short to be timed beside busy neighbors


@contextmanager
def prepare(report: Report) -> Iterator[Contest]:
    """Fill a database with the walk; the peer has its arrays in memory already."""
    bars = geometric_walk(7, N_BARS)
    pairs = np.array([(fast, slow) for fast in FAST for slow in SLOW], dtype=np.float64)
    few = pairs[::VECTORBT_STEP]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="elson-bench-job-"))
        path = Path(folder, "WALK.csv")
        write_csv(path, bars)
        environment = {
            "DJANGO_SETTINGS_MODULE": "elson.settings.development",
            "DATABASE_URL": f"sqlite:///{folder}/elson.sqlite3",
            "ELSON_STATE_DIR": folder,
        }
        report("job: making a database with the bars")
        with Peer("elson.benchmarks.product_job", environment=environment) as maker:
            maker.ask("prepare", bars_path=str(path))
        product = stack.enter_context(Peer("elson.benchmarks.product_job", environment=environment))
        product.ask("start")
        rust = vectorbt_start(stack, bars, "rust", 2, report)
        for peer in rust:
            peer.ask("load_means", windows=WINDOWS)
        contenders = (
            _ours(product, len(pairs)),
            Contender(
                "vectorbt_rust",
                "vectorbt's bare call, Rust engine, 2 processes",
                peer_version(VECTORBT, "vectorbt"),
                len(few),
                lambda: shared_run(rust, "cross", few),
            ),
        )
        yield Contest(contenders, partial(_check, rust), _figures)


def _ours(product: Peer, n_pairs: int) -> Contender:
    return Contender(
        OURS,
        f"Elson, whole job, SQLite, {N_THREADS} threads",
        f"Python {platform.python_version()}",
        REPEATS * n_pairs,
        lambda: product.ask(
            "run",
            fast=list(FAST),
            slow=list(SLOW),
            commission_bps=COMMISSION_BPS,
            n_threads=N_THREADS,
            n_best=N_BEST,
            n_times=REPEATS,
        ),
    )


def _check(rust: list[Peer], results: Mapping[str, Results]) -> None:
    """Let vectorbt run the stored rows; they must be among its best of its own rows."""
    ours = results[OURS]
    stored = shared_run(rust, "cross", ours["points"])
    figures_check(ours["figures"], stored["figures"], "vectorbt", sharpe_years=SHARPE_YEARS)
    best = results["vectorbt_rust"]["figures"][:, 0].max()
    if best > ours["figures"][0, 0] * (1.0 + 1e-9) or ours["n_stored"] < 1:
        raise ResultsDiffer(
            f"vectorbt found {best:,.2f}, the best stored row is {ours['figures'][0, 0]:,.2f}"
        )


def _figures(times: Mapping[str, Times]) -> dict[str, float]:
    return {"peak memory of the job": times[OURS].results["peak_mb"]}


BENCH = Bench(
    name="job",
    title="the whole job: bars from the database, 10,000 combinations, best 50 rows stored",
    unit="combination",
    workload=(
        "The sweep above as the product does it, one insert at the end and every combination "
        "counted as a trial; the peer simulates arrays that are in its memory already."
    ),
    goals=(Goal("vectorbt_rust", 30.0),),
    prepare=prepare,
    limits=(Limit("peak memory of the job", "MB", at_most=300.0),),
)
