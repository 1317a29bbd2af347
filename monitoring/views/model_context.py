"""Plain values for the pages about models; the numbers come from trading's selectors."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from monitoring.views.model_record import is_late, replacement, score_rows
from trading.engine.learning.features import MEANINGS
from trading.engine.regime_quality import DetectorQuality
from trading.engine.types import Regime
from trading.selectors.goal_rows import goal_rows
from trading.selectors.model_versions import (
    FEWEST_RESOLVED,
    RegimeRow,
    calibration_rows,
    drift_latest,
    live_figures,
    regime_rows,
)

REGIMES = tuple(str(regime.value) for regime in Regime)
WINDOWS = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("all", "All"))
DEFAULT_WINDOW = "90"
# Everything here trades on paper in a replay: what was said then is recorded, not live.
SOURCES = (("live", "Recorded"), ("tested", "Walk-forward test"))
LIGHTS = {
    "OK": ("OK", "steady"),
    "WARNING": ("WARNING", "moving"),
    "CRITICAL": ("FAILED", "moved"),
    "UNKNOWN": ("IDLE", "not known yet"),
}
# Live against the version's own test, by the live interval.
AS_TESTED, BELOW, ABOVE, UNKNOWN = "as tested", "below its test", "above its test", "not known yet"
AGAINST_LIGHTS = {AS_TESTED: "OK", ABOVE: "OK", BELOW: "WARNING", UNKNOWN: "IDLE"}


def window_start(window: str, now: dt.datetime) -> dt.datetime | None:
    """Return the beginning of a window by its key; None for all."""
    return now - dt.timedelta(days=int(window)) if window.isdigit() else None


def matrix(version: Any, *, source: str, since: dt.datetime | None) -> dict[str, Any]:
    """Return the rows by regime and the sum, live or from the version's walk-forward test."""
    rows = regime_rows(version, since=since)
    if source == "tested":
        total = version.metrics.get("all")
        lines = [_line(row, row.tested) for row in rows]
    else:
        live = live_figures(version, since=since)
        total = live.to_dict() if live else None
        lines = [_line(row, row.figures.to_dict() if row.figures else None) for row in rows]
    return {
        "rows": lines,
        "total": total,
        "has_live": any(row.figures for row in rows),
        "waiting": _waiting(rows),
        "worst": _worst(lines),
    }


def _line(row: RegimeRow, figures: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "regime": row.regime,
        "n_predictions": row.n_predictions,
        "n_resolved": row.n_resolved,
        "figures": figures,
        "against": _against(row),
        "light": AGAINST_LIGHTS[_against(row)],
    }


def _against(row: RegimeRow) -> str:
    """Say whether the live interval of the win rate holds the tested win rate."""
    tested = (row.tested or {}).get("win_rate")
    if row.figures is None or tested is None or not row.figures.n_taken:
        return UNKNOWN
    low, high = row.figures.interval
    return BELOW if high < tested else ABOVE if low > tested else AS_TESTED


def _waiting(rows: Sequence[RegimeRow]) -> str:
    short = [row for row in rows if row.n_resolved < FEWEST_RESOLVED]
    if not short:
        return ""
    have = ", ".join(f"{row.regime.capitalize()} has {row.n_resolved}" for row in short)
    return f"Needs {FEWEST_RESOLVED} resolved predictions in a regime; {have}."


def _worst(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the regime with the lowest Brier skill; empty when none is known."""
    known = [
        (line["figures"]["brier_skill"], line["regime"])
        for line in lines
        if line["figures"] and line["figures"].get("brier_skill") is not None
    ]
    return min(known)[1] if known else ""


def curves(version: Any, *, source: str, since: dt.datetime | None) -> list[dict[str, Any]]:
    """Return calibration bins of all and of each regime; older tests stored them for all only."""
    if source == "tested":
        by_regime = version.metrics.get("regime_bins") or {}
        tested = {"": version.metrics.get("bins") or []} | by_regime
    else:
        tested = {
            name: calibration_rows(version, regime=name, since=since) for name in ("", *REGIMES)
        }
    found = [
        {
            "name": name.capitalize() or "All regimes",
            "slug": name.lower() or "all",
            "bins": bins if sum(item["n"] for item in bins) >= FEWEST_RESOLVED else [],
        }
        for name, bins in tested.items()
    ]
    return found if any(curve["bins"] for curve in found) else []


def drift_context(version: Any, *, now: dt.datetime) -> dict[str, Any] | None:
    """Return the newest look at drift, with words for its lights."""
    report = drift_latest(version)
    if report is None:
        return None
    before, after = report.regimes.get("before") or {}, report.regimes.get("now") or {}
    return {
        "report": report,
        "light": light(report.light),
        "is_late": is_late(report, now),
        "score": score_rows(report.score),
        "features": [
            {**row, "meaning": MEANINGS.get(row["name"], row["name"]), "mark": light(row["light"])}
            for row in report.features
        ],
        "parts": [
            {"label": label, "mark": light(part.get("light", "UNKNOWN")), "part": part}
            for label, part in (
                ("Score distribution", report.score),
                ("Calibration", report.calibration),
                ("Mix of regimes", report.regimes),
                ("Label delay", report.delay),
            )
        ],
        "mix": [
            {"regime": name, "before": _share(before, name), "now": _share(after, name)}
            for name in REGIMES
        ],
    }


def _share(mix: Any, name: str) -> float | None:
    """Return a share whether the mix is stored as counts or shares, by name or in order."""
    values = dict(zip(REGIMES, mix, strict=False)) if isinstance(mix, list) else mix
    total = sum(value or 0.0 for value in values.values())
    return (values.get(name) or 0.0) / total if total else None


def light(value: str) -> dict[str, str]:
    """Return the state a status word is drawn for, and the word itself."""
    state, word = LIGHTS.get(value, LIGHTS["UNKNOWN"])
    return {"state": state, "word": word}


def history(versions: Iterable[Any], strategy_key: str) -> list[dict[str, Any]]:
    """Return every version with its tested figures and what the gates said of it."""
    return [
        {
            "version": version,
            "figures": version.metrics.get("all") or {},
            "replacement": replacement(version.gates),
            "n_passed": sum(bool(gate.get("is_passed")) for gate in version.gates),
            "n_gates": len(version.gates),
        }
        for version in versions
        if version.strategy_key == strategy_key
    ]


def detector_context(found: DetectorQuality) -> dict[str, Any]:
    """Return the confusion matrix as rows with shares, delays and flips."""
    rows = []
    for name, counts in zip(REGIMES, found.confusion.tolist(), strict=True):
        total = sum(counts)
        cells = [
            {"regime": called, "n": n, "share": n / total if total else None}
            for called, n in zip(REGIMES, counts, strict=True)
        ]
        rows.append({"regime": name, "n": total, "cells": cells})
    n_found = len(found.delays_bars)
    return {
        "rows": rows,
        "n_bars": found.n_bars,
        "agreement": _finite(found.agreement),
        "median_delay": _finite(found.median_delay_bars),
        "n_found": n_found,
        "n_stretches": n_found + found.n_missed,
        "flips": _finite(found.flips_per_100_bars),
    }


def report_context(row: Any) -> dict[str, Any] | None:
    """Return a stored verification as tables; fields an older report lacks stay empty."""
    if row is None:
        return None
    report = row.report
    blind = (report.get("profit_blind") or {}).get("regimes") or {}
    return {
        "row": row,
        "rows": [
            {"regime": name, "part": part, "blind": blind.get(name) or {}}
            for name, part in (report.get("regimes") or {}).items()
        ],
        "all": report.get("all") or {},
        "spread_pp": report.get("spread_pp"),
        "goals": goal_rows(row.goals),
        "n_musts": sum(goal.get("must") is not None for goal in row.goals),
        "controls": [
            {
                "name": name.replace("_", " "),
                "is_passed": part.get("passed"),
                "reason": part.get("reason"),
            }
            for name, part in (report.get("controls") or {}).items()
            if isinstance(part, Mapping)
        ],
        "calibration": report.get("calibration") or {},
        "luck": report.get("luck") or {},
        "portfolio": report.get("portfolio") or {},
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
