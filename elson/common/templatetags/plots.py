"""Geometry of the small drawings the server makes: lines, strips, bars, intervals, heat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, isfinite, log10
from typing import Any

from elson.common import formatting

PLOT_WIDTH, PLOT_LEFT, PLOT_RIGHT = 360.0, 8.0, 352.0
HEAT_SLUGS = ("h-m3", "h-m2", "h-m1", "h-0", "h-p1", "h-p2", "h-p3")


def sparkline(
    values: Sequence[float], label: str, width: float = 96, height: float = 28
) -> dict[str, Any]:
    """Paths of a line through the values and of the area below it."""
    finite = [v for v in values if isfinite(v)]
    if len(finite) < 2:
        return {"path": "", "label": label}
    low, high = min(finite), max(finite)
    span = (high - low) or 1.0
    step = width / (len(finite) - 1)
    points = [(i * step, 2 + (height - 4) * (1 - (v - low) / span)) for i, v in enumerate(finite)]
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    change = finite[-1] - finite[0]
    return {
        "path": line,
        "area": f"{line}L{width:g} {height:g}L0 {height:g}Z",
        "tone": "up" if change > 0 else "down" if change < 0 else "flat",
        "label": label or f"{len(finite)} points, {_range(finite[0], finite[-1])}",
    }


def strip(segments: Sequence[Mapping[str, Any]], label: str) -> dict[str, Any]:
    """Rectangles of a strip 1000 units wide, one per segment, by weight."""
    total = sum(float(s.get("weight", 1)) for s in segments) or 1.0
    rects: list[dict[str, str]] = []
    x = 0.0
    for segment in segments:
        width = 1000 * float(segment.get("weight", 1)) / total
        slug = str(segment.get("regime") or "none").lower()
        rects.append(
            {
                "x": f"{x:.2f}",
                "width": f"{width:.2f}",
                "slug": slug,
                "title": str(segment.get("title") or slug.capitalize()),
            }
        )
        x += width
    return {"rects": rects, "label": label}


def multiples(
    points: Sequence[tuple[float, float]], label: str, width: int = 340, height: int = 150
) -> dict[str, Any] | None:
    """Line of a figure at multiples of something, with the zero; None for fewer than two points."""
    if len(points) < 2:
        return None
    edge = 24
    factors, values = zip(*points, strict=True)
    low, high = min(*values, 0.0), max(*values, 0.0)
    wide = (width - 2 * edge) / ((factors[-1] - factors[0]) or 1.0)
    tall = (height - 2 * edge) / ((high - low) or 1.0)

    def place(factor: float, value: float) -> tuple[str, str]:
        x, y = edge + (factor - factors[0]) * wide, height - edge - (value - low) * tall
        return f"{x:.1f}", f"{y:.1f}"

    places = [place(*point) for point in points]
    return {
        "width": width, "height": height, "left": edge, "right": width - edge,
        "zero": place(0.0, 0.0)[1],
        "path": "M" + "L".join(f"{x} {y}" for x, y in places),
        "points": [
            {"x": x, "y": y, "text": f"×{formatting.ratio(factor, 1)}", "is_one": factor == 1.0}
            for (x, y), factor in zip(places, factors, strict=True)
        ],
        "label": f"{label}: "
        + ", ".join(
            f"{formatting.signed_percent(value, 1)} at {formatting.ratio(factor, 1)} times"
            for factor, value in points
        ),
    }  # fmt: skip


def scatter(
    points: Sequence[Mapping[str, Any]], label: str, size: int = 260
) -> dict[str, Any] | None:
    """Points {x, y, title, is_pick} on a square with its diagonal; None for fewer than three.

    Both axes have one range, so that the diagonal is where both are equal.
    """
    if len(points) < 3:
        return None
    pad = 30
    values = [float(point[axis]) for point in points for axis in ("x", "y")]
    low, high = min(values), max(values)
    unit = (size - 2 * pad) / ((high - low) or 1.0)
    drawn = [
        {
            "x": f"{pad + (point['x'] - low) * unit:.1f}",
            "y": f"{size - pad - (point['y'] - low) * unit:.1f}",
            "title": point["title"],
            "is_pick": point["is_pick"],
        }
        for point in points
    ]
    return {
        "points": sorted(drawn, key=lambda point: point["is_pick"]),  # the chosen one on top
        "size": size, "near": pad, "far": size - pad, "middle": size // 2, "foot": size - 10,
        "low": formatting.ratio(low, 1), "high": formatting.ratio(high, 1), "label": label,
    }  # fmt: skip


def histogram(
    values: Sequence[float], *, mark: float | None, mark_label: str, label: str, bins: int
) -> dict[str, Any]:
    """Bars of a histogram on a 360 by 150 field, its ticks, and where the mark stands."""
    finite = [float(v) for v in values if v is not None and isfinite(float(v))]
    if not finite:
        return {"bars": [], "ticks": [], "mark": None, "label": label}
    marked = finite if mark is None else [*finite, mark]
    low, high = min(marked), max(marked)
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts = [0] * bins
    for v in finite:
        counts[min(bins - 1, int((v - low) / (high - low) * bins))] += 1
    width = (PLOT_RIGHT - PLOT_LEFT) / bins
    top = max(counts)
    bars = []
    for i, count in enumerate(counts):
        if not count:
            continue
        tall = 100 * count / top
        start = low + (high - low) * i / bins
        end = low + (high - low) * (i + 1) / bins
        bars.append(
            {
                "x": f"{PLOT_LEFT + i * width + 0.5:.2f}",
                "y": f"{122 - tall:.2f}",
                "width": f"{width - 1:.2f}",
                "height": f"{tall:.2f}",
                "title": f"{formatting.number(start)} to {formatting.number(end)}: {count}",
            }
        )
    return {
        "bars": bars,
        "ticks": ticks(low, high),
        "label": label,
        "mark": None if mark is None else _mark(mark, low, high, mark_label),
    }


def ci_dots(rows: Sequence[Mapping[str, Any]], label: str) -> dict[str, Any]:
    """Rows of point estimates with their intervals on one axis."""
    usable = [r for r in rows if r.get("value") is not None]
    if not usable:
        return {
            "rows": [],
            "ticks": [],
            "height": 40,
            "base": 20,
            "foot": 34,
            "zero": "",
            "label": label,
        }
    low = min(float(r["low"]) for r in usable)
    high = max(float(r["high"]) for r in usable)
    if low == high:
        low, high = low - 0.5, high + 0.5
    left = 96.0
    drawn = []
    for i, row in enumerate(usable):
        y = 18 + 26 * i
        drawn.append(
            {
                "label": row["label"],
                "y": y,
                "text_y": y + 4,
                "x": f"{_scale(float(row['value']), low, high, left):.1f}",
                "low": f"{_scale(float(row['low']), low, high, left):.1f}",
                "high": f"{_scale(float(row['high']), low, high, left):.1f}",
                "title": f"{row['label']}: {formatting.number(row['value'])} "
                f"({formatting.number(row['low'])} to {formatting.number(row['high'])})",
            }
        )
    base = 18 + 26 * len(usable) - 8
    zero = f"{_scale(0, low, high, left):.1f}" if low < 0 < high else ""
    return {
        "rows": drawn,
        "ticks": ticks(low, high, left),
        "zero": zero,
        "height": base + 22,
        "base": base,
        "foot": base + 16,
        "label": label,
    }


def heatmap(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    label: str,
    corner: str,
    edges: Sequence[float],
) -> dict[str, Any]:
    """Cells with their number and the bin that colors them."""
    drawn = [
        {
            "label": row["label"],
            "cells": [
                {"text": formatting.signed_percent(cell, 1), "slug": heat_slug(cell, edges)}
                for cell in row["cells"]
            ],
        }
        for row in rows
    ]
    return {"rows": drawn, "columns": columns, "label": label, "corner": corner}


def heat_slug(value: float | None, edges: Sequence[float]) -> str:
    """Class of the bin a value falls into; three bins each side of zero."""
    if value is None or not isfinite(float(value)):
        return ""
    size = sum(abs(float(value)) >= edge for edge in edges)
    return HEAT_SLUGS[3 + size] if value > 0 else HEAT_SLUGS[3 - size]


def ticks(low: float, high: float, left: float = PLOT_LEFT, count: int = 5) -> list[dict[str, str]]:
    """Round values between low and high, with their place on the axis."""
    raw = (high - low) / count
    power = 10.0 ** floor(log10(raw))
    step = next((m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw), 10 * power)
    places = max(0, -floor(log10(step)) + (1 if step / power == 2.5 else 0))
    first = ceil(low / step)
    out = []
    while first * step <= high + step * 1e-9:
        value = first * step
        out.append(
            {
                "x": f"{_scale(value, low, high, left):.1f}",
                "label": formatting.number(value, places),
            }
        )
        first += 1
    return out


def _range(first: float, last: float) -> str:
    return f"from {formatting.number(first)} to {formatting.number(last)}"


def _mark(value: float, low: float, high: float, text: str) -> dict[str, str]:
    x = _scale(value, low, high)
    anchor = "start" if x < 70 else "end" if x > PLOT_WIDTH - 70 else "middle"
    return {"x": f"{x:.1f}", "anchor": anchor, "label": text or formatting.number(value)}


def _scale(value: float, low: float, high: float, left: float = PLOT_LEFT) -> float:
    return left + (PLOT_RIGHT - left) * (value - low) / (high - low)


# The square in which win rate is drawn over probability.
CALIBRATION_LEFT, CALIBRATION_RIGHT, CALIBRATION_TOP, CALIBRATION_BASE = 40.0, 340.0, 8.0, 188.0


def calibration(bins: Sequence[Mapping[str, Any]], label: str, fewest: int) -> dict[str, Any]:
    """Place the bins of a calibration curve: a point and its interval, the count below.

    A bin is {low, high, n, mean_probability, win_rate, interval}; one with fewer than `fewest`
    predictions shows its count alone.
    """

    def x(value: float) -> str:
        return f"{CALIBRATION_LEFT + (CALIBRATION_RIGHT - CALIBRATION_LEFT) * value:.1f}"

    def y(value: float) -> str:
        return f"{CALIBRATION_BASE - (CALIBRATION_BASE - CALIBRATION_TOP) * value:.1f}"

    marks = [round(step / 4, 2) for step in range(5)]
    is_empty = all(item["n"] < fewest for item in bins)
    return {
        "label": label,
        "empty": f"fewer than {fewest} results in every bin" if is_empty else "",
        "ticks": [{"x": x(m), "y": y(m), "label": formatting.percent(m, 0)} for m in marks],
        "diagonal": f"M{x(0)} {y(0)}L{x(1)} {y(1)}",
        "counts": [
            {"x": x((item["low"] + item["high"]) / 2), "n": _short(item["n"])}
            for item in bins
            if item["n"]
        ],
        "points": [
            {
                "x": x(item["mean_probability"]),
                "y": y(item["win_rate"]),
                "low": y(item["interval"][0]),
                "high": y(item["interval"][1]),
                "title": f"said {formatting.percent(item['mean_probability'], 0)}, won "
                f"{formatting.percent(item['win_rate'], 0)}, n={item['n']}",
            }
            for item in bins
            if item["n"] >= fewest
        ],
    }


def reliability(points: Sequence[Mapping[str, Any]], label: str) -> dict[str, Any]:
    """Place windows of time side by side: what was said as a line, what happened as points.

    A point is {label, said, won, interval, n}, oldest first; the scale is 0 to 100 %.
    """
    step = (CALIBRATION_RIGHT - CALIBRATION_LEFT) / max(len(points), 1)
    places = [f"{CALIBRATION_LEFT + step * (k + 0.5):.1f}" for k in range(len(points))]
    every = max(ceil(len(points) / 5), 1)

    def y(value: float) -> str:
        return f"{CALIBRATION_BASE - (CALIBRATION_BASE - CALIBRATION_TOP) * value:.1f}"

    line = "L".join(f"{x} {y(point['said'])}" for x, point in zip(places, points, strict=True))
    return {
        "label": label,
        "ticks": [
            {"y": y(mark), "label": formatting.percent(mark, 0)}
            for mark in (0.0, 0.25, 0.5, 0.75, 1.0)
        ],
        "names": [
            {"x": places[k], "label": points[k]["label"]} for k in range(0, len(points), every)
        ],
        "said": f"M{line}" if line else "",
        "points": [
            {
                "x": x,
                "y": y(point["won"]),
                "low": y(point["interval"][0]),
                "high": y(point["interval"][1]),
                "title": f"{point['label']}: said {formatting.percent(point['said'], 0)}, won "
                f"{formatting.percent(point['won'], 0)}, n={point['n']}",
            }
            for x, point in zip(places, points, strict=True)
        ],
    }


def _short(n: int) -> str:
    """Print a count that must fit below one bin."""
    return str(n) if n < 1_000 else formatting.big(n, 1)
