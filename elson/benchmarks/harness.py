"""Measure one thing several ways, side by side, and say whether the goals are met.

A bench prepares a `Contest`: our contender, its peers and a check that all of them computed the
same. The check comes first; a contest whose results differ has no time. Then the contenders run
in turn, A B C A B C, so that a busy machine slows all of them alike, and each round gives one ratio
per peer: the peer's time per unit of work over ours. Ratios are what goals are about; seconds only
describe the machine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from elson.common.memory import freed_memory_keep

Results = Mapping[str, Any]
Report = Callable[[str], None]

OURS = "elson"
FEWEST_ROUNDS = 5


class BenchError(Exception):
    """A bench cannot give an answer; the message is one sentence."""


class ResultsDiffer(BenchError):
    """Two contenders computed different things, so their times mean nothing."""


@dataclass(frozen=True)
class Contender:
    """One way to do the work.

    `run` does it once and returns what it computed; with a key "seconds" among the results that
    time counts (a child process measures itself), otherwise the harness takes it. `units` is how
    much work one call does, so that a slow peer may do less of it.
    """

    key: str
    label: str
    version: str
    units: float
    run: Callable[[], Results]


@dataclass(frozen=True)
class Goal:
    """How many times faster than a peer we promise to be, and what we would like to be."""

    peer: str
    at_least: float
    stretch: float | None = None


@dataclass(frozen=True)
class Limit:
    """A bound on one of the contest's figures that is no ratio to a peer.

    Without a bound it is shown beside the goals all the same: what a goal does not say.
    """

    figure: str
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    def is_kept(self, value: float) -> bool:
        """Tell whether the value is inside; NaN never is."""
        is_low_enough = self.at_most is None or value <= self.at_most
        return is_low_enough and (self.at_least is None or value >= self.at_least)


@dataclass(frozen=True)
class Times:
    """What the rounds of one contender took, in seconds per unit of work, and found."""

    per_unit: tuple[float, ...]
    rounds: tuple[Results, ...]

    @property
    def results(self) -> Results:
        """Return what the last round found."""
        return self.rounds[-1]

    @property
    def median(self) -> float:
        """Return the middle round."""
        return statistics.median(self.per_unit)

    def over(self, other: Times) -> float:
        """Return the middle of the rounds' ratios: how many times as long as another it took."""
        pairs = zip(self.per_unit, other.per_unit, strict=True)
        return statistics.median(own / theirs for own, theirs in pairs)


@dataclass(frozen=True)
class Contest:
    """Who competes and how to see that they did the same.

    `check` raises `ResultsDiffer`; `figures` computes named numbers from the times for `Limit`s
    and the report.
    """

    contenders: tuple[Contender, ...]
    check: Callable[[Mapping[str, Results]], None]
    figures: Callable[[Mapping[str, Times]], Mapping[str, float]] = lambda _: {}


@dataclass(frozen=True)
class Bench:
    """One line of the table in `registry.py`."""

    name: str
    title: str
    unit: str
    workload: str
    goals: tuple[Goal, ...]
    prepare: Callable[[Report], AbstractContextManager[Contest]]
    limits: tuple[Limit, ...] = field(default=())


def bench_run(
    bench: Bench,
    *,
    rounds: int,
    report: Report,
    machine: Mapping[str, Any],
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Check, measure and judge one bench; the answer is ready for JSON."""
    if rounds < FEWEST_ROUNDS:
        raise BenchError(f"{rounds} rounds are too few to compare; at least {FEWEST_ROUNDS}")
    # As in the workers that run the trials of a search.
    freed_memory_keep()
    with bench.prepare(report) as contest:
        first = {}
        for contender in contest.contenders:
            report(f"{bench.name}: {contender.label}, first run and check")
            first[contender.key] = contender.run()
        contest.check(first)
        times = _rounds(bench.name, contest, rounds, report, clock)
        return _verdict(bench, contest, times, rounds, machine)


def _rounds(
    name: str, contest: Contest, rounds: int, report: Report, clock: Callable[[], float]
) -> dict[str, Times]:
    per_unit: dict[str, list[float]] = {contender.key: [] for contender in contest.contenders}
    found: dict[str, list[Results]] = {contender.key: [] for contender in contest.contenders}
    for number in range(1, rounds + 1):
        for contender in contest.contenders:
            began = clock()
            results = contender.run()
            seconds = float(results.get("seconds", clock() - began))
            found[contender.key].append(results)
            per_unit[contender.key].append(seconds / contender.units)
        report(f"{name}: round {number} of {rounds} done")
    return {key: Times(tuple(values), tuple(found[key])) for key, values in per_unit.items()}


def _verdict(
    bench: Bench,
    contest: Contest,
    times: Mapping[str, Times],
    rounds: int,
    machine: Mapping[str, Any],
) -> dict[str, Any]:
    goals = {goal.peer: goal for goal in bench.goals}
    ours = times[OURS]
    peers = {
        contender.key: _standing(contender, ours, times[contender.key], goals.get(contender.key))
        for contender in contest.contenders
        if contender.key != OURS
    }
    own = next(contender for contender in contest.contenders if contender.key == OURS)
    figures = contest.figures(times)
    limits = [_limit_row(limit, figures[limit.figure]) for limit in bench.limits]
    first = bench.goals[0]
    is_met = all(peers[goal.peer]["met"] for goal in bench.goals)
    return {
        "name": bench.name,
        "goal": first.at_least,
        "measured": peers[first.peer]["ratio"]["median"],
        "met": is_met and all(row["met"] for row in limits),
        "peers": peers,
        "rounds": rounds,
        "machine": dict(machine),
        "title": bench.title,
        "unit": bench.unit,
        "workload": bench.workload,
        "ours": {"label": own.label, "version": own.version, "seconds": _spread(ours.per_unit)},
        "figures": dict(figures),
        "limits": limits,
    }


def _standing(
    contender: Contender, ours: Times, theirs: Times, goal: Goal | None
) -> dict[str, Any]:
    ratios = tuple(peer / own for own, peer in zip(ours.per_unit, theirs.per_unit, strict=True))
    row: dict[str, Any] = {
        "label": contender.label,
        "version": contender.version,
        "seconds": _spread(theirs.per_unit),
        "ratio": _spread(ratios),
    }
    if goal is not None:
        middle = row["ratio"]["median"]
        row |= {"goal": goal.at_least, "met": middle >= goal.at_least}
        if goal.stretch is not None:
            row |= {"stretch": goal.stretch, "stretch_met": middle >= goal.stretch}
    return row


def _spread(values: tuple[float, ...]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _limit_row(limit: Limit, value: float) -> dict[str, Any]:
    return {
        "figure": limit.figure,
        "unit": limit.unit,
        "at_most": limit.at_most,
        "at_least": limit.at_least,
        "value": value,
        "met": limit.is_kept(value),
    }
