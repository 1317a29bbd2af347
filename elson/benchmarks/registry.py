"""The benches there are, by name; each module has a `BENCH`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from elson.benchmarks.harness import Bench, BenchError

# In the order of docs/benchmarks.md. Modules are imported when asked for: some need a second.
MODULES: Mapping[str, str] = {
    "sweep": "elson.benchmarks.sweep",
    "generic": "elson.benchmarks.generic",
    "job": "elson.benchmarks.job",
    "engine": "elson.benchmarks.engine",
    "decide": "elson.benchmarks.decide",
    "study": "elson.benchmarks.study",
}


class UnknownBench(BenchError):
    """There is no bench of that name."""


def bench_get(name: str) -> Bench:
    """Return the bench called `name`."""
    if name not in MODULES:
        raise UnknownBench(f"There is no bench {name!r:.80}; there are {', '.join(MODULES)}.")
    bench: Bench = importlib.import_module(MODULES[name]).BENCH
    return bench
