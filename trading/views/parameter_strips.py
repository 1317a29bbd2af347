"""A parameter over its last 30 days: steps above a band of regimes, and the same in words."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from elson.common import formatting
from trading.selectors.decision_views import ParameterRow, value_text
from trading.selectors.parameter_changes import ParameterChanges, ParameterHistory, ParameterSpan

# The drawing: 1000 wide, steps between these two heights, the regimes below.
WIDTH, TOP, BASE = 1000.0, 3.0, 19.0
MOST_WORDS = 5


def parameter_rows(
    parameters: Sequence[ParameterRow], changes: ParameterChanges | None
) -> list[dict[str, Any]]:
    """Put beside each parameter of the latest decision when it changed and how it moved."""
    histories = changes.histories if changes else {}
    return [
        {"row": row, "strip": strip_of(histories[row.name], changes), "since": histories[row.name]}
        if changes and row.name in histories
        else {"row": row, "strip": None, "since": None}
        for row in parameters
    ]


def strip_of(history: ParameterHistory, changes: ParameterChanges) -> dict[str, Any]:
    """Return rectangles of the regimes, the path of the steps, and both in words."""
    levels = _levels([span.value for span in history.spans])
    rects, path, x, last = [], [], 0.0, None
    for span in history.spans:
        width = WIDTH * span.n_bars / changes.n_bars
        title, slug = span_text(history.name, span), span.regime.lower() or "none"
        rects.append({"x": f"{x:.1f}", "width": f"{width:.1f}", "slug": slug, "title": title})
        y = levels.get(span.value)
        if y is not None:
            path.append(f"{'M' if last is None else 'L'}{x:.1f} {y:.1f}L{x + width:.1f} {y:.1f}")
        last, x = y, x + width
    return {"rects": rects, "path": "".join(path), "label": strip_text(history)}


def strip_text(history: ParameterHistory) -> str:
    """Say the steps: each value with the close it begins at, the last ones where there are many."""
    runs = [
        (value, next(iter(spans)).from_at)
        for value, spans in itertools.groupby(history.spans, key=lambda span: span.value)
    ]
    shown = runs[-MOST_WORDS:]
    steps = ", ".join(
        f"{value_text(history.name, value)} from {formatting.day(at)}" for value, at in shown
    )
    more = f"{len(runs) - len(shown)} earlier values, then " if len(runs) > len(shown) else ""
    return f"{history.label} over the last 30 days: {more}{steps}"


def span_text(name: str, span: ParameterSpan) -> str:
    """Say one stretch: value, regime, dates, bars."""
    bars = f"{span.n_bars} bar{'' if span.n_bars == 1 else 's'}"
    regime = span.regime.capitalize() or "No regime yet"
    dates = f"{formatting.day(span.from_at)} to {formatting.day(span.to_at)}"
    return f"{value_text(name, span.value)}, {regime}, {dates}, {bars}"


def _levels(values: Sequence[Any]) -> dict[Any, float]:
    """Height of each value: numbers by their size, words one above the other as they came."""
    known = [value for value in dict.fromkeys(values) if value is not None]
    numbers = [value for value in known if not isinstance(value, str)]
    order = {value: float(value) for value in numbers}
    if len(numbers) < len(known):
        order = {value: float(k) for k, value in enumerate(known)}
    low, high = min(order.values(), default=0.0), max(order.values(), default=0.0)
    if low == high:
        return dict.fromkeys(order, (TOP + BASE) / 2)
    return {value: BASE - (BASE - TOP) * (y - low) / (high - low) for value, y in order.items()}
