"""What the hybrid reads of a series before any parameter is known, and what its models answer.

INPUT    bars, the line of the cost table, models each in force from its own moment
OUTPUT   costs, ratios and features per bar; P(win) of the bars that are asked about
LOOKBACK 252 bars

Trials of one search differ in parameters alone: everything here is computed once while the bars
live, and a model is asked once about a bar.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketdata.types import Bars, FloatArray, IntArray
from trading.engine import hybrid
from trading.engine.costs import CostModel, commission_rates
from trading.engine.hybrid import HybridInputs
from trading.engine.learning.features import GATE_FEATURES, feature_table
from trading.engine.learning.fitted import Models
from trading.engine.once import once_per_bars
from trading.engine.regimes import regimes_of
from trading.engine.types import AssetClass

# Stands for a probability where no model was asked.
NOT_ASKED = -1.0
# The share of the model's own probabilities at which the full weight is reached.
FULL_SHARE = 0.9


class DipMarket(NamedTuple):
    """Inputs of the rule, cost per side as a fraction, and 1 where dips may be bought at all."""

    inputs: HybridInputs
    cost_rate: FloatArray
    is_tradable: IntArray


class Answers(NamedTuple):
    """Model in force at each bar (-1 none), whether it knows every feature, and its P(win).

    A probability is NaN until somebody asks.
    """

    in_force: IntArray
    can_answer: NDArray[np.bool_]
    probability: FloatArray


@once_per_bars
def dip_market(bars: Bars, cost_class: AssetClass) -> DipMarket:
    """Return what the rule reads at each bar at the costs of an asset class."""
    rates = commission_rates(CostModel(preset=cost_class), regimes_of(bars).codes)
    inputs = hybrid.hybrid_inputs(bars)
    return DipMarket(inputs, rates, hybrid.tradable_bars(bars, cost_class, rates, inputs.atr))


@once_per_bars
def gate_features(bars: Bars, cost_class: AssetClass) -> Mapping[str, FloatArray]:
    """Return the models' features by name, each of shape (n_bars,)."""
    rates = dip_market(bars, cost_class).cost_rate
    table = feature_table(bars, regimes_of(bars), rates).columns(GATE_FEATURES)
    return {name: table[:, j].copy() for j, name in enumerate(GATE_FEATURES)}


def asked(
    bars: Bars,
    cost_class: AssetClass,
    candidates: IntArray,
    models: Models,
    veto_shares: tuple[float, ...],
) -> dict[str, FloatArray]:
    """Ask each model about the candidates of its time.

    Parameters
    ----------
    bars : Bars
        Of one instrument.
    cost_class : AssetClass
        Line of the cost table.
    candidates : int64, shape (n_bars,)
        1 where a model is to be asked.
    models : tuple of DatedModel
        Oldest first; may be empty.
    veto_shares : tuple of float, shape (4,)
        Share of its calibration candidates that a model refuses, in [0, 1], by regime of the bar.

    Returns
    -------
    dict
        ``probability``, ``threshold`` and ``full``, -1 where no model was asked; ``model``, the
        index of the one in force, -1 for none; with models, ``feature:<name>`` for each feature.
    """
    n_bars = len(bars)
    arrays = {name: np.full(n_bars, NOT_ASKED) for name in ("probability", "threshold", "full")}
    if not models:
        return arrays | {"model": np.full(n_bars, -1.0)}
    features = gate_features(bars, cost_class)
    answers = _answers(bars, cost_class, models)
    rows = np.flatnonzero((candidates == 1) & answers.can_answer)
    _ask(answers, features, rows, models)
    places = answers.in_force[rows]
    arrays["probability"][rows] = answers.probability[rows]
    # A candidate has a regime; the others are not among the rows.
    codes = regimes_of(bars).relative_codes[rows]
    thresholds = np.array([_thresholds(models, share) for share in veto_shares])
    arrays["threshold"][rows] = thresholds[codes, places]
    arrays["full"][rows] = _thresholds(models, FULL_SHARE)[places]
    named = {f"feature:{name}": values for name, values in features.items()}
    return arrays | {"model": answers.in_force.astype(np.float64)} | named


@once_per_bars
def _answers(bars: Bars, cost_class: AssetClass, models: Models) -> Answers:
    moments = np.array([dated.valid_from for dated in models], dtype=np.int64)
    in_force = np.searchsorted(moments, bars.closed_at, side="right") - 1
    known = [np.isfinite(values) for values in gate_features(bars, cost_class).values()]
    can_answer = (in_force >= 0) & np.all(known, axis=0)
    return Answers(in_force, can_answer, np.full(len(bars), np.nan))


def _ask(
    answers: Answers, features: Mapping[str, FloatArray], rows: IntArray, models: Models
) -> None:
    """Fill in what no trial has asked before; the same question has the same answer."""
    open_rows = rows[np.isnan(answers.probability[rows])]
    for k in np.unique(answers.in_force[open_rows]):
        mine = open_rows[answers.in_force[open_rows] == k]
        model = models[k].model
        table = np.column_stack([features[name][mine] for name in model.names])
        answers.probability[mine] = model.probabilities(table)


@lru_cache(maxsize=16)
def _thresholds(models: Models, share: float) -> FloatArray:
    return np.array([dated.model.threshold(share) for dated in models])
