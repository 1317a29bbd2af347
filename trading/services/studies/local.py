"""A search on this machine, for the command: a journal instead of rows.

Every finished trial is one line of the journal, so an interrupted search goes on where it was and a
finished one is only judged again. Its first line names the search and the code, so that it serves
no other. What is found depends on the request alone, never on the number of processes or on what
else is in the journal. No database is needed, except by whoever counts the trials.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elson.common.errors import DomainError
from marketdata.selectors import bars_hash
from marketdata.types import Bars
from trading.engine import backtest, metrics
from trading.engine.backtest import BacktestConfig
from trading.engine.errors import ConfigInvalid
from trading.engine.search import (
    Judgement,
    SearchPlan,
    Space,
    grid,
    judge,
    random_trials,
    tpe_suggest,
)
from trading.engine.search.judgement import ScoredTrial
from trading.engine.search.scoring import TrialScore
from trading.engine.strategies import StrategySpec
from trading.selectors.studies import TrialCount
from trading.services.backtests.manifest import code_identity
from trading.services.backtests.statistics import plain
from trading.services.studies.evaluation import Evaluator, Task, costs_named

TPE_BATCH = 5
BROKEN = -10.0
Show = Callable[[int], None]
# Takes parameters and Sharpe ratios of trials, and says how many trials there ever were.
Count = Callable[[Sequence[tuple[Mapping[str, Any], float]]], TrialCount]
# A trial is in the journal, where people can read it, at most so many seconds after its end.
WRITE_EVERY = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class LocalSearch:
    """What is searched, on which bars, how.

    `bound` is the strategy bound to the models of the version that `model` names; None for the
    strategy as registered.
    """

    strategy_key: str
    bars: Bars
    space: Space
    plan: SearchPlan
    config: BacktestConfig
    method: str
    n_trials: int
    bound: StrategySpec | None = None
    model: Mapping[str, object] | None = None

    @property
    def strategy(self) -> str | StrategySpec:
        """Return what is run; a key where that is enough, as each process has its own registry."""
        return self.bound or self.strategy_key

    @property
    def identity(self) -> str:
        """Name everything that decides the trials, so that a journal fits one search only."""
        code = code_identity()
        text = json.dumps(
            {
                "code": code["revision"] or code["version"],
                "strategy": self.strategy_key,
                "space": self.space.to_dict(),
                "fixed": dict(self.space.fixed),
                "plan": asdict(self.plan),
                "cash": self.config.cash,
                "costs": costs_named(self.config),
                "model": None if self.model is None else self.model["content_hash"],
                "method": self.method,
                "seed": self.config.seed,
                "bars": bars_hash(self.bars),
            },
            sort_keys=True,
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class JournalForeign(DomainError):
    """A journal belongs to another search, or to other code."""


@dataclass(frozen=True, slots=True)
class LocalOutcome:
    """All finished trials by number, the errors of the failed ones, the verdict, the bare score."""

    trials: tuple[ScoredTrial, ...]
    errors: dict[int, str]
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    moving: dict[str, Any]
    score: TrialScore | None
    error: str = ""


def search_run(
    *,
    search: LocalSearch,
    journal: Path,
    n_workers: int,
    show: Show | None = None,
    count: Count | None = None,
) -> LocalOutcome:
    """Search, writing every trial down; raises what the engine refuses, KeyboardInterrupt passes.

    The journal is kept: the same search begins with what is in it. Raises JournalForeign for one of
    another search. `count` is told of every trial before the journal shows it, also when the search
    is killed; without it these trials are all there ever were.
    """
    journal.parent.mkdir(parents=True, exist_ok=True)
    _journal_open(journal, search)
    lines = {line.number: line for line in _journal_read(journal, search.n_trials)}
    batches = _tpe_batches(search, lines) if search.method == "TPE" else iter([_listed(search)])
    task = Task(search.strategy, search.bars, search.plan, search.config)
    with (
        _Pen(search, journal, count or _counted) as pen,
        Evaluator(task, n_workers) as evaluator,
    ):
        for batch in batches:
            moving = {number: row for number, row in batch if number not in lines}
            missing = [(number, search.space.params(row)) for number, row in moving.items()]
            for number, found in evaluator.scores(missing):
                lines[number] = line = _line_of(number, moving[number], found)
                pen.write(line)
                if show is not None:
                    show(len(lines))
    whole = [lines[number] for number in sorted(lines)]
    return _judged(search, whole, (count or _counted)(_sharpes(search, whole)))


class _Pen:
    """Writes trials into the journal, those of about a second at once, and counts them before.

    Leaving it writes what is left, also when the search is interrupted.
    """

    def __init__(self, search: LocalSearch, journal: Path, count: Count) -> None:
        self._search, self._journal, self._count = search, journal, count
        self._waiting: list[_Line] = []
        self._written_at = time.monotonic()

    def __enter__(self) -> _Pen:
        return self

    def __exit__(self, *raised: object) -> None:
        self._flush()

    def write(self, line: _Line) -> None:
        self._waiting.append(line)
        if time.monotonic() - self._written_at >= WRITE_EVERY:
            self._flush()

    def _flush(self) -> None:
        self._count(_sharpes(self._search, self._waiting))
        with self._journal.open("a", encoding="utf-8") as file:
            file.writelines(_text_of(line) for line in self._waiting)
        self._waiting = []
        self._written_at = time.monotonic()


def _sharpes(search: LocalSearch, lines: Iterable[_Line]) -> list[tuple[Mapping[str, Any], float]]:
    return [
        (search.space.params(line.moving), line.score.bar_sharpe) for line in lines if line.score
    ]


def _counted(trials: Sequence[tuple[Mapping[str, Any], float]]) -> TrialCount:
    values = np.array([sharpe for _, sharpe in trials])
    return TrialCount(len(values), float(values.std()) if len(values) else 0.0)


def _line_of(number: int, moving: dict[str, Any], found: TrialScore | str) -> _Line:
    if isinstance(found, str):
        return _Line(number, moving, None, found)
    return _Line(number, moving, found)


def _listed(search: LocalSearch) -> list[tuple[int, dict[str, Any]]]:
    if search.method == "GRID":
        rows = grid(search.space)
        if len(rows) > search.n_trials:
            raise ConfigInvalid(
                f"the grid has {len(rows):,} combinations and {search.n_trials:,} trials were "
                "asked for; allow more trials, use larger steps, or random"
            )
    else:
        rows = random_trials(search.space, search.config.seed, search.n_trials)
    return list(enumerate(rows, start=1))


def _tpe_batches(
    search: LocalSearch, lines: dict[int, _Line]
) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    for first in range(1, search.n_trials + 1, TPE_BATCH):
        numbers = range(first, min(first + TPE_BATCH, search.n_trials + 1))
        if all(number in lines for number in numbers):
            continue
        # Only what was known when the batch began, also when it is begun a second time.
        known = [
            (line.moving, BROKEN if line.score.refusal else line.score.objective)
            for _, line in sorted(lines.items())
            if line.number < first and line.score is not None
        ]
        tried = {
            search.space.combination(line.moving) for line in lines.values() if line.number < first
        }
        found = tpe_suggest(
            search.space,
            seed=search.config.seed + first,
            n_trials=len(numbers),
            known=known,
            tried=tried,
        )
        yield list(zip(numbers, found, strict=True))


def _judged(search: LocalSearch, lines: Sequence[_Line], counted: TrialCount) -> LocalOutcome:
    trials = tuple(
        ScoredTrial(line.number, line.moving, line.score) for line in lines if line.score
    )
    known = search.bars.slice(0, search.plan.n_search)

    def returns_of(trial: ScoredTrial) -> Any:
        params = search.space.params(trial.moving)
        run = backtest.run(known, search.strategy, params, search.config)
        return metrics.simple_returns(run.equity, start=search.config.cash)

    judgement = judge(
        search.space,
        search.plan,
        trials,
        bars_per_year=search.bars.bars_per_year,
        n_trials_counted=counted.n_trials,
        sharpe_std=counted.sharpe_std,
        returns_of=returns_of,
    )
    errors = {line.number: line.error for line in lines if line.score is None}
    return LocalOutcome(trials, errors, judgement)


def _text_of(line: _Line) -> str:
    score = plain(asdict(line.score)) if line.score else None
    return json.dumps([line.number, line.moving, score, line.error]) + "\n"


def _journal_open(journal: Path, search: LocalSearch) -> None:
    """Begin a journal, or see that it is this search's and that its last line is whole."""
    head = json.dumps({"search": search.identity})
    text = journal.read_text(encoding="utf-8") if journal.exists() else ""
    if "\n" not in text:
        # Nothing, or the first line a kill cut short.
        journal.write_text(f"{head}\n", encoding="utf-8")
    elif not text.startswith(f"{head}\n"):
        raise JournalForeign(
            "JOURNAL_FOREIGN",
            f"{journal} belongs to another search or other code; name another file or remove it.",
            field="journal",
        )
    elif not text.endswith("\n"):
        with journal.open("a", encoding="utf-8") as file:
            file.write("\n")


def _journal_read(journal: Path, n_trials: int) -> Iterator[_Line]:
    """Read the trials asked for; a search may have gone further before."""
    for text in journal.read_text(encoding="utf-8").splitlines()[1:]:
        try:
            number, moving, score, error = json.loads(text)
        except ValueError:
            continue  # the line a kill cut short; its trial is evaluated again
        if number <= n_trials:
            yield _Line(number, moving, _score_of(score) if score else None, error)


def _score_of(values: dict[str, Any]) -> TrialScore:
    read: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    # JSON has no NaN: only the objective of a refused trial is one.
    if read["objective"] is None:
        read["objective"] = float("nan")
    return TrialScore(**read)
