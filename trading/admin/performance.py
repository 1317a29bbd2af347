"""Performance by regime for staff: every version's figures as rows one can filter and save."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from elson.common import formatting
from elson.common.listing import csv_response, sorted_rows
from trading.models import ModelVersion
from trading.selectors.model_versions import regime_rows_map
from trading.selectors.regimes import REGIMES
from trading.services.models.drift import ECE_CUTS, WINDOW_DAYS, ece_by_chance

METRICS = {
    "win_rate": "Win rate",
    "brier_skill": "Brier skill",
    "ece": "Calibration error",
    "mean_net_return": "Net return a signal",
}
HEADS = {
    "version": "Version",
    "state": "State",
    "regime": "Regime",
    "source": "From",
    "metric": "Figure",
    "n": "n",
    "value": "Value (95 % interval)",
    "limit": "Limit",
    "breach": "Breach",
}
SOURCES = {"live": f"live, {WINDOW_DAYS} days", "tested": "walk-forward test"}
USED = (ModelVersion.State.ACTIVE, ModelVersion.State.SHADOW)


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure of one version in one regime, beside the limit it should keep to.

    `value` is None with fewer than 20 results; `low` and `high` are the 95 % interval where the
    figure has one.
    """

    version: ModelVersion
    regime: str
    source: str
    metric: str
    n: int
    value: float | None
    low: float | None
    high: float | None
    limit: float | None

    @property
    def is_breach(self) -> bool:
        """Tell whether it is on the wrong side: a win rate only with its whole interval."""
        if self.value is None or self.limit is None:
            return False
        if self.metric == "ece":
            return self.value > self.limit
        return (self.value if self.high is None else self.high) < self.limit

    @property
    def label(self) -> str:
        """The metric in words."""
        return METRICS[self.metric]

    @property
    def source_label(self) -> str:
        """Where the figure comes from, in words."""
        return SOURCES[self.source]

    @property
    def text(self) -> str:
        """The value with its interval, as pages write it."""
        if self.value is None:
            return formatting.too_few(self.n)
        if self.low is None:
            return self._one(self.value)
        return f"{self._one(self.value)} ({self._one(self.low)} to {self._one(self.high)})"

    @property
    def limit_text(self) -> str:
        """What it should keep to; a dash where too little is known to say."""
        if self.limit is None:
            return formatting.MISSING
        word = "at most" if self.metric == "ece" else "not below"
        return f"{word} {self._one(self.limit)}"

    def _one(self, value: float | None) -> str:
        if self.metric == "win_rate":
            return formatting.percent(value, 0)
        if self.metric == "mean_net_return":
            return formatting.percent(value, 2)
        return formatting.ratio(value, 3)


def figure_rows(versions: list[ModelVersion], *, since: dt.datetime) -> Iterator[FigureRow]:
    """Yield every figure of these versions, regime by regime: live ones, then their own test's."""
    matrices = regime_rows_map(versions, since=since)
    for version in versions:
        for row in matrices[version.pk]:
            live = row.figures.to_dict() if row.figures else None
            yield from _figures(version, row.regime, "live", live, row.n_resolved)
            yield from _figures(version, row.regime, "tested", row.tested, 0)


def _figures(
    version: ModelVersion, regime: str, source: str, found: dict[str, Any] | None, n: int
) -> Iterator[FigureRow]:
    told = found or {}
    n = told.get("n", n)
    n_taken = told.get("n_taken", n)
    low, high = told.get("interval") or (None, None)
    base = told.get("base_rate")
    ece_limit = None if base is None or not n else ece_by_chance(base, n) + ECE_CUTS[0]
    rows: dict[str, Any] = {
        "win_rate": (n_taken, low, high, base),
        "brier_skill": (n, None, None, 0.0),
        "ece": (n, None, None, ece_limit),
        "mean_net_return": (n_taken, None, None, 0.0),
    }
    for metric, (count, lowest, highest, limit) in rows.items():
        yield FigureRow(
            version, regime, source, metric, count, told.get(metric), lowest, highest, limit
        )


CSV_COLUMNS = (
    ("strategy", lambda row: row.version.strategy_key),
    ("version", lambda row: row.version.number),
    ("state", lambda row: row.version.state),
    ("regime", lambda row: row.regime),
    ("source", lambda row: row.source),
    ("metric", lambda row: row.metric),
    ("n", lambda row: row.n),
    ("value", lambda row: row.value),
    ("low", lambda row: row.low),
    ("high", lambda row: row.high),
    ("limit", lambda row: row.limit),
    ("is_breach", lambda row: row.is_breach),
)


# Columns people sort by, in the order of the table; limits and values of different figures mix, so
# a figure is chosen by the filter first.
SORTS: dict[str, Callable[[FigureRow], Any]] = {
    "version": lambda row: (row.version.strategy_key, row.version.number),
    "state": lambda row: row.version.get_state_display(),
    "regime": lambda row: REGIMES.index(row.regime),
    "source": lambda row: row.source_label,
    "metric": lambda row: row.label,
    "n": lambda row: row.n,
    "value": lambda row: row.value,
    "limit": lambda row: row.limit,
    "breach": lambda row: None if row.value is None else row.is_breach,
}


class PerformanceMixin:
    """Adds the page of performance by regime to the admin of model versions."""

    def get_urls(self) -> list[Any]:
        """Add its address, before the one that takes any word as a row."""
        view: Any = self
        address = path(
            "by-regime/",
            view.admin_site.admin_view(self.performance_view),
            name="trading_modelversion_performance",
        )
        return [address, *super().get_urls()]  # type: ignore[misc]

    def performance_view(self, request: HttpRequest) -> HttpResponse:
        """Show figures of the versions in use, or of all; `?format=csv` for the filtered set."""
        view: Any = self
        if not view.has_view_permission(request):
            raise PermissionDenied
        chosen = {
            "regime": _one_of(request, "regime", REGIMES),
            "metric": _one_of(request, "metric", tuple(METRICS)),
            "source": _one_of(request, "source", tuple(SOURCES)),
            "breach": _one_of(request, "breach", ("yes", "no")),
            "state": _one_of(request, "state", ("all",)),
        }
        sort = request.GET.get("sort", "")
        rows = sorted_rows(self._chosen_rows(chosen), sort, SORTS)
        if request.GET.get("format") == "csv":
            return csv_response("model-performance.csv", CSV_COLUMNS, rows)
        context = view.admin_site.each_context(request) | {
            "title": "Model performance by regime",
            "rows": rows,
            "chosen": chosen,
            "fields": _fields(),
            "heads": _heads(request, sort),
            "sort": sort if sort.removeprefix("-") in SORTS else "",
            "query": request.GET.urlencode(),
        }
        return TemplateResponse(request, "admin/model_performance.html", context)

    def _chosen_rows(self, chosen: dict[str, str]) -> list[FigureRow]:
        versions = ModelVersion.objects.defer("reference").order_by("-created_at", "-pk")
        if not chosen["state"]:
            versions = versions.filter(state__in=USED)
        # A staff page is a door, so it may read the clock.
        since = timezone.now() - dt.timedelta(days=WINDOW_DAYS)  # noqa: TID251
        return [
            row
            for row in figure_rows(list(versions), since=since)
            if chosen["regime"] in ("", row.regime)
            and chosen["metric"] in ("", row.metric)
            and chosen["source"] in ("", row.source)
            and chosen["breach"] in ("", "yes" if row.is_breach else "no")
        ]


def _one_of(request: HttpRequest, name: str, offered: tuple[str, ...]) -> str:
    value = request.GET.get(name, "")
    return value if value in offered else ""


def _heads(request: HttpRequest, sort: str) -> list[dict[str, str]]:
    """Return label, address and direction of each column's head."""
    heads = []
    for key in SORTS:
        sent = request.GET.copy()
        sent["sort"] = f"-{key}" if sort == key else key
        is_sorted = sort.removeprefix("-") == key
        direction = "descending" if sort.startswith("-") else "ascending"
        heads.append(
            {
                "label": HEADS[key],
                "href": f"?{sent.urlencode()}",
                "direction": direction if is_sorted else "",
            }
        )
    return heads


def _fields() -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Name, label and choices of each filter."""
    return [
        ("regime", "Regime", [("", "Any"), *((name, name.capitalize()) for name in REGIMES)]),
        ("metric", "Figure", [("", "Any"), *METRICS.items()]),
        ("source", "From", [("", "Any"), *SOURCES.items()]),
        ("breach", "Breach", [("", "Any"), ("yes", "Yes"), ("no", "No")]),
        ("state", "Versions", [("", "Active and shadow"), ("all", "All")]),
    ]
