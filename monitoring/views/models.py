"""Whether trained models are still good, by regime; and the card of each version."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, cast

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.selectors import entitlement_value
from accounts.staff import staff_may
from elson.common.listing import csv_response, page_of
from monitoring.views.model_context import (
    DEFAULT_WINDOW,
    REGIMES,
    SOURCES,
    WINDOWS,
    curves,
    detector_context,
    drift_context,
    history,
    light,
    matrix,
    report_context,
    window_start,
)
from monitoring.views.model_record import (
    PROBLEM_WORDS,
    QUARTERS,
    SPANS,
    members,
    problem_counts,
    problem_row,
    reliability,
)
from trading.engine.learning.features import MEANINGS
from trading.engine.strategies import STRATEGIES
from trading.selectors.model_inputs import data_problems, series_watched
from trading.selectors.model_performance import performance_latest
from trading.selectors.model_trainings import (
    training_ended,
    training_is_cancelable,
    trainings_unfinished,
)
from trading.selectors.model_versions import (
    FEWEST_RESOLVED,
    artifact_list,
    drift_latest,
    fallback_state,
    strategies_with_models,
    transition_list,
    version_active,
    version_before,
    version_get,
    version_list,
)
from trading.selectors.portfolios import portfolio_get
from trading.selectors.regime_quality import detector_quality_get
from trading.selectors.regimes import visible_of, watched_list
from trading.selectors.strategies import rule_name

if TYPE_CHECKING:
    from accounts.models import User

DEFAULT_STRATEGY = "hybrid"
DETAIL = "models.detail"
# As many as stand on the page of models; the list of its own has them all.
FIRST_PROBLEMS = 8
FIGURES = (
    "n", "n_taken", "coverage", "n_wins", "win_rate", "base_rate", "brier", "brier_skill",
    "log_loss", "ece", "slope", "mean_net_return",
)  # fmt: skip
# A training that ended without a model is told for a day.
SHOWN_FOR = dt.timedelta(days=1)
CSV_COLUMNS: tuple[tuple[str, Any], ...] = (
    ("regime", lambda row: row["regime"]),
    ("n_predictions", lambda row: row["n_predictions"]),
    ("n_resolved", lambda row: row["n_resolved"]),
    *((name, lambda row, name=name: (row["figures"] or {}).get(name)) for name in FIGURES),
    ("against_its_test", lambda row: row["against"]),
)
RELIABILITY_COLUMNS: tuple[tuple[str, Any], ...] = (
    ("quarter", lambda row: row["label"]),
    ("n", lambda row: row["n"]),
    ("n_wins", lambda row: row["n_wins"]),
    ("mean_probability", lambda row: row["said"]),
    ("win_rate", lambda row: row["won"]),
    ("interval_low", lambda row: row["interval"][0]),
    ("interval_high", lambda row: row["interval"][1]),
    ("brier_skill", lambda row: row["brier_skill"]),
)
PROBLEM_COLUMNS: tuple[tuple[str, Any], ...] = (
    *(
        (name, lambda row, name=name: getattr(row, name))
        for name in ("symbol", "timeframe", "kind", "text")
    ),
    ("at", lambda row: row.at and row.at.isoformat()),
)
SUMMARY_COLUMNS = (
    *CSV_COLUMNS[:3],
    *(column for column in CSV_COLUMNS if column[0] in {"n_taken", "win_rate", "base_rate"}),
    CSV_COLUMNS[-1],
)


@login_required
@require_GET
def models(request: HttpRequest) -> HttpResponse:
    """Show the model of one strategy by regime; `?format=csv` for the matrix."""
    user = cast("User", request.user)
    if request.GET.get("part") == "detector":
        return _detector(request, user)
    now = timezone.now()
    keys = strategies_with_models() or [DEFAULT_STRATEGY]
    key = request.GET.get("strategy", "")
    key = key if key in keys else keys[0]
    version = version_active(key) or version_list(key).first()
    if request.GET.get("part") == "data":
        return _data_problems(request, user, version, key)
    context = _choices(request, keys, key) | {
        "version": version,
        "fallback": fallback_state(key),
        "report": report_context(performance_latest(key)),
        "has_detail": entitlement_value(user, DETAIL, now=now) > 0,
        "fewest": FEWEST_RESOLVED,
        "as_of": now,
        "detector_href": f"{reverse('models')}?part=detector",
        "data_href": f"{reverse('models')}?part=data&strategy={key}",
        "history": history(version_list(key), key),
        "trainings": trainings_context(key, user),
        "training_ended": training_ended(key, since=now - SHOWN_FOR),
        **_train_door(user),
    }
    if version is not None:
        context |= _of_version(version, now, context)
        if not context["has_detail"]:
            context["sample"] = _sample(version)
        if request.GET.get("format") == "csv":
            return _csv(request, version, context)
    is_part = getattr(request, "htmx", False)
    return render(request, f"monitoring/{'_models' if is_part else 'models'}.html", context)


def _sample(version: Any) -> dict[str, Any] | None:
    """Return one of the curves that a larger plan shows; None where none is drawn."""
    found = curves(version, source="tested", since=None)
    curve = next((item for item in found if item["bins"]), None)
    return curve and {
        "bins": curve["bins"],
        "label": f"Win rate over predicted probability, {curve['name'].lower()}",
        "source": f"Model {version.number} of this installation, in its own walk-forward test.",
    }


# What set a training off, as its card says it.
WHY = {"DRIFT": "because of drift", "AGE": "because of newer prices"}


def trainings_context(key: str, user: User) -> list[dict[str, Any]]:
    """Return the trainings that wait or run, each with whether this person may call it off."""
    return [
        {
            "row": row,
            "percent": None if row.status == "QUEUED" else 100.0 * row.progress,
            "phase": row.detail or row.get_phase_display(),
            "why": WHY.get(row.trigger, row.get_trigger_display()),
            "is_cancelable": training_is_cancelable(row, user),
        }
        for row in trainings_unfinished(key)
    ]


def _csv(request: HttpRequest, version: Any, context: dict[str, Any]) -> HttpResponse:
    """Answer the matrix, or what was said and happened over time where the plan includes it."""
    if request.GET.get("part") == "reliability" and context["has_detail"]:
        rows = context["reliability"]["rows"]
        return csv_response(f"model-{version.pk}-reliability.csv", RELIABILITY_COLUMNS, rows)
    columns = CSV_COLUMNS if context["has_detail"] else SUMMARY_COLUMNS
    return csv_response(f"model-{version.pk}.csv", columns, context["matrix"]["rows"])


def _choices(request: HttpRequest, keys: list[str], key: str) -> dict[str, Any]:
    window, source = request.GET.get("window", ""), request.GET.get("source", "")
    over = request.GET.get("over", "")
    return {
        "strategy_key": key,
        "strategy": rule_name(key),
        "strategies": [(item, rule_name(item)) for item in keys],
        "windows": WINDOWS,
        "window": window if window in dict(WINDOWS) else DEFAULT_WINDOW,
        "sources": SOURCES,
        "spans": SPANS,
        "over": over if over in QUARTERS else "year",
        "source": source if source in dict(SOURCES) else "",
    }


def _of_version(version: Any, now: Any, context: dict[str, Any]) -> dict[str, Any]:
    """Everything measured on one version; live figures where there are any, else its test's."""
    since = window_start(context["window"], now)
    asked = context["source"]
    found = matrix(version, source=asked or "live", since=since)
    if not asked and not found["has_live"]:
        asked = "tested"
        found = matrix(version, source=asked, since=since)
    source = asked or "live"
    report = drift_latest(version)
    shown, worst = curves(version, source=source, since=since), found["worst"].lower()
    return {
        "version_href": reverse("model_version", args=[version.pk]),
        "source": source,
        "matrix": found,
        "curves": shown,
        "worst_curve": next((c["slug"] for c in shown if c["slug"] == worst and c["bins"]), "all"),
        "reliability": reliability(version, source=source, over=context["over"], since=since),
        "members": members(version),
        "regime_names": REGIMES,
        "drift": drift_context(version, now=now),
        "drift_light": light(report.light if report else "UNKNOWN"),
        "artifacts": artifact_list(version),
    }


def _detector(request: HttpRequest, user: User) -> HttpResponse:
    """Judge the detector on the markets the person watches; a part of its own, for it computes."""
    portfolio = portfolio_get(user)
    found = detector_quality_get(watched_list(user), visible_of(portfolio))
    context = {
        "detector": detector_context(found),
        "crumbs": [{"label": "Models", "href": reverse("models")}],
    }
    is_part = getattr(request, "htmx", False)
    return render(request, f"monitoring/{'_detector' if is_part else 'detector'}.html", context)


def _data_problems(
    request: HttpRequest, user: User, version: Any, strategy_key: str
) -> HttpResponse:
    """List what is wrong with the prices of a model; a part of its own page too."""
    portfolio = portfolio_get(user)
    found = data_problems(version, portfolio) if version else []
    kind = request.GET.get("kind", "")
    kind = kind if kind in PROBLEM_WORDS else ""
    chosen = [problem for problem in found if not kind or problem.kind == kind]
    if request.GET.get("format") == "csv":
        return csv_response("data-problems.csv", PROBLEM_COLUMNS, chosen)
    href = f"{reverse('models')}?part=data&strategy={strategy_key}"
    rows = [problem_row(problem, is_staff=user.is_staff) for problem in chosen]
    is_part = getattr(request, "htmx", False)
    context = {
        "page": Paginator(rows, FIRST_PROBLEMS).page(1) if is_part else page_of(request, rows),
        "n_series": series_watched(version, portfolio) if version else 0,
        "counts": problem_counts(chosen),
        "strategy_key": strategy_key,
        "kind": kind,
        "kinds": [(key, word) for key, (_, word) in PROBLEM_WORDS.items()],
        "all_href": href,
        "part_href": f"{href}&kind={kind}" if kind else href,
        "crumbs": [{"label": "Models", "href": reverse("models")}],
    }
    name = "_data_problems" if is_part else "data_problems"
    return render(request, f"monitoring/{name}.html", context)


@login_required
@require_GET
def model_version(request: HttpRequest, version_id: int) -> HttpResponse:
    """Show the card of one version: what it is, what it was tested on, who let it decide."""
    version = version_get(version_id)
    before = version_before(version)
    spec = STRATEGIES.get(version.strategy_key)
    context = {
        "version": version,
        "before": before,
        "strategy": rule_name(version.strategy_key),
        "spec": spec,
        "features": [(name, MEANINGS.get(name, name)) for name in version.features],
        "matrix": matrix(version, source="tested", since=None),
        "members": members(version),
        "regime_names": REGIMES,
        "years": sorted((version.metrics.get("by_year") or {}).items()),
        "transitions": transition_list(version),
        "crumbs": [{"label": "Models", "href": reverse("models")}],
        "figures": version.metrics.get("all") or {},
        "figures_before": (before.metrics.get("all") or {}) if before else {},
        "artifacts": artifact_list(version),
        **_train_door(cast("User", request.user)),
    }
    return render(request, "monitoring/model_version.html", context)


def _train_door(user: User) -> dict[str, str]:
    """Return the button that trains a version; without an address for people who may not."""
    may = staff_may(user, "trading.add_modeltraining")
    href = reverse("admin:trading_modeltraining_new") if may else ""
    return {"train_label": "Train a new version", "train_href": href}
