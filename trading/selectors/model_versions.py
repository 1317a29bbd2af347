"""Trained models and what became of their predictions; reading only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from django.db.models import QuerySet

from elson.common.errors import NotFound
from trading.engine.learning.calibration import calibration_bins
from trading.engine.learning.measurement import GateFigures, gate_figures
from trading.engine.strategies.hybrid import SPEC as HYBRID
from trading.engine.types import Regime
from trading.models import (
    DriftReport,
    ModelArtifact,
    ModelTransition,
    ModelVersion,
    Prediction,
)

State = ModelVersion.State
# Fewer resolved predictions than this say nothing about a regime.
FEWEST_RESOLVED = 20
WINDOW_DAYS = (7, 30, 90)
COLUMNS = ("regime", "probability", "threshold", "net_return")
Columns = dict[str, "np.ndarray[Any, Any]"]


@dataclass(frozen=True, slots=True)
class RegimeRow:
    """One line of the matrix by regime: live figures, and those of the walk-forward beside them.

    `figures` is None with fewer than 20 resolved predictions; `tested` holds the same keys as
    `GateFigures` from the version's own test, or None where it had none.
    """

    regime: str
    n_predictions: int
    n_resolved: int
    figures: GateFigures | None
    tested: dict[str, Any] | None

    @property
    def is_too_few(self) -> bool:
        """Tell whether the live sample is too small to be shown."""
        return self.figures is None


@dataclass(frozen=True, slots=True)
class FallbackState:
    """Whether a model decides at all: since when the rules decide alone, and why."""

    is_fallback: bool
    since: dt.datetime | None
    text: str


def version_by_hash(content_hash: str) -> ModelVersion:
    """Return the newest version whose models have this hash. Raises NotFound."""
    found = ModelVersion.objects.filter(content_hash=content_hash).order_by("-pk").first()
    if found is None:
        raise NotFound("model", content_hash[:12])
    return found


def version_list(strategy_key: str = "") -> QuerySet[ModelVersion]:
    """Return versions, newest first; of one strategy if its key is given."""
    rows = ModelVersion.objects.select_related("training").order_by("-created_at", "-pk")
    return rows.filter(strategy_key=strategy_key) if strategy_key else rows


def strategies_with_models() -> list[str]:
    """Return the keys of the strategies a model was ever trained for."""
    keys = ModelVersion.objects.order_by("strategy_key").values_list("strategy_key", flat=True)
    return list(keys.distinct())


def version_get(version_id: int) -> ModelVersion:
    """Return one version; NotFound if there is none."""
    found = ModelVersion.objects.select_related("training").filter(pk=version_id).first()
    if found is None:
        raise NotFound("model version", version_id)
    return found


def version_active(strategy_key: str) -> ModelVersion | None:
    """Return the version that decides, or None."""
    return version_list(strategy_key).filter(state=State.ACTIVE).first()


def version_before(version: ModelVersion) -> ModelVersion | None:
    """Return the version trained before this one, for comparison."""
    return version_list(version.strategy_key).filter(number__lt=version.number).first()


def versions_recorded(strategy_key: str) -> list[ModelVersion]:
    """Return the active version and the shadows: those whose predictions are recorded."""
    return list(version_list(strategy_key).filter(state__in=[State.ACTIVE, State.SHADOW]))


def transition_list(version: ModelVersion | None = None) -> QuerySet[ModelTransition]:
    """Return changes of state, newest first; of one version if given."""
    rows = ModelTransition.objects.select_related("version", "actor", "approver")
    rows = rows.order_by("-created_at", "-pk")
    return rows.filter(version=version) if version else rows


def artifact_list(version: ModelVersion) -> QuerySet[ModelArtifact]:
    """Return the yearly models of a version without their arrays, newest first."""
    rows = ModelArtifact.objects.filter(training_id=version.training_id)
    return rows.defer("artifact").order_by("-valid_from")


def drift_list(version: ModelVersion | None = None) -> QuerySet[DriftReport]:
    """Return looks at drift, newest first; of one version if given."""
    rows = DriftReport.objects.order_by("-created_at", "-pk")
    return rows.filter(version=version) if version else rows


def drift_latest(version: ModelVersion) -> DriftReport | None:
    """Return the newest look, or None."""
    return drift_list(version).first()


def prediction_list(
    version: ModelVersion | None,
    *,
    regime: str = "",
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
) -> QuerySet[Prediction]:
    """Return what a version said, newest first, with the instruments.

    With `until` only of bars up to that market time; what came of them may lie after it.
    """
    rows = Prediction.objects.filter(version=version).select_related("instrument")
    if regime:
        rows = rows.filter(regime=regime)
    if since is not None:
        rows = rows.filter(created_at__gte=since)
    if until is not None:
        rows = rows.filter(market_at__lte=until)
    return rows.order_by("-market_at", "-pk")


def regime_rows(version: ModelVersion, *, since: dt.datetime | None = None) -> list[RegimeRow]:
    """Return the matrix by regime, LOW first, from predictions recorded since a time."""
    return _by_regime(version, _columns(prediction_list(version, since=since)))


def regime_rows_map(
    versions: Collection[ModelVersion], *, since: dt.datetime | None = None
) -> dict[int, list[RegimeRow]]:
    """Return the matrices of many versions by their ids, from one query."""
    said = Prediction.objects.filter(version__in=versions)
    if since is not None:
        said = said.filter(created_at__gte=since)
    grouped: dict[int, list[Any]] = {}
    for version_id, *values in said.values_list("version_id", *COLUMNS):
        grouped.setdefault(version_id, []).append(values)
    return {
        version.pk: _by_regime(version, _arrays(grouped.get(version.pk, [])))
        for version in versions
    }


def _by_regime(version: ModelVersion, found: Columns) -> list[RegimeRow]:
    tested = version.metrics.get("regimes", {})
    rows = []
    for regime in Regime:
        mine = found["regime"] == str(regime)
        resolved = mine & ~np.isnan(found["net_return"])
        rows.append(
            RegimeRow(
                regime=str(regime),
                n_predictions=int(mine.sum()),
                n_resolved=int(resolved.sum()),
                figures=_figures(found, resolved),
                tested=tested.get(str(regime)),
            )
        )
    return rows


def live_figures(version: ModelVersion, *, since: dt.datetime | None = None) -> GateFigures | None:
    """Return the figures over all regimes; None with fewer than 20 resolved predictions."""
    found = _columns(prediction_list(version, since=since))
    return _figures(found, ~np.isnan(found["net_return"]))


def calibration_rows(
    version: ModelVersion, *, regime: str = "", since: dt.datetime | None = None
) -> list[dict[str, Any]]:
    """Return the reliability bins of resolved predictions as plain values; [] for too few."""
    found = _columns(prediction_list(version, regime=regime, since=since))
    resolved = ~np.isnan(found["net_return"])
    if int(resolved.sum()) < FEWEST_RESOLVED:
        return []
    bins = calibration_bins(found["probability"][resolved], found["net_return"][resolved] > 0.0)
    return [asdict(found_bin) for found_bin in bins]


def fallback_state(strategy_key: str) -> FallbackState:
    """Say whether the rules of a strategy decide alone."""
    active = version_active(strategy_key)
    if active is not None:
        return FallbackState(False, None, f"Model {active.number} decides with the rules.")
    last = (
        ModelTransition.objects.filter(version__strategy_key=strategy_key, from_state=State.ACTIVE)
        .order_by("-created_at")
        .first()
    )
    if last is None:
        return FallbackState(True, None, f"Rules decide alone: {_why_none_decides(strategy_key)}.")
    text = f"Fallback rules in use since {last.created_at:%Y-%m-%d %H:%M} UTC: {last.reason}"
    return FallbackState(True, last.created_at, text)


def _why_none_decides(strategy_key: str) -> str:
    """Say of a strategy whose model never decided how far its newest version has come."""
    newest = version_list(strategy_key).exclude(state=State.RETIRED).first()
    if newest is None:
        return "no model has been trained yet"
    missed = [str(gate["text"]) for gate in newest.gates if not gate["is_passed"]]
    if missed:
        count = f"{len(missed)} of {len(newest.gates)} gates"
        told = f"model {newest.number} is trained but missed {count} ({'; '.join(missed)})"
        return f"{told}, so it has no say"
    return f"model {newest.number} passed its gates and waits for somebody to promote it"


def bound_text(strategy_key: str) -> str:
    """Say which model a strategy is bound to now, or why to none; empty where it takes none."""
    return fallback_state(strategy_key).text if strategy_key == HYBRID.key else ""


def _columns(rows: QuerySet[Prediction]) -> Columns:
    return _arrays(list(rows.values_list(*COLUMNS)))


def _arrays(values: Sequence[Any]) -> Columns:
    regime, probability, threshold, net = zip(*values, strict=True) if values else ([],) * 4
    return {
        "regime": np.array(regime, dtype=object),
        "probability": np.array(probability, dtype=np.float64),
        "threshold": np.array(threshold, dtype=np.float64),
        "net_return": np.array([np.nan if v is None else v for v in net], dtype=np.float64),
    }


def _figures(found: Columns, mask: Any) -> GateFigures | None:
    if int(mask.sum()) < FEWEST_RESOLVED:
        return None
    return gate_figures(
        found["probability"][mask], found["net_return"][mask], found["threshold"][mask]
    )
