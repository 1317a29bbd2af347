"""Strategies with their deployments and decisions, backtests and studies for staff."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.timesince import timesince

from elson.common.admin import CsvAdmin, NamedBlankFilter, ReadOnlyAdmin, ReadOnlyInline
from elson.common.formatting import duration
from trading.admin.staff_acts import StaffActsMixin
from trading.models import (
    Backtest,
    BacktestResult,
    BacktestShare,
    Decision,
    Deployment,
    DeploymentEvent,
    HoldoutLook,
    ParameterSweep,
    Strategy,
    StrategyVersion,
    Study,
    StudyChunk,
    StudyProposal,
    Trial,
    TrialLedgerEntry,
)


class StrategyVersionInline(ReadOnlyInline):
    """Parameters, version by version."""

    model = StrategyVersion
    fields = ("number", "parameters", "note", "created_at")


@admin.register(Strategy)
class StrategyAdmin(CsvAdmin):
    """Strategies of everybody."""

    list_display = ("name", "key", "user", "is_archived", "created_at")
    list_filter = ("key", "is_archived")
    list_select_related = ("user",)
    search_fields = ("name", "user__email")
    inlines = (StrategyVersionInline,)
    ordering = ("-id",)


@admin.register(StrategyVersion)
class StrategyVersionAdmin(CsvAdmin):
    """Frozen parameters."""

    list_display = ("strategy", "number", "is_draft", "source", "note", "created_at")
    list_filter = ("is_draft", "strategy__key")
    list_select_related = ("strategy",)
    search_fields = ("strategy__name", "strategy__user__email", "note")
    date_hierarchy = "created_at"
    ordering = ("-id",)


class DeploymentEventInline(ReadOnlyInline):
    """What was done to it."""

    model = DeploymentEvent
    fields = ("created_at", "kind", "market_at", "note")


@admin.register(Deployment)
class DeploymentAdmin(StaffActsMixin, CsvAdmin):
    """Strategies at work, what was done to each, and why one is not."""

    inlines = (DeploymentEventInline,)
    list_display = (
        "id", "version", "portfolio", "instrument", "status", "manages", "decided_at", "age",
        "last_bar_at", "error",
    )  # fmt: skip
    list_filter = (
        "status", ("error", admin.EmptyFieldListFilter), "portfolio__kind",
        "version__strategy__key", "timeframe",
    )  # fmt: skip
    date_hierarchy = "created_at"
    csv_defer = ("state", "unbooked_fills")
    list_select_related = ("version__strategy", "portfolio", "instrument")
    search_fields = ("portfolio__user__email", "instrument__symbol", "version__strategy__name")
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Deployment]:
        """Read the time of the newest decision with each row, and not its state."""
        newest = Decision.objects.filter(deployment=OuterRef("pk")).order_by("-market_at")
        rows = super().get_queryset(request).defer(*self.csv_defer)
        return rows.annotate(newest_decision=Subquery(newest.values("created_at")[:1]))

    @admin.display(description="last decision", empty_value="none yet")
    def decided_at(self, deployment: Deployment) -> Any:
        """When it decided last, by our clock."""
        return deployment.newest_decision  # type: ignore[attr-defined]

    @admin.display(description="decision age", empty_value="none yet")
    def age(self, deployment: Deployment) -> str | None:
        """How long ago that is."""
        decided = self.decided_at(deployment)
        return timesince(decided) if decided else None

    @admin.display(description="Manages")
    def manages(self, deployment: Deployment) -> str:
        """Say what it still does."""
        return deployment.manages


@admin.register(Decision)
class DecisionAdmin(CsvAdmin):
    """Every decision with its reason, “no trade” included."""

    list_display = ("market_at", "deployment", "action", "regime", "signal", "price", "reason")
    list_filter = (
        "action", ("regime", NamedBlankFilter), ("blocked_by", NamedBlankFilter),
        "deployment__status", "deployment__portfolio__kind", "deployment__version__strategy__key",
    )  # fmt: skip
    csv_defer = (
        "inputs", "parameters", "sizing", "rules", "source", "what_would_change",
        "deployment__state",
    )  # fmt: skip
    list_select_related = ("deployment__version__strategy", "deployment__instrument")
    search_fields = ("reason", "uuid", "deployment__instrument__symbol")
    date_hierarchy = "market_at"
    ordering = ("-id",)


@admin.register(Backtest)
class BacktestAdmin(StaffActsMixin, CsvAdmin):
    """Backtests of everybody: what waits, runs, failed."""

    list_display = (
        "id", "user", "strategy_key", "instrument", "status", "phase", "progress", "n_attempts",
        "created_at", "took", "words", "error", "reported_at",
    )  # fmt: skip
    list_filter = (
        "status", "phase", "strategy_key", ("error_code", NamedBlankFilter),
        ("reported_at", admin.EmptyFieldListFilter), "created_at",
    )  # fmt: skip
    csv_defer = ("log", "so_far", "parameters", "allocation", "limits", "symbols")
    list_select_related = ("user", "instrument")
    search_fields = ("user__email", "instrument__symbol", "error", "tags__name")
    date_hierarchy = "created_at"
    ordering = ("-id",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the tags among the columns."""
        return [*super().get_fields(request, obj), "words"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Backtest]:
        """Read the tags of a page at once."""
        return super().get_queryset(request).prefetch_related("tags")

    @admin.display(description="took", empty_value="not ended")
    def took(self, backtest: Backtest) -> str | None:
        """How long its worker had it."""
        return spent(backtest.started_at, backtest.finished_at)

    @admin.display(description="Tags")
    def words(self, backtest: Backtest) -> str:
        """List the tags."""
        return ", ".join(tag.name for tag in backtest.tags.all())


@admin.register(BacktestShare)
class BacktestShareAdmin(ReadOnlyAdmin):
    """Which results are open by a link; the link itself is the key and not shown."""

    list_display = ("id", "backtest", "created_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("backtest",)
    search_fields = ("backtest__user__email",)
    raw_id_fields = ("backtest",)
    exclude = ("token",)
    ordering = ("-id",)


@admin.register(BacktestResult)
class BacktestResultAdmin(CsvAdmin):
    """What backtests found; curves and trades are on the product's own page."""

    list_display = ("backtest", "created_at")
    list_filter = ("backtest__strategy_key",)
    list_select_related = ("backtest__instrument",)
    search_fields = ("=backtest__id", "backtest__user__email", "backtest__instrument__symbol")
    date_hierarchy = "created_at"
    exclude = ("curve", "daily", "round_trips", "monthly")
    csv_defer = (
        "metrics", "by_regime", "honesty", "curve", "round_trips", "daily", "monthly", "drawdowns",
        "costs", "per_instrument", "decisions", "manifest", "backtest__log", "backtest__so_far",
    )  # fmt: skip
    ordering = ("-id",)


@admin.register(Study)
class StudyAdmin(StaffActsMixin, CsvAdmin):
    """Searches of everybody: how far they are, and who opened which hold-out."""

    list_display = (
        "id", "user", "strategy_key", "instrument", "method", "status", "n_done", "n_trials",
        "n_failed", "took", "repeats_at", "holdout_opened_at", "error", "created_at",
    )  # fmt: skip
    list_filter = (
        "status", "method", "strategy_key", ("error_code", NamedBlankFilter),
        ("repeats_at", admin.EmptyFieldListFilter),
        ("holdout_opened_at", admin.EmptyFieldListFilter), "created_at",
    )  # fmt: skip
    csv_defer = ("space", "fixed", "judgement", "holdout")
    list_select_related = ("user", "instrument")
    search_fields = ("user__email", "instrument__symbol", "error")
    date_hierarchy = "created_at"
    ordering = ("-id",)

    @admin.display(description="took", empty_value="not ended")
    def took(self, study: Study) -> str | None:
        """How long it was worked on."""
        return spent(study.started_at, study.finished_at)


@admin.register(StudyChunk)
class StudyChunkAdmin(ReadOnlyAdmin):
    """Trials that are not finished: held by a worker, or free."""

    list_display = ("study", "first", "n_trials", "lease_key", "lease_expires_at")
    list_select_related = ("study",)
    search_fields = ("=study__id",)
    ordering = ("-id",)


@admin.register(Trial)
class TrialAdmin(CsvAdmin):
    """Finished trials, failed and unranked ones included."""

    list_display = (
        "study", "number", "status", "objective", "in_sample_sharpe", "out_of_sample_sharpe",
        "n_trades", "refusal", "error",
    )  # fmt: skip
    csv_defer = ("parameters", "folds", "blocks", "study__judgement", "study__holdout")
    list_filter = ("status", "study__strategy_key", ("refusal", NamedBlankFilter))
    list_select_related = ("study",)
    search_fields = ("=study__id", "study__user__email", "error")
    ordering = ("-id",)


@admin.register(StudyProposal)
class StudyProposalAdmin(CsvAdmin):
    """What repeated searches offered, and what was decided."""

    list_display = ("study", "strategy", "champion", "status", "decided_at", "created_at")
    list_filter = ("status",)
    list_select_related = ("study", "strategy", "champion__strategy")
    search_fields = ("strategy__name",)
    ordering = ("-id",)


@admin.register(TrialLedgerEntry)
class TrialLedgerEntryAdmin(CsvAdmin):
    """Everything ever tried; nobody can change it here or anywhere."""

    list_display = ("source_key", "user", "strategy_key", "instrument", "bar_sharpe", "created_at")
    list_filter = ("strategy_key",)
    list_select_related = ("user", "instrument")
    search_fields = ("source_key", "user__email", "instrument__symbol")
    date_hierarchy = "created_at"
    ordering = ("-id",)


@admin.register(HoldoutLook)
class HoldoutLookAdmin(CsvAdmin):
    """Who looked at which held-out bars, with which idea; nobody can change it."""

    list_display = (
        "source_key", "trial", "user", "strategy_key", "instrument", "timeframe", "first_at",
        "last_at", "created_at",
    )  # fmt: skip
    list_filter = ("strategy_key", "timeframe")
    list_select_related = ("user", "instrument")
    search_fields = ("source_key", "user__email", "instrument__symbol")
    date_hierarchy = "created_at"
    ordering = ("-id",)


@admin.register(ParameterSweep)
class ParameterSweepAdmin(CsvAdmin):
    """Sweeps: how many combinations, and what the best of them showed."""

    list_display = (
        "id", "user", "strategy_key", "instrument", "timeframe", "n_combinations", "n_skipped",
        "sharpe_mean", "sharpe_spread", "created_at",
    )  # fmt: skip
    list_filter = ("strategy_key", "timeframe", "ranked_by")
    list_select_related = ("user", "instrument")
    search_fields = ("user__email", "instrument__symbol")
    date_hierarchy = "created_at"
    ordering = ("-id",)


def spent(started_at: dt.datetime | None, finished_at: dt.datetime | None) -> str | None:
    """Write how long something took; None while it has not ended."""
    if started_at is None or finished_at is None:
        return None
    return duration((finished_at - started_at).total_seconds())
