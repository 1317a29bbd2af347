"""Running a backtest: claim it, load, simulate, judge, store; safe against a killed worker."""

from __future__ import annotations

import datetime as dt
import uuid

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, transaction

from elson.common.errors import DomainError
from marketdata.types import Bars, BarsError
from trading.engine import metrics
from trading.engine.errors import EngineError
from trading.engine.luck import bar_sharpe
from trading.models import Backtest, BacktestResult
from trading.services.backtests.experiment import (
    ExperimentConfig,
    ExperimentOutcome,
    cost_preset_of,
    experiment_run,
)
from trading.services.backtests.loading import bars_stored
from trading.services.backtests.progress import (
    Clock,
    LeaseLost,
    Phase,
    RunCanceled,
    RunProgress,
    announce,
    lease_claim,
    lease_write,
    log_with,
)
from trading.services.trial_ledger import backtest_counted

logger = structlog.get_logger(__name__)

NOTHING_TO_DO = "NOTHING_TO_DO"
LEASE_LOST = "LEASE_LOST"


def backtest_run(*, backtest_id: int, clock: Clock) -> str:
    """Run a backtest if nobody else does; return how it ended. Calling it again changes nothing.

    A database that is away is not caught: the lease lapses and the sweeper sends the run again.
    """
    backtest = lease_claim(backtest_id=backtest_id, now=clock())
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
    bars = _load(backtest)
    progress.n_bars = len(bars)
    outcome = experiment_run(bars=bars, config=_config(backtest), report=progress)
    _store(backtest, outcome, clock())


def _load(backtest: Backtest) -> Bars:
    return bars_stored(
        symbol=backtest.instrument.symbol,
        timeframe=backtest.timeframe,
        start=backtest.start_date,
        end=backtest.end_date,
    )


def _config(backtest: Backtest) -> ExperimentConfig:
    preset = cost_preset_of(
        asset_class=backtest.instrument.asset_class, is_close_only=backtest.instrument.is_close_only
    )
    return ExperimentConfig(
        strategy_key=backtest.strategy_key,
        parameters=backtest.parameters,
        cash=float(backtest.cash),
        commission_bps=backtest.commission_bps,
        slippage_bps=backtest.slippage_bps,
        preset=preset if backtest.has_regime_costs else None,
        out_of_sample_share=backtest.out_of_sample_share,
        seed=backtest.seed,
    )


@transaction.atomic
def _store(backtest: Backtest, outcome: ExperimentOutcome, now: dt.datetime) -> None:
    """Write the result and end the run together, or neither."""
    lease_write(
        backtest=backtest,
        now=now,
        status=Backtest.Status.SUCCEEDED,
        phase=Phase.DONE,
        progress=1.0,
        detail=outcome.headline[:120],
        finished_at=now,
        log=log_with(backtest, now, outcome.headline),
    )
    BacktestResult.objects.create(backtest=backtest, **outcome.stored_values())
    returns = metrics.simple_returns(outcome.run.equity, start=outcome.run.config.cash)
    backtest_counted(
        backtest=backtest, bar_sharpe=bar_sharpe(returns), n_bars=returns.shape[0], now=now
    )
    announce(backtest)


def _end(
    backtest: Backtest,
    now: dt.datetime,
    status: Backtest.Status,
    *,
    code: str = "",
    error: str = "",
) -> None:
    text = error or str(status.label)
    try:
        lease_write(
            backtest=backtest,
            now=now,
            status=status,
            detail=str(status.label),
            error_code=code[:60],
            error=error,
            finished_at=now,
            log=log_with(backtest, now, text),
        )
    except LeaseLost:
        logger.warning("backtest_lease_lost", backtest_id=backtest.pk)
        return
    announce(backtest)
