"""Running a backtest: claim it, load, simulate, judge, store; safe against a killed worker."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, transaction

from elson.common.errors import DomainError
from marketdata.types import Bars, BarsError
from trading.engine.errors import EngineError
from trading.models import Backtest, BacktestResult, JobStatus
from trading.selectors.backtests import judged_windows
from trading.services.backtests.asked import bars_of, symbols_of, traded_config
from trading.services.backtests.benchmarks import CASH
from trading.services.backtests.experiment import (
    ExperimentConfig,
    ExperimentOutcome,
    experiment_run,
)
from trading.services.backtests.loading import bars_stored, market_costs
from trading.services.backtests.portfolios import AllocationChoice, portfolio_experiment
from trading.services.backtests.progress import (
    LEASE,
    Clock,
    Phase,
    RunCanceled,
    RunProgress,
    announce,
    log_with,
    run_claim,
)
from trading.services.backtests.trials import evaluations_of, run_counted, trials_of
from trading.services.bindings import Binding, binding_for
from trading.services.leases import LeaseLost, lease_write
from trading.services.trial_ledger import Family

logger = structlog.get_logger(__name__)

NOTHING_TO_DO = "NOTHING_TO_DO"
LEASE_LOST = "LEASE_LOST"


def backtest_run(*, backtest_id: int, clock: Clock) -> str:
    """Run a backtest if nobody else does; return how it ended. Calling it again changes nothing.

    A database that is away is not caught: the lease lapses and the sweeper sends the run again.
    """
    backtest = run_claim(backtest_id=backtest_id, now=clock())
    if backtest is None:
        return NOTHING_TO_DO
    try:
        _run(backtest, clock)
    except LeaseLost:
        logger.warning("backtest_lease_lost", backtest_id=backtest_id)
        return LEASE_LOST
    except RunCanceled:
        _end(backtest, clock(), Backtest.Status.CANCELED)
    except (EngineError, BarsError, DomainError) as error:
        _end(backtest, clock(), Backtest.Status.FAILED, code=error.code, error=str(error))
    except SoftTimeLimitExceeded:
        _end(backtest, clock(), Backtest.Status.FAILED, code="TOO_LONG", error=TOO_LONG)
    except DatabaseError:
        raise
    except Exception:
        reference = uuid.uuid4().hex[:12]
        logger.exception("backtest_failed", backtest_id=backtest_id, reference=reference)
        text = f"Elson made a mistake while running this; the reference is {reference}."
        _end(backtest, clock(), Backtest.Status.FAILED, code="INTERNAL", error=text)
    return str(backtest.status)


TOO_LONG = "The run took longer than a worker may spend on one backtest; choose a shorter span."


def _run(backtest: Backtest, clock: Clock) -> None:
    progress = RunProgress(backtest, clock)
    progress.phase(Phase.LOADING)
    series = [bars_of(backtest, symbol) for symbol in symbols_of(backtest)]
    progress.n_bars = max(len(bars) for bars in series)
    bound = binding_for(backtest.strategy_key)
    evaluations = evaluations_of(backtest, series, bound)
    config = _config(backtest, bound, evaluations)
    progress.count = partial(run_counted, evaluations, config.cash, clock)
    if backtest.symbols:
        choice = AllocationChoice(**backtest.allocation)
        outcome = portfolio_experiment(
            series=series,
            config=config,
            choice=choice,
            costs=market_costs(backtest, backtest.symbols),
            report=progress,
        )
    else:
        outcome = experiment_run(bars=series[0], config=config, report=progress)
    _store(backtest, outcome, clock())


def _config(
    backtest: Backtest, bound: Binding, evaluations: Sequence[tuple[Family, str]]
) -> ExperimentConfig:
    return replace(
        traded_config(backtest, bound),
        trials=trials_of(backtest, evaluations),
        judged_windows=judged_windows(backtest=backtest),
        out_of_sample_share=backtest.out_of_sample_share,
        out_of_sample_from=backtest.out_of_sample_from,
        walk_forward_folds=backtest.walk_forward_folds,
        benchmark=backtest.benchmark,
        benchmark_bars=_benchmark_bars(backtest),
    )


def _benchmark_bars(backtest: Backtest) -> Bars | None:
    """Read another instrument to hold from its beginning: the run's first bar needs an earlier."""
    if backtest.benchmark in ("", CASH):
        return None
    return bars_stored(
        symbol=backtest.benchmark,
        timeframe=backtest.timeframe,
        start=None,
        end=backtest.end_date,
    )


@transaction.atomic
def _store(backtest: Backtest, outcome: ExperimentOutcome, now: dt.datetime) -> None:
    """Write the result and end the run together, or neither."""
    lease_write(
        backtest,
        now=now,
        lease=LEASE,
        status=Backtest.Status.SUCCEEDED,
        phase=Phase.DONE,
        progress=1.0,
        detail=outcome.headline[:120],
        so_far={},
        finished_at=now,
        log=log_with(backtest, now, outcome.headline),
    )
    BacktestResult.objects.create(backtest=backtest, **outcome.stored_values())
    announce(backtest)


def _end(
    backtest: Backtest,
    now: dt.datetime,
    status: JobStatus,
    *,
    code: str = "",
    error: str = "",
) -> None:
    text = error or str(status.label)
    try:
        lease_write(
            backtest,
            now=now,
            lease=LEASE,
            status=status,
            detail=str(status.label),
            so_far={},
            error_code=code[:60],
            error=error,
            finished_at=now,
            log=log_with(backtest, now, text),
        )
    except LeaseLost:
        logger.warning("backtest_lease_lost", backtest_id=backtest.pk)
        return
    announce(backtest)
