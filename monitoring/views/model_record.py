"""A version over time: whether it stayed reliable, its members, what replaced what, its data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django.urls import reverse

from elson.common import formatting
from marketdata.selectors.problems import SeriesProblem
from trading.engine.learning.models import ModelKind
from trading.engine.learning.reliability import Reliability
from trading.engine.types import Regime
from trading.selectors.model_reliability import reliability_rows
from trading.selectors.model_versions import FEWEST_RESOLVED

REGIMES = tuple(str(regime.value) for regime in Regime)
SPANS = (("year", "Rolling year"), ("quarter", "Single quarters"))
QUARTERS = {"year": 4, "quarter": 1}
# Points that fit side by side on a phone; the table holds every quarter.
MOST_POINTS = 40
# The schedule looks for drift once a day; a look older than two has missed one.
LATE = dt.timedelta(days=2)
MEMBER_NAMES = {
    ModelKind.LOGISTIC: "Logistic regression",
    ModelKind.HIST_GRADIENT_BOOSTING: "Gradient boosting",
    ModelKind.RANDOM_FOREST: "Random forest",
}
PROBLEM_WORDS = {
    "STALE": ("FAILED", "feed stale"),
    "WAITING": ("FAILED", "result overdue"),
    "MISSING": ("FAILED", "no bars"),
    "BAD_BARS": ("WARNING", "bad bars"),
    "GAP": ("WARNING", "gaps"),
    "BEHIND": ("IDLE", "ends early"),
}


def reliability(
    version: Any, *, source: str, over: str, since: dt.datetime | None
) -> dict[str, Any]:
    """Return what was said and what happened as time went on, newest first, and its points."""
    rows = reliability_rows(
        version, is_live=source == "live", n_quarters=QUARTERS[over], since=since
    )
    lines = [_line(row) for row in rows]
    enough = [line for line in lines if not line["is_too_few"]]
    return {
        "rows": lines[::-1],
        "points": enough[-MOST_POINTS:],
        "n_windows": len(enough),
        "n_reliable": sum(line["is_reliable"] for line in enough),
    }


def _line(row: Reliability) -> dict[str, Any]:
    return {
        "label": row.label,
        "n": row.n,
        "n_wins": row.n_wins,
        "said": row.mean_probability,
        "won": row.win_rate,
        "interval": row.interval,
        "is_reliable": row.is_reliable,
        "brier_skill": None if row.brier_skill != row.brier_skill else row.brier_skill,
        "is_too_few": row.n < FEWEST_RESOLVED,
    }


def members(version: Any) -> dict[str, Any]:
    """Return the sub-models with their weights and what each is worth alone, by regime."""
    measured = version.metrics.get("members") or []
    rows = [
        {
            "name": MEMBER_NAMES.get(row["kind"], row["kind"]),
            "weight": row["weight"],
            "all": row,
            "cells": [_member_cell(row["regimes"].get(name) or {}) for name in REGIMES],
        }
        for row in measured
    ]
    is_single = version.kind != ModelKind.ENSEMBLE
    return {
        "is_single": is_single,
        "name": MEMBER_NAMES.get(version.kind, version.kind),
        "rows": rows,
        "best": [_best(rows, k) for k in range(len(REGIMES))] if not is_single else [],
    }


def _member_cell(figures: Mapping[str, Any]) -> dict[str, Any]:
    n = figures.get("n") or 0
    return {**figures, "n": n, "is_too_few": n < FEWEST_RESOLVED}


def _best(rows: Sequence[Mapping[str, Any]], k: int) -> str:
    """Name the member with the highest skill in a regime; empty where none is known."""
    known = [
        (row["cells"][k]["brier_skill"], row["name"])
        for row in rows
        if not row["cells"][k]["is_too_few"] and row["cells"][k].get("brier_skill") is not None
    ]
    return max(known)[1] if known else ""


def score_rows(score: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the deciles of the score in training and now; [] where a look has none."""
    before, now = score.get("before") or [], score.get("now") or []
    if len(before) != len(now):
        return []
    return [
        {"share": k / (len(before) - 1), "before": then, "now": value}
        for k, (then, value) in enumerate(zip(before, now, strict=True))
    ]


def is_late(report: Any, now: dt.datetime) -> bool:
    """Tell whether the newest look at drift is older than the schedule allows."""
    return bool(now - report.created_at > LATE)


def replacement(gates: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return log-loss and win rate before and after on the same candidates, or None."""
    by_name = {gate["name"]: gate for gate in gates}
    log_loss = by_name.get("log_loss") or {}
    if log_loss.get("before") is None or log_loss.get("value") is None:
        return None
    return {
        "champion": log_loss.get("champion"),
        "before": log_loss["before"],
        "after": log_loss["value"],
        "n": int((by_name.get("candidates") or {}).get("value") or 0),
    }


def problem_row(problem: SeriesProblem, *, is_staff: bool) -> dict[str, Any]:
    """Return one open problem with the place where it is looked into."""
    state, word = PROBLEM_WORDS[problem.kind]
    href = reverse("instrument", args=[problem.symbol]) if problem.kind != "MISSING" else ""
    if is_staff:
        place = "ingestrun" if problem.kind in {"BAD_BARS", "MISSING"} else "barseries"
        href = reverse(f"admin:marketdata_{place}_changelist") + f"?q={problem.symbol}"
    return {"problem": problem, "state": state, "word": word, "href": href}


def problem_counts(problems: Sequence[SeriesProblem]) -> str:
    """Say how many there are of each kind, `2 gaps, 1 ends early`."""
    kinds = [problem.kind for problem in problems]
    return ", ".join(
        f"{formatting.number(kinds.count(kind), 0)} {word}"
        for kind, (_, word) in PROBLEM_WORDS.items()
        if kind in kinds
    )
