"""Model performance for staff: versions by regime, predictions, drift, verifications."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from elson.common import formatting
from elson.common.admin import CsvAdmin, NamedBlankFilter, ReadOnlyAdmin, ReadOnlyInline
from trading.admin.model_moves import VersionMovesMixin
from trading.admin.performance import PerformanceMixin
from trading.admin.staff_acts import SeenFilter, StaffActsMixin, seen_acts
from trading.admin.training_doors import TrainingDoorsMixin
from trading.models import (
    DriftReport,
    ModelApproval,
    ModelArtifact,
    ModelPerformance,
    ModelTraining,
    ModelTransition,
    ModelVersion,
    Prediction,
)
from trading.selectors.goal_rows import goal_rows
from trading.selectors.model_versions import regime_rows


class TransitionInline(ReadOnlyInline):
    """Who changed its state, and why."""

    model = ModelTransition
    fields = ("created_at", "from_state", "to_state", "actor", "approver", "reason")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelTransition]:
        """Read the people with the rows, newest first."""
        rows = super().get_queryset(request).select_related("actor", "approver")
        return rows.order_by("-created_at")


@admin.register(ModelVersion)
class ModelVersionAdmin(PerformanceMixin, VersionMovesMixin, CsvAdmin):
    """Model performance: each version, its own test and what it was worth live, by regime."""

    list_display = (
        "version_name", "state", "kind", "n_tested", "win_rate", "base_rate", "brier_skill", "ece",
        "drift", "created_at",
    )  # fmt: skip
    list_filter = ("state", "strategy_key", "kind")
    search_fields = ("=number", "strategy_key", "content_hash", "note")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-id")
    inlines = (TransitionInline,)
    exclude = ("metrics", "reference", "gates")
    change_list_template = "admin/model_version_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        """Read the newest drift light with each version."""
        newest = DriftReport.objects.filter(version=OuterRef("pk")).order_by("-created_at")
        rows = super().get_queryset(request).defer("reference")
        return rows.annotate(drift_light=Subquery(newest.values("light")[:1]))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the matrices first, then every column."""
        return ["by_regime", *super().get_fields(request, obj)]

    @admin.display(description="version")
    def version_name(self, version: ModelVersion) -> str:
        """Strategy and number."""
        return str(version)

    @admin.display(description="win rate, n")
    def win_rate(self, version: ModelVersion) -> str:
        """Write the tested win rate with its interval and count."""
        figures = _tested(version)
        return formatting.win_rate(figures.get("n_wins"), figures.get("n_taken"))

    @admin.display(description="base rate")
    def base_rate(self, version: ModelVersion) -> str:
        """Win rate of every candidate."""
        return formatting.percent(_tested(version).get("base_rate"), 0)

    @admin.display(description="Brier skill")
    def brier_skill(self, version: ModelVersion) -> str:
        """Skill of its own test."""
        return formatting.ratio(_tested(version).get("brier_skill"), 3)

    @admin.display(description="ECE")
    def ece(self, version: ModelVersion) -> str:
        """Calibration error of its own test."""
        return formatting.ratio(_tested(version).get("ece"), 3)

    @admin.display(description="drift", empty_value="not looked")
    def drift(self, version: ModelVersion) -> str | None:
        """Newest light."""
        return getattr(version, "drift_light", None)

    @admin.display(description="by regime")
    def by_regime(self, version: ModelVersion) -> SafeString:
        """Draw the matrix of the model page, live beside its own test."""
        return render_to_string("admin/_model_matrix.html", {"rows": regime_rows(version)})


@admin.register(ModelPerformance)
class ModelPerformanceAdmin(StaffActsMixin, CsvAdmin):
    """Stored verifications; written by verify_win_rates, never changed."""

    list_display = (
        "strategy_key", "protocol", "is_met", "n_missed", "win_rate", "n_round_trips",
        "n_instruments", "data", "acknowledged_at", "created_at",
    )  # fmt: skip
    list_filter = ("is_met", SeenFilter, "strategy_key", "protocol")
    search_fields = ("strategy_key", "data_hash", "code_version")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-id")
    exclude = ("report", "goals")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the tables first, then every column."""
        return ["by_regime", *super().get_fields(request, obj)]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelPerformance]:
        """Read with each row when somebody acknowledged it."""
        return acknowledged(super().get_queryset(request))

    @admin.display(description="acknowledged", empty_value="no")
    def acknowledged_at(self, row: ModelPerformance) -> Any:
        """Newest look of the staff."""
        return row.seen_at  # type: ignore[attr-defined]

    @admin.display(description="goals missed")
    def n_missed(self, row: ModelPerformance) -> int:
        """Musts of the protocol that were missed."""
        return len(row.missed)

    @admin.display(description="win rate, n, null")
    def win_rate(self, row: ModelPerformance) -> str:
        """Write the win rate with its interval, count and null."""
        whole = row.report.get("all") or {}
        if whole.get("win_rate") is None:
            return formatting.MISSING
        low, high = (formatting.percent(bound, 1) for bound in whole.get("ci") or (None, None))
        null = formatting.percent(whole.get("null_win_rate"), 1)
        rate = formatting.percent(whole["win_rate"], 1)
        return f"{rate} ({low} to {high}), n={whole.get('n')}, null {null}"

    @admin.display(description="data")
    def data(self, row: ModelPerformance) -> str:
        """Begin of the hash of what it was measured on."""
        return row.data_hash[:12]

    @admin.display(description="by regime")
    def by_regime(self, row: ModelPerformance) -> SafeString:
        """Draw the table of the command and its goals."""
        context = {"row": row, "goals": goal_rows(row.goals)}
        return render_to_string("admin/_verification.html", context)


@admin.register(DriftReport)
class DriftReportAdmin(StaffActsMixin, CsvAdmin):
    """Looks at drift, worst light first in the filter."""

    list_display = (
        "version", "light", "window_days", "n_predictions", "n_resolved", "acknowledged_at",
        "created_at",
    )  # fmt: skip
    list_filter = ("light", SeenFilter, "window_days", "version__state", "version__strategy_key")
    list_select_related = ("version",)
    search_fields = ("=version__number", "version__strategy_key")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[DriftReport]:
        """Read with each row when somebody acknowledged it."""
        return acknowledged(super().get_queryset(request))

    @admin.display(description="acknowledged", empty_value="no")
    def acknowledged_at(self, row: DriftReport) -> Any:
        """Newest look of the staff."""
        return row.seen_at  # type: ignore[attr-defined]


@admin.register(Prediction)
class PredictionAdmin(CsvAdmin):
    """What models said of candidates, and what came of it."""

    list_display = (
        "version", "instrument", "market_at", "regime", "probability", "threshold", "is_shadow",
        "resolved_at", "net_return", "is_win",
    )  # fmt: skip
    list_filter = (
        ("regime", NamedBlankFilter), "is_shadow", "is_win",
        ("resolved_at", admin.EmptyFieldListFilter), "version__strategy_key",
    )  # fmt: skip
    list_select_related = ("version", "instrument")
    search_fields = ("instrument__symbol",)
    date_hierarchy = "market_at"
    ordering = ("-market_at", "-id")


@admin.register(ModelTraining)
class ModelTrainingAdmin(TrainingDoorsMixin, CsvAdmin):
    """Trainings: how far they are and why one failed."""

    list_display = (
        "id", "strategy_key", "kind", "trigger", "note", "status", "phase", "progress",
        "n_attempts", "requested_by", "created_at",
    )  # fmt: skip
    list_filter = ("status", "trigger", "kind", "strategy_key", ("error_code", NamedBlankFilter))
    list_select_related = ("requested_by",)
    search_fields = ("error", "note")
    date_hierarchy = "created_at"
    ordering = ("-id",)


@admin.register(ModelArtifact)
class ModelArtifactAdmin(ReadOnlyAdmin):
    """Yearly models of a training, without their arrays."""

    list_display = ("training", "valid_from", "n_train", "content_hash", "created_at")
    list_select_related = ("training",)
    search_fields = ("=training__id", "content_hash")
    exclude = ("artifact",)
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelArtifact]:
        """Leave the arrays in the database."""
        return super().get_queryset(request).defer("artifact")


@admin.register(ModelTransition)
class ModelTransitionAdmin(CsvAdmin):
    """Every change of a version's state; nobody can edit one."""

    list_display = (
        "version",
        "from_state",
        "to_state",
        "actor",
        "approver",
        "reason",
        "created_at",
    )
    list_filter = ("to_state", "version__strategy_key")
    list_select_related = ("version", "actor", "approver")
    search_fields = ("=version__number", "actor__email", "reason")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-id")


@admin.register(ModelApproval)
class ModelApprovalAdmin(CsvAdmin):
    """Who wished to see a version active."""

    list_display = ("version", "user", "reason", "created_at")
    list_filter = ("version__strategy_key",)
    list_select_related = ("version", "user")
    search_fields = ("user__email", "reason")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-id")


def acknowledged(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Read with each row when staff acknowledged it last."""
    seen = seen_acts(str(rows.model._meta.model_name))
    return rows.annotate(seen_at=Subquery(seen.values("created_at")[:1]))


def _tested(version: ModelVersion) -> dict[str, Any]:
    return version.metrics.get("all") or {}
