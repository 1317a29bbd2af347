"""Evaluating trials here or in processes of their own; imports no table, so those start fast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from typing import Any

from elson.common.threads import library_threads_limit
from marketdata.types import Bars
from trading.engine import sources
from trading.engine.backtest import BacktestConfig
from trading.engine.errors import EngineError
from trading.engine.search.scoring import SearchPlan, TrialScore, evaluate
from trading.engine.strategies.base import StrategySpec
from trading.services.own_strategies import own_strategies


def costs_named(config: BacktestConfig) -> list[Any]:
    """Return what a search pays, for the names of its trials and of its journal."""
    if config.cost_model is not None:
        return sorted(asdict(config.cost_model).items())
    return [config.commission_bps, config.slippage_bps, config.cost_preset]


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What every trial of a search shares."""

    strategy: str | StrategySpec
    bars: Bars
    plan: SearchPlan
    config: BacktestConfig

    def score(self, params: Mapping[str, Any]) -> TrialScore | str:
        """Evaluate a full set of parameters; a refusal of the engine comes back as its text."""
        try:
            return evaluate(self.bars, self.strategy, params, self.plan, self.config)
        except EngineError as error:
            return str(error)


Scored = tuple[int, TrialScore | str]
_here: dict[str, Task] = {}


class Evaluator:
    """Evaluates in this process, or in several others while it is open."""

    def __init__(self, task: Task, n_workers: int) -> None:
        self._task = task
        self._pool = (
            ProcessPoolExecutor(
                n_workers,
                # Not fork: threads of compiled code may hold locks at that moment.
                mp_context=get_context("spawn"),
                initializer=_begin,
                initargs=(task,),
            )
            if n_workers > 1
            else None
        )

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def scores(self, trials: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Scored]:
        """Give back each trial's number and score as soon as it is there."""
        if self._pool is None:
            for number, params in trials:
                yield number, self._task.score(params)
            return
        waiting: list[Future[Scored]] = [
            self._pool.submit(_score, number, params) for number, params in trials
        ]
        for done in as_completed(waiting):
            yield done.result()


def _begin(task: Task) -> None:
    library_threads_limit()
    # No app is set up in this process, so nobody else has named the source.
    sources.use(own_strategies)
    _here["task"] = task


def _score(number: int, params: Mapping[str, Any]) -> Scored:
    return number, _here["task"].score(params)
