"""Where the trials of a search lie: the stable zone, the map over two parameters, every line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from elson.common.errors import Conflict
from elson.common.formatting import quantity, ratio
from trading.engine.errors import EngineError
from trading.engine.search import plateau_of, space_from
from trading.selectors.parameter_words import parameter_label, parameter_text
from trading.selectors.strategies import rules_of
from trading.selectors.studies import trials_counted, trials_ranked

MOST_CELLS = 12
# A Sharpe ratio a year of a half is worth a look, one of 1 is good: bins of the heatmap.
HEAT_EDGES = (0.05, 0.5, 1.0)
HEAT_SLUGS = ("h-m3", "h-m2", "h-m1", "h-0", "h-p1", "h-p2", "h-p3")


class RulesChanged(Conflict):
    """The installed rules have no longer the parameters a search moved."""


def points_of(study: Any) -> dict[str, Any]:
    """Return what the parallel coordinates draw."""
    axes = [*study.space, "in_sample", "out_of_sample"]
    return {
        "axes": axes,
        "labels": {name: parameter_label(name) for name in ("number", "objective", *axes)},
        "rows": [
            {
                "number": trial.number,
                "objective": trial.objective,
                **trial.parameters,
                "in_sample": round(trial.in_sample_sharpe, 4),
                "out_of_sample": round(trial.out_of_sample_sharpe, 4),
            }
            for trial in trials_ranked(study)
        ],
    }


def counted(study: Any) -> int:
    """Return the trials ever counted of the study's family."""
    return trials_counted(
        user_id=study.user_id, strategy_key=study.strategy_key, instrument_id=study.instrument_id
    ).n_trials


def stable_zone(study: Any, ranked: Sequence[Any]) -> set[int]:
    """Return the numbers of the trials within one standard error of the best plateau.

    Raises StrategyNotInstalled, and RulesChanged where the rules have other parameters by now.
    """
    try:
        space = space_from(rules_of(study.strategy_key), study.space, study.fixed)
    except EngineError as error:
        raise RulesChanged(
            "RULES_CHANGED", f"The rules have changed since optimization #{study.pk}: {error}."
        ) from error
    if not ranked:
        return set()
    # By number, as the judgement reads them: where neighbors tie, their order decides.
    ordered = sorted(ranked, key=lambda trial: trial.number)
    plateau = plateau_of(
        space.units([trial.parameters for trial in ordered]),
        np.array([trial.objective for trial in ordered]),
        np.array([_standard_error(trial, study.n_folds) for trial in ordered]),
    )
    return {ordered[k].number for k in plateau.zone}


def _standard_error(trial: Any, n_folds: int) -> float:
    return float(trial.dispersion or 0.0) / math.sqrt(n_folds)


def heat(ranked: Sequence[Any], zone: set[int], x: str, y: str) -> dict[str, Any] | None:
    """Lay the objective over two parameters; a cell is the middle of its trials."""
    if not ranked or x == y:
        return None
    columns, rows = (_bins(name, [t.parameters[name] for t in ranked]) for name in (x, y))
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
        "x_label": parameter_label(x),
        "y_label": parameter_label(y),
    }


Bin = tuple[str, Any]


def _bins(name: str, values: Sequence[Any]) -> list[Bin]:
    """Return label and member test of each bin: the values themselves, or ranges of equal width."""
    distinct = sorted(set(values))
    if len(distinct) <= MOST_CELLS or isinstance(distinct[0], str):
        return [(parameter_text(name, v), (v, v)) for v in distinct]
    low, high = float(distinct[0]), float(distinct[-1])
    if all(float(value).is_integer() for value in distinct):
        return _whole_bins(int(low), int(high))
    edges = [low + (high - low) * k / MOST_CELLS for k in range(MOST_CELLS + 1)]
    return [(f"{_short(a)}–{_short(b)}", (a, b)) for a, b in pairwise(edges)]


def _whole_bins(low: int, high: int) -> list[Bin]:
    """Part whole numbers into ranges of as many; the last one may have fewer.

    Examples
    --------
    >>> _whole_bins(5, 30)[0], _whole_bins(5, 30)[-1]
    (('5–7', (5, 7)), ('29–30', (29, 30)))
    """
    width = -(-(high - low + 1) // MOST_CELLS)
    spans = [(first, min(first + width - 1, high)) for first in range(low, high + 1, width)]
    return [(f"{a}–{b}" if a != b else f"{a}", (a, b)) for a, b in spans]


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
