"""Training a version: asked for, claimed by a worker, done year by year, measured, stored."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, transaction
from django.db.models import Q, Sum

from accounts.staff import staff_check
from elson.common import jobs
from elson.common.errors import DomainError
from marketdata.models import BarSeries, Instrument
from marketdata.selectors import bars_get, instant, nanoseconds
from marketdata.types import BarsError
from trading.engine.errors import EngineError
from trading.engine.learning.fitted import DatedModel, FittedModel
from trading.engine.learning.models import ModelKind
from trading.models import ModelArtifact, ModelTraining, ModelVersion
from trading.selectors.backtests import backtests_are_waiting
from trading.selectors.model_trainings import MAY_CANCEL, UNFINISHED
from trading.selectors.model_versions import version_active
from trading.services.bindings import models_of
from trading.services.keys import key_check
from trading.services.leases import LeaseLost
from trading.services.market_costs import cost_preset_of
from trading.services.models.candidates import (
    Candidates,
    TrainingBars,
    candidates_joined,
    candidates_of,
    data_hash_of,
)
from trading.services.models.gates import gates_of, same_rows
from trading.services.models.registry import (
    BY_THE_CLOCK,
    version_challenge,
    version_first_activate,
)
from trading.services.models.sequence import (
    OutOfSample,
    YearPlan,
    out_of_sample,
    rows_hash,
    year_fit,
    year_plans,
)
from trading.services.models.storing import version_store
from trading.services.models.training_progress import (
    SWEEP_AFTER,
    TASK,
    Clock,
    Phase,
    Status,
    TrainingCanceled,
    TrainingReport,
    training_claim,
    training_end,
    training_revive,
)

if TYPE_CHECKING:
    from accounts.models import User

logger = structlog.get_logger(__name__)
Source = Callable[[ModelTraining], Iterator[TrainingBars]]

HYBRID = "hybrid"
TIMEFRAME = "1d"
DATABASE = "database"
# Longer than any step of a training between two signs of life.
COMMAND_SILENT_AFTER = dt.timedelta(minutes=10)
# Between two tries for a first model.
FIRST_AGAIN_AFTER = dt.timedelta(days=7)
NOTHING_TO_DO, LEASE_LOST = "NOTHING_TO_DO", "LEASE_LOST"


class TrainingInvalid(DomainError):
    """A training cannot be as asked for; names field, value and limit."""


@transaction.atomic
def training_request(
    *,
    kind: str = ModelKind.LOGISTIC,
    symbols: Sequence[str] = (),
    seed: int = 7,
    requested_by: User | None = None,
    note: str = "",
    client_key: str | None = None,
    trigger: str = ModelTraining.Trigger.REQUEST,
    now: dt.datetime,
) -> ModelTraining:
    """Store and enqueue a training; the same client key again returns the first one.

    Without symbols every stored daily series the rule may trade is learned from. Raises KeyReused
    when the key made another training, or one of another person.
    """
    asked = {"kind": kind, "seed": seed, "requested_by": requested_by}
    chosen = _known(symbols)
    columns = {
        **_columns(kind=kind, symbols=chosen or symbols_stored(), now=now),
        **asked,
        "note": note,
        "trigger": trigger,
    }
    # Two at once with one key are one row: the unique key decides which of them made it.
    training, is_made = ModelTraining.objects.get_or_create(
        client_key=client_key or uuid.uuid4().hex, defaults=columns
    )
    if is_made:
        jobs.enqueue(TASK, training_id=training.pk)
    else:
        wanted = asked | ({"symbols": chosen} if chosen else {})
        stored = {name: getattr(training, name) for name in wanted}
        key_check(f"training #{training.pk}", stored=stored, wanted=wanted)
    return training


def _known(symbols: Sequence[str]) -> list[str]:
    """Return each symbol once; raises TrainingInvalid naming those nobody stored."""
    chosen = list(dict.fromkeys(symbols))
    stored = Instrument.objects.in_bulk(chosen, field_name="symbol")
    unknown = [symbol for symbol in chosen if symbol not in stored]
    if unknown:
        raise TrainingInvalid(
            "SYMBOL_UNKNOWN", f"There is no instrument {', '.join(unknown)}.", field="symbols"
        )
    return chosen


def training_make(
    *, kind: str, symbols: list[str], now: dt.datetime, **values: Any
) -> ModelTraining:
    """Store a training without sending it to a worker."""
    columns = _columns(kind=kind, symbols=symbols, now=now)
    return ModelTraining.objects.create(**columns, **values)


def _columns(*, kind: str, symbols: list[str], now: dt.datetime) -> dict[str, Any]:
    """Return what every new training is stored with; raises TrainingInvalid."""
    if kind not in list(ModelKind):
        raise TrainingInvalid(
            "KIND_UNKNOWN", f"kind {kind!r} must be one of {', '.join(ModelKind)}", field="kind"
        )
    if not symbols:
        raise TrainingInvalid(
            "NO_INSTRUMENT",
            "There is no daily series of an equity, ETF or index to learn from.",
            field="symbols",
        )
    return {
        "strategy_key": HYBRID,
        "kind": kind,
        "symbols": symbols,
        "lease_expires_at": now + SWEEP_AFTER,
    }


def symbols_stored() -> list[str]:
    """Return the daily series of classes the rule trades."""
    classes = ("EQUITY", "ETF", "INDEX")
    rows = Instrument.objects.filter(
        asset_class__in=classes, is_tradable=True, series__timeframe=TIMEFRAME
    )
    return list(rows.order_by("symbol").values_list("symbol", flat=True))


def training_run(*, training_id: int, clock: Clock, source: Source | None = None) -> str:
    """Train if nobody else does; return how it ended. Calling it again changes nothing.

    A database that is away is not caught: the lease lapses and the sweeper sends it again.
    """
    training = training_claim(training_id, clock())
    if training is None:
        return NOTHING_TO_DO
    try:
        _train(training, clock, source or bars_of_database)
    except LeaseLost:
        logger.warning("training_lease_lost", training_id=training_id)
        return LEASE_LOST
    except TrainingCanceled:
        training_end(training, clock(), Status.CANCELED)
    except (EngineError, BarsError, DomainError) as error:
        training_end(training, clock(), Status.FAILED, code=error.code, error=str(error))
    except SoftTimeLimitExceeded:
        # What was trained is kept: the sweeper sends it again and it goes on from there.
        return LEASE_LOST
    except DatabaseError:
        raise
    except Exception:
        reference = uuid.uuid4().hex[:12]
        logger.exception("training_failed", training_id=training_id, reference=reference)
        text = f"Elson made a mistake while training this; the reference is {reference}."
        training_end(training, clock(), Status.FAILED, code="INTERNAL", error=text)
    return str(training.status)


def trainings_sweep(*, now: dt.datetime) -> int:
    """Send waiting trainings again and take over from silent workers; return how many.

    Where nothing was ever trained, ask for the first model as soon as nobody's backtest waits.
    """
    first_training_request(now=now)
    _give_up_folders(now)
    due = ModelTraining.objects.filter(
        Q(lease_expires_at__lt=now) | Q(lease_expires_at__isnull=True),
        status__in=UNFINISHED,
        # A training on a folder belongs to the command that reads it.
        source=DATABASE,
    )
    return sum(training_revive(row, now) for row in due.order_by("pk")[:50])


def _give_up_folders(now: dt.datetime) -> None:
    """End trainings whose command is gone: nobody else has the folder to go on with."""
    ModelTraining.objects.filter(
        status__in=UNFINISHED, lease_expires_at__lt=now - COMMAND_SILENT_AFTER
    ).exclude(source=DATABASE).update(
        status=Status.FAILED,
        finished_at=now,
        lease_key=None,
        error_code="COMMAND_GONE",
        error="The command that trained on a folder ended before it was done; call it again.",
    )


def first_training_request(*, now: dt.datetime) -> ModelTraining | None:
    """Ask for the first model of an installation that has prices; None when there is no need.

    While there is none, what was too little may be enough by now: more bars are asked about anew.
    """
    if ModelVersion.objects.filter(strategy_key=HYBRID).exists() or backtests_are_waiting():
        return None
    symbols = symbols_stored()
    series = BarSeries.objects.filter(instrument__symbol__in=symbols, timeframe=TIMEFRAME)
    key = f"first-{series.aggregate(n=Sum('n_bars'))['n'] or 0}"
    tried = ModelTraining.objects.filter(
        Q(status__in=UNFINISHED) | Q(created_at__gt=now - FIRST_AGAIN_AFTER) | Q(client_key=key)
    )
    if not symbols or tried.exists():
        return None
    return training_request(
        note="first model", client_key=key, trigger=ModelTraining.Trigger.FIRST, now=now
    )


@transaction.atomic
def training_cancel(*, training: ModelTraining, now: dt.datetime) -> ModelTraining:
    """Call a training off; asking twice, or after its end, changes nothing."""
    row = ModelTraining.objects.select_for_update().get(pk=training.pk)
    is_held = row.lease_expires_at is not None and row.lease_expires_at >= now
    if row.status == Status.QUEUED or (row.status == Status.RUNNING and not is_held):
        row.status, row.finished_at, row.lease_key = Status.CANCELED, now, None
    elif row.status == Status.RUNNING:
        row.is_cancel_requested = True
    row.save()
    return row


def training_abandon(*, training: ModelTraining, now: dt.datetime) -> None:
    """End a training whose process gives up holding it; what is ended already stays as it is."""
    ModelTraining.objects.filter(pk=training.pk, status__in=UNFINISHED).update(
        status=Status.CANCELED, finished_at=now, lease_key=None
    )


def training_cancel_by(*, user: User, training: ModelTraining, now: dt.datetime) -> ModelTraining:
    """Call a training off for a person; Forbidden for all but staff who may and who asked."""
    if training.requested_by_id != user.pk:
        staff_check(user, MAY_CANCEL, f"cancel training #{training.pk} of somebody else")
    return training_cancel(training=training, now=now)


def bars_of_database(training: ModelTraining) -> Iterator[TrainingBars]:
    """Read the stored daily bars of the training's symbols, one instrument at a time."""
    found = Instrument.objects.in_bulk(training.symbols, field_name="symbol")
    for symbol in training.symbols:
        if symbol not in found:
            raise TrainingInvalid(
                "SYMBOL_UNKNOWN", f"There is no instrument {symbol}.", field="symbols"
            )
        instrument = found[symbol]
        preset = cost_preset_of(instrument)
        yield TrainingBars(bars_get(symbol, TIMEFRAME), preset)


def _train(training: ModelTraining, clock: Clock, source: Source) -> None:
    report = TrainingReport(training, clock)
    candidates, data_hash, n_instruments = _load(training, source, report)
    plans = year_plans(candidates)
    if not plans:
        raise TrainingInvalid(
            "TOO_FEW_CANDIDATES",
            f"{len(candidates)} candidates with known results are too few to train; "
            f"500 before a year with wins and losses are needed.",
        )
    models = _fit_all(training, candidates, plans, report)
    report.at(Phase.MEASURING, 0.0, "Measuring out of sample")
    tested = out_of_sample(candidates, models)
    gates = gates_against_champion(tested, candidates, training.strategy_key)
    with transaction.atomic():
        report.end(f"{len(models)} models, {len(tested):,} candidates out of sample")
        version = version_store(
            training,
            candidates=candidates,
            models=models,
            tested=tested,
            gates=gates,
            data_hash=data_hash,
            n_instruments=n_instruments,
            now=clock(),
        )
        # What the clock asked for never decides without a person, not even as the first.
        begin = version_challenge if training.trigger in BY_THE_CLOCK else version_first_activate
        begin(version=version, now=clock())


def _load(
    training: ModelTraining, source: Source, report: TrainingReport
) -> tuple[Candidates, str, int]:
    parts, items = [], []
    n_symbols = max(len(training.symbols), 1)
    for k, item in enumerate(source(training)):
        report.at(Phase.LOADING, k / n_symbols, f"Labeling candidates of {item.bars.symbol}")
        items.append(item)
        parts.append(candidates_of(item))
    return candidates_joined(parts), data_hash_of(items), sum(len(part) > 0 for part in parts)


def _fit_all(
    training: ModelTraining, candidates: Candidates, plans: list[YearPlan], report: TrainingReport
) -> list[DatedModel]:
    """Train what is not there yet, or was of rows revised since; each is stored once trained."""
    models = []
    _forget_others(training, plans)
    for k, plan in enumerate(plans):
        at = instant(plan.valid_from)
        report.at(Phase.FITTING, k / len(plans), f"Training the model of {at:%Y-%m-%d}")
        learned = rows_hash(candidates, plan)
        stored = ModelArtifact.objects.filter(
            training=training, valid_from=at, rows_hash=learned
        ).first()
        model = FittedModel.from_dict(stored.artifact) if stored else None
        if model is None:
            model = year_fit(candidates, plan, kind=training.kind, seed=training.seed)
            ModelArtifact.objects.update_or_create(
                training=training,
                valid_from=at,
                defaults={
                    "artifact": model.to_dict(),
                    "content_hash": model.content_hash,
                    "rows_hash": learned,
                    "n_train": model.n_train + model.n_calibration,
                },
            )
        models.append(DatedModel(nanoseconds(at), model))
    return models


def _forget_others(training: ModelTraining, plans: list[YearPlan]) -> None:
    """Remove models of an attempt that saw other prices: they would decide unmeasured."""
    planned = [instant(plan.valid_from) for plan in plans]
    ModelArtifact.objects.filter(training=training).exclude(valid_from__in=planned).delete()


def gates_against_champion(
    tested: OutOfSample, candidates: Candidates, strategy_key: str
) -> list[dict[str, Any]]:
    """Compare with the active version on the candidates both decided; alone without one."""
    champion = version_active(strategy_key)
    if champion is None:
        return gates_of(tested, None)
    theirs = out_of_sample(candidates, models_of(champion))
    ours, theirs = same_rows(tested, theirs)
    gates = gates_of(ours, theirs)
    return [gate | {"champion": champion.number} for gate in gates]
