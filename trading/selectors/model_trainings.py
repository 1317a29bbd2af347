"""Trainings of models as pages and the API read them; they belong to the site, not to a person."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.db.models import QuerySet

from accounts.staff import staff_may
from elson.common.errors import NotFound
from trading.models import ModelTraining

if TYPE_CHECKING:
    from accounts.models import User

MAY_CANCEL = "trading.change_modeltraining"
UNFINISHED = (ModelTraining.Status.QUEUED, ModelTraining.Status.RUNNING)


def training_list() -> QuerySet[ModelTraining]:
    """Return every training, newest first."""
    return ModelTraining.objects.order_by("-pk")


def trainings_unfinished(strategy_key: str) -> list[ModelTraining]:
    """Return the trainings of a strategy that wait or run, oldest first."""
    rows = ModelTraining.objects.filter(strategy_key=strategy_key, status__in=UNFINISHED)
    return list(rows.order_by("pk"))


def training_ended(strategy_key: str, *, since: dt.datetime) -> ModelTraining | None:
    """Return the last training that ended without a version, if that was after a moment."""
    ended = ModelTraining.objects.filter(
        strategy_key=strategy_key,
        status__in=[ModelTraining.Status.FAILED, ModelTraining.Status.CANCELED],
        finished_at__gte=since,
    )
    last = ended.order_by("-finished_at", "-pk").first()
    later = ModelTraining.objects.filter(
        strategy_key=strategy_key, status=ModelTraining.Status.SUCCEEDED
    )
    if last is None or later.filter(finished_at__gt=last.finished_at).exists():
        return None
    return last


def training_get(training_id: int) -> ModelTraining:
    """Return one training; NotFound if there is none."""
    found = ModelTraining.objects.filter(pk=training_id).first()
    if found is None:
        raise NotFound("training", f"#{training_id}")
    return found


def training_is_cancelable(training: ModelTraining, user: User) -> bool:
    """Tell whether this person may call it off: staff who may, or who asked, before its end."""
    is_open = training.status in UNFINISHED and not training.is_cancel_requested
    return is_open and (training.requested_by_id == user.pk or staff_may(user, MAY_CANCEL))
