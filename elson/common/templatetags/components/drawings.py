"""Measures and drawings: meters, charts and plots made by the server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import json_script

from elson.common.templatetags import plots
from elson.common.templatetags.components.library import register, rendered


@register.inclusion_tag("components/_meter.html")
def meter(label: str, value: Any, limit: Any, text: str) -> dict[str, Any]:
    """Part of a limit that is used, with the numbers in words beside it."""
    top = float(limit or 0) or 1.0
    return {
        "label": label,
        "text": text,
        "value": f"{min(max(float(value or 0), 0.0), top):.6g}",
        "limit": f"{top:.6g}",
        "low": f"{top * 0.6:.6g}",
        "high": f"{top * 0.8:.6g}",
    }


@register.simple_block_tag
def chart(
    content: str,
    id: str,  # noqa: A002  the attribute is called so
    data: Any,
    label: str,
    kind: str = "candles",
    title: str = "",
    summary: str = "",
    size: str = "",
    legend: str = "",
    benchmark: str | bool = False,
    null: bool = False,
    in_sample: bool = False,
    renews: bool = False,
) -> str:
    """Figure that chart.js draws from the JSON beside it; the block is its toolbar.

    `renews` keeps the figure when its block is fetched again and draws what came with it.
    """
    data_id = f"{id}-data"
    return render_to_string(
        "components/_chart.html",
        {
            "id": id,
            "kind": kind,
            "label": label,
            "title": title,
            "summary": summary,
            "size": size,
            "legend": legend,
            "benchmark": benchmark,
            "null": null,
            "in_sample": in_sample,
            "renews": renews,
            "toolbar": rendered(content.strip()),
            "data_id": data_id,
            "data_script": json_script(data, data_id),
        },
    )


@register.inclusion_tag("components/_sparkline.html")
def sparkline(values: Iterable[float] | None, label: str = "") -> dict[str, Any]:
    """Tiny line of a series, drawn by the server."""
    return plots.sparkline([float(v) for v in values or () if v is not None], label)


@register.inclusion_tag("components/_regime_strip.html")
def regime_strip(
    segments: Sequence[Mapping[str, Any]], label: str = "Regimes over time"
) -> dict[str, Any]:
    """Regimes over time; a segment is {regime, weight, title}, weights are bars or days."""
    return plots.strip(segments, label)


@register.inclusion_tag("components/_histogram.html")
def histogram(
    values: Sequence[float],
    mark: float | None = None,
    mark_label: str = "",
    label: str = "",
    bins: int = 24,
) -> dict[str, Any]:
    """Draw counts per bin, with one value marked against them."""
    return plots.histogram(values, mark=mark, mark_label=mark_label, label=label, bins=bins)


@register.inclusion_tag("components/_ci_dots.html")
def ci_dots(rows: Sequence[Mapping[str, Any]], label: str = "") -> dict[str, Any]:
    """Estimates with intervals; a row is {label, value, low, high}."""
    return plots.ci_dots(rows, label)


@register.inclusion_tag("components/_calibration.html")
def calibration_plot(
    bins: Sequence[Mapping[str, Any]], label: str, fewest: int = 20
) -> dict[str, Any]:
    """Draw win rate over predicted probability with intervals, counts and the diagonal."""
    return plots.calibration(bins, label, fewest)


@register.inclusion_tag("components/_reliability.html")
def reliability_plot(points: Sequence[Mapping[str, Any]], label: str) -> dict[str, Any]:
    """Draw what was said against what happened, window by window."""
    return plots.reliability(points, label)


@register.inclusion_tag("components/_multiples.html")
def multiples_plot(points: Sequence[Mapping[str, Any]], name: str, label: str) -> dict[str, Any]:
    """Draw one figure (a fraction) of points over their `factor`."""
    pairs = [(float(point["factor"]), float(point[name])) for point in points]
    return {"plot": plots.multiples(pairs, label)}


@register.inclusion_tag("components/_scatter.html")
def scatter_plot(
    points: Sequence[Mapping[str, Any]], label: str, across: str, up: str
) -> dict[str, Any]:
    """Draw one figure of things over another, with the diagonal; a point is {x, y, title}."""
    return {"plot": plots.scatter(points, label), "across": across, "up": up}


@register.inclusion_tag("components/_heatmap.html")
def heatmap(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    label: str,
    corner: str = "Year",
    edges: str = "0.0005 0.01 0.025",
) -> dict[str, Any]:
    """Print returns (fractions) in a table with fixed bins; a row is {label, cells}."""
    return plots.heatmap(rows, columns, label, corner, [float(edge) for edge in edges.split()])
