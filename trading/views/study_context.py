"""What the pages of an optimization show, in plain values: leaders, heatmap, scatter, verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any
from urllib.parse import urlencode

import numpy as np
from django.http import HttpRequest

from elson.common.formatting import label_of, quantity, ratio
from elson.common.listing import page_of
from elson.common.templatetags.components.words import term
from trading.engine.search import Space, plateau_of, space_from
from trading.engine.search.judgement import GOOD_DEFLATED
from trading.engine.search.plateau import Plateau
from trading.selectors.strategies import rule_name, rules_of
from trading.selectors.studies import best_so_far, study_pace, trial_list, trials_counted
from trading.services.studies.progress import progress_values
from trading.views.backtest_words import caution_words

MOST_CELLS = 12
MOST_POINTS = 400
# The scatter's square, in its own units.
SIZE = 260
PAD = 30
# A Sharpe ratio a year of a half is worth a look, one of 1 is good: bins of the heatmap.
HEAT_EDGES = (0.05, 0.5, 1.0)
HEAT_SLUGS = ("h-m3", "h-m2", "h-m1", "h-0", "h-p1", "h-p2", "h-p3")


def list_row(study: Any) -> dict[str, Any]:
    """Return one line of the list."""
    verdict = study.judgement or {}
    return {
        "study": study,
        "strategy": rule_name(study.strategy_key),
        "percent": 100.0 * study.n_done / study.n_trials if study.n_trials else 0.0,
        "verdict": verdict_word(verdict),
        "deflated": verdict.get("deflated_sharpe"),
        "pbo": verdict.get("probability_of_overfitting"),
    }


def verdict_word(verdict: dict[str, Any]) -> tuple[str, str]:
    """Return tone and word of a judgement; ("", "") while there is none."""
    if not verdict:
        return "", ""
    if verdict["pick"] is None:
        return "warn", "Nothing ranked"
    return ("crit", "Overfit") if verdict["is_overfit"] else ("ok", "Holds up")


def live_context(request: HttpRequest, study: Any, chosen: dict[str, Any]) -> dict[str, Any]:
    """Return everything that changes while trials finish."""
    trials = list(trial_list(study))
    ranked = [trial for trial in trials if trial.objective is not None]
    zone = stable_zone(study, ranked)
    verdict = study.judgement or {}
    pace, steps = study_pace(study), best_so_far(study)
    pick = next((t for t in ranked if t.number == verdict.get("pick")), None)
    page = page_of(request, _unpinned(study, chosen))
    return {
        "progress": progress_values(study),
        "percent": 100.0 * study.n_done / study.n_trials if study.n_trials else 0.0,
        "pace": pace,
        "page": page,
        "leaders": _leaders(study, trials, list(page.object_list), chosen, zone, verdict),
        "n_ranked": len(ranked),
        "n_unranked": len(trials) - len(ranked),
        "failed": list(trial_list(study, failed=True)[:20]) if study.n_failed else [],
        "best_steps": steps,
        "best_values": [value for _, value in steps],
        "heat_axes": [("x", chosen["x"]), ("y", chosen["y"])],
        "heat": heat(ranked, zone, chosen["x"], chosen["y"]),
        "scatter": scatter(ranked, verdict.get("pick")),
        "verdict": verdict,
        "checks": checks(verdict),
        "importance": [
            (label_of(name), share)
            for name, share in sorted(
                (verdict.get("importance") or {}).items(), key=lambda item: -item[1]
            )
        ],
        "caution": caution_words(study.strategy_key, study.fixed | pick.parameters) if pick else "",
        "pick_values": [(label_of(name), v) for name, v in pick.parameters.items()] if pick else [],
        "pick": pick,
        "best": next((t for t in ranked if t.number == verdict.get("best")), None),
        "chosen": chosen,
        "moving": [(name, label_of(name)) for name in study.space],
    }


def stable_zone(study: Any, ranked: Sequence[Any]) -> set[int]:
    """Return the numbers of the trials within one standard error of the best plateau."""
    space = space_from(rules_of(study.strategy_key), study.space, study.fixed)
    plateau = _plateau(space, ranked, study.n_folds)
    return {ranked[k].number for k in plateau.zone} if plateau else set()


def _plateau(space: Space, ranked: Sequence[Any], n_folds: int) -> Plateau | None:
    if not ranked:
        return None
    ordered = sorted(ranked, key=lambda trial: trial.number)
    found = plateau_of(
        space.units([trial.parameters for trial in ordered]),
        np.array([trial.objective for trial in ordered]),
        np.array([_standard_error(trial, n_folds) for trial in ordered]),
    )
    place = {trial.number: k for k, trial in enumerate(ranked)}
    zone = np.array([place[ordered[k].number] for k in found.zone], dtype=np.int64)
    return Plateau(
        best=place[ordered[found.best].number],
        pick=place[ordered[found.pick].number],
        zone=zone,
        smoothed=found.smoothed,
        is_spike=found.is_spike,
        standard_error=found.standard_error,
    )


def _standard_error(trial: Any, n_folds: int) -> float:
    return float(trial.dispersion or 0.0) / math.sqrt(n_folds)


def _leaders(
    study: Any,
    trials: Sequence[Any],
    shown: Sequence[Any],
    chosen: dict[str, Any],
    zone: set[int],
    verdict: dict[str, Any],
) -> list[dict[str, Any]]:
    """Return the trials of this page, behind the pinned ones, which stand on every page."""
    ranks = {t.number: k for k, t in enumerate((t for t in trials if t.objective is not None), 1)}
    pinned = [trial for trial in trials if trial.number in chosen["pins"]]
    return [
        {
            "trial": trial,
            "rank": ranks.get(trial.number),
            "values": [(label_of(name), trial.parameters.get(name)) for name in study.space],
            "is_pinned": trial.number in chosen["pins"],
            "pin_query": _pin_query(chosen, trial.number),
            "is_stable": trial.number in zone,
            "is_pick": trial.number == verdict.get("pick"),
        }
        for trial in (*pinned, *shown)
    ]


def _unpinned(study: Any, chosen: dict[str, Any]) -> Any:
    rows = trial_list(study, sort=chosen["sort"], best_percent=chosen["percent"])
    return rows.exclude(number__in=chosen["pins"]) if chosen["pins"] else rows


def _pin_query(chosen: dict[str, Any], number: int) -> str:
    """Return the address that pins this trial, or lets it go."""
    pins = chosen["pins"] ^ {number}
    kept = [(name, chosen[name]) for name in ("sort", "x", "y")]
    if chosen["percent"] < 100.0:
        kept.append(("best", f"{chosen['percent']:.0f}"))
    return urlencode([*kept, *(("pin", pin) for pin in sorted(pins))])


def heat(ranked: Sequence[Any], zone: set[int], x: str, y: str) -> dict[str, Any] | None:
    """Lay the objective over two parameters; a cell is the middle of its trials."""
    if not ranked or x == y:
        return None
    columns, rows = (_bins([t.parameters[name] for t in ranked]) for name in (x, y))
    cells: dict[tuple[int, int], list[Any]] = {}
    for trial in ranked:
        place = (_bin_of(trial.parameters[y], rows), _bin_of(trial.parameters[x], columns))
        cells.setdefault(place, []).append(trial)
    best = max(ranked, key=lambda t: (t.objective, -t.number)).number
    return {
        "columns": [label for label, _ in columns],
        "column_spans": [span for _, span in columns],
        "rows": [
            {
                "label": label,
                "span": span,
                "cells": [_cell(cells.get((i, j), []), zone, best) for j in range(len(columns))],
            }
            for i, (label, span) in enumerate(rows)
        ],
        "x": x,
        "y": y,
        "x_label": label_of(x),
        "y_label": label_of(y),
    }


Bin = tuple[str, Any]


def _bins(values: Sequence[Any]) -> list[Bin]:
    """Return label and member test of each bin: the values themselves, or ranges of equal width."""
    distinct = sorted(set(values))
    if len(distinct) <= MOST_CELLS or isinstance(distinct[0], str):
        return [(v if isinstance(v, str) else quantity(v, 4), (v, v)) for v in distinct]
    low, high = float(distinct[0]), float(distinct[-1])
    edges = [low + (high - low) * k / MOST_CELLS for k in range(MOST_CELLS + 1)]
    return [(f"{_short(a)}–{_short(b)}", (a, b)) for a, b in pairwise(edges)]


def _short(value: float) -> str:
    """Three digits that count, with a real minus."""
    return quantity(float(f"{value:.3g}"), 6)


def _bin_of(value: Any, bins: Sequence[Bin]) -> int:
    return next((k for k, (_, (_, high)) in enumerate(bins) if value <= high), len(bins) - 1)


def _cell(trials: Sequence[Any], zone: set[int], best: int) -> dict[str, Any]:
    if not trials:
        return {"text": "", "value": None, "slug": "", "title": "no trial"}
    value = median(trial.objective for trial in trials)
    marks = {
        "is_best": any(trial.number == best for trial in trials),
        "is_stable": any(trial.number in zone for trial in trials),
    }
    slugs = [heat_slug(value), *(name.replace("_", "-") for name, is_so in marks.items() if is_so)]
    slug = " ".join(slugs)
    return {"text": ratio(value), "value": value, "slug": slug, "n": len(trials), **marks}


def heat_slug(value: float) -> str:
    """Return the class of the bin an objective falls into."""
    size = sum(abs(value) >= edge for edge in HEAT_EDGES)
    return HEAT_SLUGS[3 + size] if value > 0 else HEAT_SLUGS[3 - size]


def scatter(ranked: Sequence[Any], pick: int | None) -> dict[str, Any] | None:
    """Place trials by in-sample (across) and out-of-sample (up) Sharpe ratio."""
    if len(ranked) < 3:
        return None
    step = max(len(ranked) // MOST_POINTS, 1)
    kept = [trial for k, trial in enumerate(ranked) if k % step == 0 or trial.number == pick]
    xs = [trial.in_sample_sharpe for trial in kept]
    ys = [trial.out_of_sample_sharpe for trial in kept]
    low, high = min(*xs, *ys), max(*xs, *ys)
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return (SIZE - 2 * PAD) * (value - low) / span + PAD

    points = [
        {
            "x": f"{place(t.in_sample_sharpe):.1f}",
            "y": f"{SIZE - place(t.out_of_sample_sharpe):.1f}",
            "is_pick": t.number == pick,
            "title": f"trial {t.number}: {ratio(t.in_sample_sharpe)} in, "
            f"{ratio(t.out_of_sample_sharpe)} out",
        }
        for t in kept
    ]
    points.sort(key=lambda point: point["is_pick"])
    return {
        "points": points, "size": SIZE, "low": ratio(low, 1), "high": ratio(high, 1),
        "near": PAD, "far": SIZE - PAD, "n": len(ranked),
    }  # fmt: skip


def checks(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the overfit box."""
    if not verdict or verdict.get("pick") is None:
        return []
    return [
        *_luck_rows(verdict), *_split_rows(verdict), _procedure_row(verdict), _zone_row(verdict)
    ]  # fmt: skip


def _luck_rows(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    deflated = verdict["deflated_sharpe"]
    return [
        {
            "mark": "ok" if deflated is not None and deflated >= GOOD_DEFLATED else "crit",
            "label": term("Deflated Sharpe ratio"),
            "value": _percent(deflated),
            "why": f"Probability that the suggestion beats the best of "
            f"{verdict['n_trials_counted']:,} worthless trials; {GOOD_DEFLATED:.0%} is the bar.",
        },
        {
            "mark": "info",
            "label": "Best of as many by luck",
            "value": _number(verdict["expected_max_sharpe"]),
            "why": "Sharpe ratio a year expected of the luckiest when nothing works. Every "
            "backtest and trial of this strategy on this instrument counts.",
        },
    ]


def _split_rows(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    pbo, correlation = verdict["probability_of_overfitting"], verdict["rank_correlation"]
    return [
        {
            "mark": _pbo_mark(pbo),
            "label": term("Probability of overfitting", "probability-of-backtest-overfitting"),
            "value": _percent(pbo),
            "why": "How often the best of one half of history is in the worse half of the other.",
        },
        {
            "mark": "info" if correlation is None else "ok" if correlation > 0.2 else "warn",
            "label": "In-sample rank tells out-of-sample rank",
            "value": _number(correlation),
            "why": "Rank correlation; 0 means that being good before says nothing about after.",
        },
    ]


def _pbo_mark(pbo: float | None) -> str:
    if pbo is None:
        return "info"
    return "ok" if pbo < 0.25 else "warn" if pbo < 0.5 else "crit"


def _procedure_row(verdict: dict[str, Any]) -> dict[str, Any]:
    return {
        "mark": "ok" if (verdict["procedure_sharpe"] or 0.0) > 0 else "warn",
        "label": "Choosing the best each time",
        "value": _number(verdict["procedure_sharpe"]),
        "why": "Middle Sharpe ratio on the bars after each fold, had you taken its best trial.",
    }


def _zone_row(verdict: dict[str, Any]) -> dict[str, Any]:
    n_trials = len(verdict["zone"])
    return {
        "mark": "warn" if verdict["is_spike"] else "ok",
        "label": "Plateau or spike?",
        "value": "Spike" if verdict["is_spike"] else "Plateau",
        "why": f"The stable zone has {n_trials:,} trial{'' if n_trials == 1 else 's'} "
        "within one standard error.",
    }


def points_of(study: Any) -> dict[str, Any]:
    """Return what the parallel coordinates draw."""
    trials = trial_list(study)
    axes = [*study.space, "in_sample", "out_of_sample"]
    return {
        "axes": axes,
        "labels": {name: label_of(name) for name in ("number", "objective", *axes)},
        "rows": [
            {
                "number": trial.number,
                "objective": trial.objective,
                **trial.parameters,
                "in_sample": round(trial.in_sample_sharpe, 4),
                "out_of_sample": round(trial.out_of_sample_sharpe, 4),
            }
            for trial in trials
            if trial.objective is not None
        ],
    }


def counted(study: Any) -> int:
    """Return the trials ever counted of the study's family."""
    return trials_counted(
        user_id=study.user_id, strategy_key=study.strategy_key, instrument_id=study.instrument_id
    ).n_trials


def _percent(value: float | None) -> str:
    return "too few" if value is None else f"{value:.0%}"


def _number(value: float | None) -> str:
    return "too few" if value is None else ratio(value)
