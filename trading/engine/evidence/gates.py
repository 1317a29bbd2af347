"""The model of the hybrid strategy, walked forward: one logistic gate per year.

INPUT    setups of the training instruments with their features and outcomes
OUTPUT   per year plain weights, and P(win) at each bar of the instruments under test
LOOKBACK the gate of a year has seen outcomes known 17 days before that year, never the year

The label is a net win with the profit-blind exit, because only such a win says something about the
entry. The model is the product's logistic regression with few, unit-free features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trading.engine import hybrid
from trading.engine.evidence.instruments import EvidenceInstrument
from trading.engine.evidence.rules import learning_setups
from trading.engine.evidence.trips import blind_plan, outcomes
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.learning.fitted import FittedModel
from trading.engine.learning.models import ModelKind, fit
from trading.engine.walkforward import Fold, yearly_folds

MINIMUM_SETUPS = 500
MODEL_SEED = 7


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """The model of one year.

    Attributes
    ----------
    year : int
        In which it decides.
    model : FittedModel
        Trained and calibrated on earlier years; the product's own flat arrays.
    threshold : float
        Candidates with a lower probability are vetoed: the tenth of the calibration setups that
        looked worst lies below it.
    """

    year: int
    model: FittedModel
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class LearningSet:
    """Pooled setups, one row each, in order of instrument and time.

    `features` has shape (n, 10); times are nanoseconds UTC; `won` is 1 for a net win with
    the profit-blind exit.
    """

    features: FloatArray
    decided_at: IntArray
    resolved_at: IntArray
    won: IntArray


def learning_set(instruments: Sequence[EvidenceInstrument]) -> LearningSet:
    """Collect every setup with its features and its outcome.

    Parameters
    ----------
    instruments : sequence of EvidenceInstrument
        To learn from.

    Returns
    -------
    LearningSet
        Setups whose features are complete and whose outcome is known.
    """
    parts = [_setups(instrument) for instrument in instruments]
    if not parts:
        parts = [_empty()]
    return LearningSet(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def yearly_gates(learned: LearningSet, years: Sequence[int]) -> dict[int, Gate]:
    """Fit one gate for each year that has enough before it.

    Parameters
    ----------
    learned : LearningSet
        Setups of the training instruments.
    years : sequence of int
        Years that will be decided.

    Returns
    -------
    dict
        Year to `Gate`; a year without 500 earlier setups of both outcomes has none, and the rule
        decides it alone.
    """
    wanted = np.array([f"{year}-01-01" for year in years], dtype="datetime64[ns]")
    folds = yearly_folds(
        learned.decided_at,
        learned.resolved_at,
        minimum=MINIMUM_SETUPS,
        test_decided_at=wanted.astype(np.int64),
    )
    gates = (_fit(learned, fold) for fold in folds)
    return {gate.year: gate for gate in gates if gate is not None}


def gate_probabilities(
    instrument: EvidenceInstrument, gates: Mapping[int, Gate], signals: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return P(win) and the veto threshold at each signal.

    Parameters
    ----------
    instrument : EvidenceInstrument
        Under test.
    gates : mapping of int to Gate
        By year.
    signals : int64, shape (n_bars,)
        1 where the model is asked.

    Returns
    -------
    float64, float64, each of shape (n_bars,)
        Probability, NaN where nobody asked, without a gate or without complete features; threshold,
        0 without a gate. Value at i uses bars 0..i and gates of earlier years' outcomes.
    """
    n_bars = len(instrument.bars)
    probabilities, thresholds = np.full(n_bars, np.nan), np.zeros(n_bars)
    asked = np.flatnonzero(signals)
    features = features_of(instrument)[asked]
    is_complete = np.isfinite(features).all(axis=1)
    years = instrument.years[asked]
    for year in np.unique(years).tolist():
        gate = gates.get(year)
        rows = (years == year) & is_complete
        if gate is None or not rows.any():
            continue
        probabilities[asked[rows]] = gate.model.probabilities(features[rows])
        thresholds[asked[rows]] = gate.threshold
    return probabilities, thresholds


def features_of(instrument: EvidenceInstrument) -> FloatArray:
    """Return the model's inputs at each bar, float64 of shape (n_bars, 10)."""
    return hybrid.model_features(
        instrument.bars, instrument.inputs, instrument.regimes, instrument.rates
    )


def _setups(
    instrument: EvidenceInstrument,
) -> tuple[FloatArray, IntArray, IntArray, IntArray]:
    marked = learning_setups(instrument)
    if not marked.any():
        return _empty()
    features = features_of(instrument)
    played = outcomes(instrument, marked, blind_plan(instrument))
    rows = np.flatnonzero((played.exit_bars >= 0) & np.isfinite(features).all(axis=1))
    closed_at = instrument.bars.closed_at
    return (
        features[rows],
        closed_at[rows],
        closed_at[played.exit_bars[rows]],
        (played.net[rows] > 0.0).astype(np.int64),
    )


def _empty() -> tuple[FloatArray, IntArray, IntArray, IntArray]:
    none = np.empty(0, dtype=np.int64)
    return np.empty((0, len(hybrid.FEATURE_NAMES))), none, none, none


def _fit(learned: LearningSet, fold: Fold) -> Gate | None:
    for part in (fold.train, fold.calibration):
        if len(set(learned.won[part].tolist())) < 2:
            return None
    rows = np.concatenate((fold.train, fold.calibration))
    # In order of time, as the model splits off its own newest quarter; ties by the given order.
    rows = rows[np.argsort(learned.decided_at[rows], kind="stable")]
    model = fit(
        ModelKind.LOGISTIC,
        learned.features[rows],
        learned.won[rows] == 1,
        rng_seed=MODEL_SEED,
        decided_at=learned.decided_at[rows],
        resolved_at=learned.resolved_at[rows],
    )
    return Gate(fold.year, model, model.threshold(hybrid.VETO_SHARE))
