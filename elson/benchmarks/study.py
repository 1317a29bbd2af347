"""How a study scales: two Celery workers against one, and the cost of a trial in a long study."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

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
)
from elson.benchmarks.peers import Peer
from elson.benchmarks.product_job import write_csv
from elson.benchmarks.series import geometric_walk

ONE = "one-worker"
N_BARS = 8_000
N_TRIALS = 2_000
SHORT, LONG = 100, 10_000
# A short study is over in a blink: its cost is the middle of several.
N_SHORT = 7
# Short studies first, so that both workers have loaded what trials and verdict need.
N_WARM = 6
# A study is over in a second or two: a round takes several, so that it is not one moment's luck.
N_STUDIES = 3
# What adds up over the studies of a round.
TIMES = ("seconds", "request_seconds", "verdict_seconds")
METHODS = {"random": "random", "tpe": "TPE"}
STRATEGY = "hybrid"
SPACE = {
    "entry_level": {"low": 5, "high": 20, "step": 0.5},
    "range_share": {"low": 0.1, "high": 0.5, "step": 0.01},
    "max_bars": {"low": 10, "high": 60, "step": 1},
}
# The cost of a trial is looked at with a rule that takes next to nothing by itself.
CHEAP = "sma_cross"
CHEAP_SPACE = {
    "fast": {"low": 2, "high": 120, "step": 1},
    "slow": {"low": 121, "high": 240, "step": 1},
}


@contextmanager
def prepare(report: Report) -> Iterator[Contest]:
    """Start a platform of its own and measure the cost of a trial once; the rounds do the rest."""
    with Peer("elson.benchmarks.peer_scripts.study_platform") as platform:
        with tempfile.TemporaryDirectory(prefix="elson-bench-") as folder:
            path = Path(folder, "WALK.csv")
            write_csv(path, geometric_walk(1, N_BARS))
            platform.ask("seed", bars_path=str(path))
        cost: dict[str, float] = {}
        for method in METHODS:
            cost |= _trial_costs(platform, method, report)

        def search(n_workers: int, n_trials: int) -> dict[str, Any]:
            return platform.ask(
                "search", strategy=STRATEGY, space=SPACE, method="random", n_trials=n_trials,
                n_workers=n_workers,
            )  # fmt: skip

        def run(n_workers: int) -> Results:
            found = [search(n_workers, N_TRIALS) for _ in range(N_STUDIES)]
            return found[-1] | {name: sum(one[name] for one in found) for name in TIMES}

        for _ in range(N_WARM):
            search(1, SHORT)
        version, units = settings.ELSON_VERSION, N_STUDIES * N_TRIALS
        yield Contest(
            contenders=(
                Contender(OURS, "two Celery workers", version, units, lambda: run(2)),
                Contender(ONE, "one Celery worker", version, units, lambda: run(1)),
            ),
            check=_check,
            figures=lambda times: cost | _serial(times[OURS].results),
        )


def _trial_costs(platform: Peer, method: str, report: Report) -> dict[str, float]:
    """Return milliseconds a trial in short and long studies, and how many times they grow."""

    def cost(n_trials: int) -> float:
        report(f"study: cost of a {method} trial in a study of {n_trials:,}")
        found = platform.ask(
            "search", strategy=CHEAP, space=CHEAP_SPACE, method=method, n_trials=n_trials,
            n_workers=1,
        )  # fmt: skip
        return 1e3 * float(found["trial_seconds"])

    cost(SHORT)
    short, long = statistics.median(cost(SHORT) for _ in range(N_SHORT)), cost(LONG)
    return {
        f"ms of a {METHODS[method]} trial among {SHORT:,}": short,
        f"ms of a {METHODS[method]} trial among {LONG:,}": long,
        _growth(method): long / short,
    }


def _growth(method: str) -> str:
    return f"cost of a {METHODS[method]} trial, {LONG:,} against {SHORT:,} trials"


def _serial(found: Results) -> dict[str, float]:
    """Return milliseconds a study of the last round in which only one process had work."""
    return {
        "ms of a study's request": 1e3 * float(found["request_seconds"]) / N_STUDIES,
        "ms from a study's last trial to its verdict": (
            1e3 * float(found["verdict_seconds"]) / N_STUDIES
        ),
    }


def _check(results: Mapping[str, Any]) -> None:
    ours, theirs = results[OURS], results[ONE]
    if {ours["status"], theirs["status"]} != {"SUCCEEDED"}:
        raise ResultsDiffer(f"a study ended as {ours['status']}, another as {theirs['status']}")
    if not np.array_equal(ours["bar_sharpe"], theirs["bar_sharpe"], equal_nan=True):
        raise ResultsDiffer("two workers found other Sharpe ratios than one")


BENCH = Bench(
    name="study",
    title="A study on two Celery workers",
    unit="trial",
    workload=(
        f"{N_TRIALS:,} random trials of {STRATEGY} on {N_BARS:,} bars of a synthetic walk, "
        f"from the request to the stored verdict, {N_STUDIES} studies a round; cost of a trial in "
        f"studies of {SHORT} and {LONG:,}, random and TPE"
    ),
    goals=(Goal(ONE, 1.7),),
    prepare=prepare,
    limits=tuple(Limit(_growth(method), "times", at_most=1.2) for method in METHODS),
)
