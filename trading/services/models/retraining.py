"""Training a challenger by the clock, when drift or newer prices give a reason.

A challenger only predicts: it stays in the shadow until a person promotes it through its gates.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db.models import Max

from marketdata.models import BarSeries
from trading.engine.learning.drift import Light
from trading.models import DriftReport, ModelTraining, ModelVersion
from trading.selectors.backtests import backtests_are_waiting
from trading.selectors.model_trainings import UNFINISHED
from trading.selectors.model_versions import version_active, version_list
from trading.services.models.registry import BY_THE_CLOCK
from trading.services.models.training import HYBRID, TIMEFRAME, symbols_stored, training_request

logger = structlog.get_logger(__name__)
State, Trigger = ModelVersion.State, ModelTraining.Trigger
# Prices beyond what a version has learned from: a quarter is a reason by itself.
OLD_AFTER = dt.timedelta(days=91)
# With less that is new the same rows would give nearly the same model, whatever drift says.
NEWS_NEEDED = dt.timedelta(days=30)
# Looks in a row that must see red: one may be the chance of few predictions.
RED_LOOKS = 3
MOST_LOOKS = 500  # three weeks of one an hour
# Between two trainings by the clock, whatever became of the first.
REST = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a version should have a challenger: what set it off, in words, the data it waits for."""

    trigger: str
    text: str
    newest: dt.date


def retraining_check(*, now: dt.datetime) -> ModelTraining | None:
    """Ask for a challenger where there is a reason; None where there is none, or not now.

    The same newer prices are asked about once, so a training that failed waits for others.
    """
    if not settings.MODEL_RETRAINING or _is_resting(now) or backtests_are_waiting():
        return None
    version = version_watched(HYBRID)
    reason = reason_of(version) if version is not None else None
    if version is None or reason is None:
        return None
    key = f"retrain-{version.pk}-{reason.newest}"
    if ModelTraining.objects.filter(client_key=key).exists():
        return None
    training = training_request(
        kind=version.kind,
        seed=version.training.seed,
        note=reason.text[:200],
        client_key=key,
        trigger=reason.trigger,
        now=now,
    )
    logger.info("retraining_requested", training_id=training.pk, reason=reason.text)
    return training


def version_watched(strategy_key: str) -> ModelVersion | None:
    """Return the version that decides, else the newest that is not retired."""
    active = version_active(strategy_key)
    if active is not None:
        return active
    alive = version_list(strategy_key).exclude(state=State.RETIRED)
    return alive.order_by("-number").first()


def reason_of(version: ModelVersion) -> Reason | None:
    """Say why a version should have a challenger; None where there is no reason."""
    newest = _newest_close()
    if newest is None:
        return None
    # A challenger that knows these prices already is to be judged, not replaced.
    alive = version_list(version.strategy_key).filter(state__in=[State.ACTIVE, State.SHADOW])
    known = max([version, *alive], key=lambda row: row.trained_until)
    unseen = newest - known.trained_until
    if unseen < NEWS_NEEDED:
        return None
    since = f"{unseen.days} days of prices are newer than what model {known.number} learned from"
    red = _red_looks(version)
    if red:
        return Reason(
            Trigger.DRIFT, f"drift: {_worst(red[0])} in {len(red)} looks; {since}", newest
        )
    return Reason(Trigger.AGE, f"age: {since}", newest) if unseen >= OLD_AFTER else None


def _is_resting(now: dt.datetime) -> bool:
    """Tell whether a training is under way, or the last by the clock is too recent."""
    if ModelTraining.objects.filter(status__in=UNFINISHED).exists():
        return True
    return ModelTraining.objects.filter(
        trigger__in=BY_THE_CLOCK, created_at__gt=now - REST
    ).exists()


def _newest_close() -> dt.date | None:
    series = BarSeries.objects.filter(
        instrument__symbol__in=symbols_stored(), timeframe=TIMEFRAME, n_bars__gt=0
    )
    newest = series.aggregate(newest=Max("last_at"))["newest"]
    return newest.date() if newest else None


def _red_looks(version: ModelVersion) -> list[DriftReport]:
    """Return the newest looks where every one of them is red, else nothing.

    Looks at the same predictions are one look.
    """
    found = version.drift_reports.order_by("-created_at", "-pk")
    rows = found.values_list("n_predictions", "n_resolved", "pk", "light")[:MOST_LOOKS]
    seen: dict[tuple[int, int], tuple[int, str]] = {}
    for n_predictions, n_resolved, pk, light in rows:
        seen.setdefault((n_predictions, n_resolved), (pk, light))
    looks = list(seen.values())[:RED_LOOKS]
    is_red = len(looks) == RED_LOOKS and all(light == Light.CRITICAL for _, light in looks)
    return list(found.filter(pk__in=[pk for pk, _ in looks])) if is_red else []


def _worst(look: DriftReport) -> str:
    """Name what is red, the worst feature first."""
    red = [row["name"] for row in look.features if row["light"] == Light.CRITICAL][:3]
    parts = {"score": look.score, "calibration": look.calibration, "regime mix": look.regimes,
             "delay of results": look.delay}  # fmt: skip
    red += [name for name, part in parts.items() if part.get("light") == Light.CRITICAL]
    return ", ".join(red) or "red"
