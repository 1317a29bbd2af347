"""Plain values for the comparison's templates and its CSV."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from elson.common import formatting
from elson.common.templatetags import formats
from trading.engine.comparison import FEWEST_PERIODS, PairedDifference
from trading.engine.enough import FEWEST_FOR_WIN_RATE
from trading.selectors.compared_settings import STRATEGY, SettingRow
from trading.selectors.comparison import ComparedRun, Comparison, MetricRow, PairRow
from trading.selectors.luck import luck_of
from trading.selectors.parameter_words import choice_words
from trading.selectors.strategies import rule_name
from trading.views.backtest_metrics import METRICS, term_of

SEGMENT_WORDS = {"out_of_sample": "Out of sample", "all": "Whole span"}
LINE_WORDS = {"A": "solid", "B": "dashed", "C": "dotted", "D": "long dashes"}
LABELS = {key: (label, kind) for _, lines in METRICS for label, key, kind in lines}
# Glossary entries by key, where the label itself is not one.
TERMS = {
    "annual_return": "annual-return",
    "volatility": "volatility",
    "max_drawdown": "max-drawdown",
    "n_round_trips": "round-trip",
    "win_rate": "win-rate",
    "exposure": "exposure",
    "cost_share": "cost-share",
    "turnover_per_year": "turnover",
    "expectancy_bps": "expectancy",
}
WORDS = {"PASS": "yes", "WARN": "barely", "FAIL": "no"}
BASE = 100.0
# Settings whose words are codes.
CHOSEN = ("parameters", "allocation")


def page_context(found: Comparison) -> dict[str, Any]:
    """Everything the page shows."""
    return {
        "found": found,
        "columns": [_column(run) for run in found.runs],
        "segments": _segments(found),
        "pairs": [_pair(row) for row in found.pairs],
        "regimes": [_regime(row.regime, row.cells) for row in found.regimes],
        "settings": [_setting(row) for row in found.settings],
        "chart": chart_of(found),
        "fewest_months": FEWEST_PERIODS,
    }


def _column(run: ComparedRun) -> dict[str, Any]:
    row = run.backtest
    return {
        "run": run,
        "letter": run.letter,
        "slug": run.letter.lower(),
        "line": LINE_WORDS[run.letter],
        "strategy": rule_name(row.strategy_key),
        "costs": "costs by class and regime"
        if row.has_regime_costs
        else f"{row.commission_bps:g} bp commission, {row.slippage_bps:g} bp slippage",
        "is_done": run.result is not None,
        "percent": round(row.progress * 100),
    }


def _segments(found: Comparison) -> list[dict[str, Any]]:
    """Metric rows grouped by segment, judged part first, with the check against luck below it."""
    groups: list[dict[str, Any]] = []
    for segment, rows in itertools.groupby(found.metrics, key=lambda row: row.segment):
        lines = [_metric(found, row) for row in rows]
        if not groups:
            lines.append(_beats_luck(found))
        groups.append({"title": SEGMENT_WORDS[segment], "rows": lines})
    return groups


def _metric(found: Comparison, row: MetricRow) -> dict[str, Any]:
    label, kind = LABELS[row.key]
    write = _writer(kind)
    cells = []
    for k, run in enumerate(found.runs):
        part = (run.result.metrics.get(row.segment) or {}) if run.result else {}
        text = _figure(row, k, part, write)
        cells.append({"text": text, "is_best": row.best[k], "change": _change(row, k, kind)})
    return {"label": label, "term": term_of(row.key), "cells": cells}


def _figure(row: MetricRow, k: int, part: dict[str, Any], write: Callable[[Any], Any]) -> Any:
    n, value = row.too_few[k], row.values[k]
    is_endless = row.key == "profit_factor" and formatting.has_no_loss(part)
    if n is not None and (value is not None or is_endless):
        return formats.too_few(n)
    if row.key == "win_rate":
        return formats.win_rate(part.get("n_wins"), part.get("n_round_trips"))
    if row.key == "profit_factor":
        return formats.profit_factor(part)
    return write(value)


def _change(row: MetricRow, k: int, kind: str) -> str:
    """Difference to run A in words of its unit; none for counts and win rates."""
    value = row.differences[k]
    if value is None or row.key in {"win_rate", "n_round_trips"}:
        return ""
    if kind in {"delta", "pct", "pct_signed", "share"}:
        return f"{formatting.signed_number(value * 100, 1)} pp"
    if kind == "bps":
        return f"{formatting.signed_number(value, 1)} bp"
    return formatting.signed_number(value, 2)


def _writer(kind: str) -> Callable[[Any], Any]:
    special: dict[str, Callable[[Any], Any]] = {
        "one": lambda v: formats.ratio(v, 1),
        "share": lambda v: formats.pct(v, 0),
        "times": lambda v: formats.ratio(v, 1),
        "win_rate": formats.pct,
        "delta": formats.pct_signed,
    }
    return special.get(kind) or getattr(formats, kind)


def _beats_luck(found: Comparison) -> dict[str, Any]:
    """Whether the honesty panel found each run better than random entries."""
    cells = []
    for run in found.runs:
        status = luck_of(run.result.metrics["all"], run.result.honesty) if run.result else ""
        cells.append({"text": WORDS.get(status) or formats.ratio(None), "is_best": False})
    return {"label": "Beats random entries (whole span)", "term": "random-entries", "cells": cells}


def _pair(row: PairRow) -> dict[str, Any]:
    return {
        "name": f"{row.second} − {row.first}",
        "segment": SEGMENT_WORDS[row.segment],
        "n": row.n_months,
        "mean": _interval(row.mean, lambda v: f"{formatting.signed_number(v * 100, 2)} pp"),
        "sharpe": _interval(row.sharpe, lambda v: formatting.signed_number(v, 2)),
        "verdict": _verdict(row.mean),
        "correlation": row.correlation,
        "overlap": row.overlap,
    }


def _interval(found: PairedDifference, write: Callable[[float], str]) -> dict[str, str]:
    """Value and bounds as text; empty where there is none."""
    if math.isnan(found.value) or math.isnan(found.low):
        return {"value": "" if math.isnan(found.value) else write(found.value), "bounds": ""}
    return {"value": write(found.value), "bounds": f"{write(found.low)} to {write(found.high)}"}


def _verdict(found: PairedDifference) -> str:
    if math.isnan(found.low):
        return "cannot be told"
    if found.low > 0.0 or found.high < 0.0:
        return "more" if found.low > 0.0 else "less"
    return "no clear difference"


def _regime(regime: str, cells: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
    return {"regime": regime, "cells": [_regime_cell(cell) for cell in cells]}


def _regime_cell(cell: dict[str, Any] | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    return {**cell, "is_few": cell["n"] < FEWEST_FOR_WIN_RATE}


def _setting(row: SettingRow) -> dict[str, Any]:
    group, _, name = row.key.partition(".")
    write = rule_name if row.key == STRATEGY else _setting_text
    values = row.values
    if group in CHOSEN:  # whose words are codes and never symbols
        values = tuple(choice_words(name, value) for value in values)
    return {"label": row.label, "values": [write(value) for value in values]}


def _setting_text(value: Any) -> str:
    if value in (None, "", {}):
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_setting_text(part)}" for name, part in value.items())
    if isinstance(value, str) and value.isupper() and "_" in value:
        return formatting.label_of(value.lower())
    if isinstance(value, dt.date):
        return formatting.day(value)
    if isinstance(value, float):
        return formatting.quantity(value, 4)
    return str(value)


# --- the chart ----------------------------------------------------------------------------------


def chart_of(found: Comparison) -> dict[str, Any] | None:
    """Equity re-based to 100 and drawdowns over the common span, on the points of the first run."""
    done = [run for run in found.runs if run.result is not None]
    if len(done) < 2 or found.common_from is None or found.common_to is None:
        return None
    start = max(run.result.curve["closed_at"][0] for run in done)
    stop = min(run.result.curve["closed_at"][-1] for run in done)
    grid = [t for t in done[0].result.curve["closed_at"] if start <= t <= stop]
    if len(grid) < 2:
        return None
    is_daily = all(run.backtest.timeframe == "1d" for run in done)
    times = [_time(seconds, is_daily) for seconds in grid]
    lines = [_line(run, grid) for run in done]
    ends = ", ".join(
        f"{line['letter']} {formatting.number(line['values'][-1], 1)}" for line in lines
    )
    return {
        "summary": f"From 100 on {times[0]}, they stand at {ends} on {times[-1]}."
        if is_daily
        else f"From 100, they end at {ends}.",
        "data": {
            "series": [
                {
                    "role": f"run_{line['letter'].lower()}",
                    "name": f"{line['letter']}: {line['name']}",
                    "points": list(zip(times, line["values"], strict=True)),
                    "drawdown": list(zip(times, line["drawdowns"], strict=True)),
                }
                for line in lines
            ],
        },
        "bars_per_point": max(run.result.curve["bars_per_point"] for run in done),
    }


def _line(run: ComparedRun, grid: Sequence[int]) -> dict[str, Any]:
    """Newest stored point at or before each time of the grid, re-based, and its drawdown."""
    curve = run.result.curve
    values: list[float] = []
    k = 0
    for moment in grid:
        while k + 1 < len(curve["closed_at"]) and curve["closed_at"][k + 1] <= moment:
            k += 1
        values.append(curve["equity"][k])
    based = [round(BASE * value / values[0], 3) for value in values]
    peaks = itertools.accumulate(based, max)
    return {
        "letter": run.letter,
        "name": rule_name(run.backtest.strategy_key),
        "values": based,
        "drawdowns": [round(v / peak - 1, 5) for v, peak in zip(based, peaks, strict=True)],
    }


def _time(seconds: int, is_daily: bool) -> str | int:
    if not is_daily:
        return seconds
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).date().isoformat()
