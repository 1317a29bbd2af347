"""Stored verifications of strategies."""

from __future__ import annotations

from django.db.models import QuerySet

from trading.models import ModelPerformance


def performance_list(strategy_key: str = "") -> QuerySet[ModelPerformance]:
    """Return verifications, newest first; of one strategy if its key is given."""
    rows = ModelPerformance.objects.order_by("-created_at", "-pk")
    return rows.filter(strategy_key=strategy_key) if strategy_key else rows


def performance_latest(strategy_key: str) -> ModelPerformance | None:
    """Return the newest verification of a strategy, or None."""
    return performance_list(strategy_key).first()
