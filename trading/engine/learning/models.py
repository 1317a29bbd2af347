"""Training of the win probability: scikit-learn pipelines, calibrated, then flattened.

INPUT    features of past candidates in order of time, whether each won, a weight for each
OUTPUT   a `FittedModel`: plain arrays, no scikit-learn needed to predict, JSON both ways
LOOKBACK the rows given; the caller purges them (`labels.is_purged`)

The first three quarters of the rows train, the last quarter calibrates and gives the distribution
of scores from which thresholds are chosen. scikit-learn is imported when something is trained, so
that processes which only predict do not pay for it.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trading.engine.errors import ConfigInvalid, NonFiniteInput
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.learning.export import export, predict_nb
from trading.engine.learning.features import GATE_FEATURES
from trading.engine.learning.fitted import QUANTILES, FittedModel
from trading.engine.learning.labels import is_purged

MINIMUM_ROWS = 80
CALIBRATION_SHARE = 0.25
# How many rows of a calibration tell as much as one would if rows were independent.
CLUSTERING = 10.0
SIGMOID, ISOTONIC = "sigmoid", "isotonic"


class ModelKind(StrEnum):
    """What can be trained; ENSEMBLE is the equal-weight mean of the other three."""

    LOGISTIC = "LOGISTIC"
    HIST_GRADIENT_BOOSTING = "HIST_GRADIENT_BOOSTING"
    RANDOM_FOREST = "RANDOM_FOREST"
    ENSEMBLE = "ENSEMBLE"


MEMBERS = (ModelKind.LOGISTIC, ModelKind.HIST_GRADIENT_BOOSTING, ModelKind.RANDOM_FOREST)


def fit(
    kind: str,
    features: ArrayLike,
    labels: ArrayLike,
    *,
    rng_seed: int,
    names: tuple[str, ...] = GATE_FEATURES,
    calibration: str = SIGMOID,
    decided_at: ArrayLike | None = None,
    resolved_at: ArrayLike | None = None,
) -> FittedModel:
    """Train, calibrate and flatten one kind of model.

    Parameters
    ----------
    kind : str
        A `ModelKind`.
    features : float64, shape (n, k)
        Rows in order of decision time; NaN where unknown, no infinity.
    labels : bool, shape (n,)
        True for a win.
    rng_seed : int
        Seed of the trees; the same seed and rows give the same model.
    names : tuple of str
        Names of the k columns.
    calibration : {"sigmoid", "isotonic"}
        Of tree models; a logistic model always gets the sigmoid.
    decided_at, resolved_at : int64, shape (n,) or None
        With both, training rows whose result was known only after the first calibration decision
        are left out.

    Returns
    -------
    FittedModel
        See there.

    Raises
    ------
    ConfigInvalid, NonFiniteInput
        For unknown kinds, lengths that differ, fewer than 80 rows, or a part of the rows in which
        every label is the same.

    Notes
    -----
    NaN is replaced by the training mean in every kind, so that trees and lines treat it alike.
    """
    x, y = _rows(features, labels, names)
    _check_choices(kind, calibration)
    train, late = _parts(y, decided_at, resolved_at)
    fitted = [
        _calibrated(member, x, y, train, late, rng_seed, calibration)
        for member in (MEMBERS if kind == ModelKind.ENSEMBLE else (ModelKind(kind),))
    ]
    arrays = export(fitted)
    scores = predict_nb(np.ascontiguousarray(x[late]), *arrays)
    return FittedModel(
        kind=str(kind),
        names=tuple(names),
        arrays=arrays,
        score_quantiles=np.quantile(scores, QUANTILES),
        base_rate=float(np.mean(y[train])),
        n_train=int(train.shape[0]),
        n_calibration=int(late.shape[0]),
    )


def fit_classifiers(
    kind: str,
    features: ArrayLike,
    labels: ArrayLike,
    *,
    rng_seed: int,
    calibration: str = SIGMOID,
) -> list[Any]:
    """Train the scikit-learn classifiers themselves; the oracle of what `fit` flattens.

    Parameters, errors and order of rows as for `fit`.

    Returns
    -------
    list of CalibratedClassifierCV
        One per member.
    """
    columns = np.asarray(features, dtype=np.float64).shape[-1]
    x, y = _rows(features, labels, tuple(str(j) for j in range(columns)))
    _check_choices(kind, calibration)
    train, late = _parts(y, None, None)
    members = MEMBERS if kind == ModelKind.ENSEMBLE else (ModelKind(kind),)
    return [_calibrated(m, x, y, train, late, rng_seed, calibration) for m in members]


def pipeline(kind: ModelKind, rng_seed: int) -> Any:
    """Return the untrained scikit-learn pipeline of one kind; few and strongly regularized trees.

    Steps are named ``impute``, ``scale`` (logistic only) and ``model``.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    steps: list[tuple[str, Any]] = [
        ("impute", SimpleImputer(strategy="mean", keep_empty_features=True))
    ]
    if kind is ModelKind.LOGISTIC:
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        steps.append(("scale", StandardScaler()))
        steps.append(("model", LogisticRegression(C=0.02, max_iter=1_000)))
    elif kind is ModelKind.HIST_GRADIENT_BOOSTING:
        from sklearn.ensemble import HistGradientBoostingClassifier

        boosted = HistGradientBoostingClassifier(
            max_iter=60,
            learning_rate=0.05,
            max_leaf_nodes=8,
            min_samples_leaf=40,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=rng_seed,
        )
        steps.append(("model", boosted))
    else:
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(
            n_estimators=60, max_depth=4, min_samples_leaf=25, random_state=rng_seed, n_jobs=1
        )
        steps.append(("model", forest))
    return Pipeline(steps)


def _calibrated(
    kind: ModelKind,
    x: FloatArray,
    y: FloatArray,
    train: IntArray,
    late: IntArray,
    rng_seed: int,
    calibration: str,
) -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    model = pipeline(kind, rng_seed)
    model.fit(x[train], y[train])
    # Between two scores a hair apart an isotonic curve may jump, and a linear score differs by
    # the order of its sum: only the sums of trees are reproduced to the bit.
    method = SIGMOID if kind is ModelKind.LOGISTIC else calibration
    calibrated = CalibratedClassifierCV(FrozenEstimator(model), method=method)
    calibrated.fit(x[late], y[late])
    if kind is ModelKind.LOGISTIC:
        line = calibrated.calibrated_classifiers_[0].calibrators[0]
        scores = model.decision_function(x[late])
        line.a_, line.b_ = shrunk_line(line.a_, line.b_, scores, float(y[late].mean()))
    return calibrated


def shrunk_line(
    slope: float, intercept: float, scores: FloatArray, base_rate: float
) -> tuple[float, float]:
    """Draw log-odds to the base rate by as much as their slope is uncertain.

    Keeps ``z^2 / (z^2 + CLUSTERING)`` of the slope, z its number of standard errors were the rows
    independent. Dips of one week share their fate, so they tell less than their number says: the
    slope that came true out of sample was about half of the fitted one (docs/research/
    win-rates.md). Ranks, and so vetoes, stay as they are.

    Parameters
    ----------
    slope, intercept : float
        As scikit-learn writes them, ``p = 1 / (1 + exp(slope * score + intercept))``.
    scores : float64, shape (n_rows,)
        Of the rows the line was fitted to.
    base_rate : float
        Share of wins among them, above 0 and below 1.

    Returns
    -------
    tuple of float
        Slope and intercept of the shrunk line.

    Examples
    --------
    >>> shrunk_line(0.0, 0.3, np.array([-1.0, 1.0]), 0.5)  # a line that says nothing
    (0.0, 0.0)
    """
    p = 1.0 / (1.0 + np.exp(slope * scores + intercept))
    weight = p * (1.0 - p)
    center = (weight * scores).sum() / weight.sum()
    squared_z = slope**2 * float((weight * (scores - center) ** 2).sum())
    kept = float(squared_z / (squared_z + CLUSTERING))
    base_odds = math.log(base_rate / (1.0 - base_rate))
    return slope * kept, kept * intercept - (1.0 - kept) * base_odds


def _parts(
    y: FloatArray, decided_at: ArrayLike | None, resolved_at: ArrayLike | None
) -> tuple[IntArray, IntArray]:
    """Split rows into training and calibration, both with wins and losses."""
    n = y.shape[0]
    if n < MINIMUM_ROWS:
        raise ConfigInvalid(f"{n} labeled candidates are too few to train; {MINIMUM_ROWS} needed")
    split = n - int(n * CALIBRATION_SHARE)
    train, late = np.arange(split), np.arange(split, n)
    if decided_at is not None and resolved_at is not None:
        decided = np.asarray(decided_at, dtype=np.int64)
        if (np.diff(decided) < 0).any():
            raise ConfigInvalid("rows must be in order of decided_at")
        purged = is_purged(decided, resolved_at, int(decided[split]))
        train = train[~purged[:split]]
    for name, rows in (("training", train), ("calibration", late)):
        n_wins = int(y[rows].sum())
        if not 0 < n_wins < rows.shape[0]:
            raise ConfigInvalid(
                f"{name} rows hold {n_wins} wins of {rows.shape[0]}; both results are needed"
            )
    return train, late


def _check_choices(kind: str, calibration: str) -> None:
    if kind not in list(ModelKind):
        raise ConfigInvalid(f"no model kind {kind!r}; there are {', '.join(ModelKind)}")
    if calibration not in (SIGMOID, ISOTONIC):
        raise ConfigInvalid(f"calibration {calibration!r} must be {SIGMOID} or {ISOTONIC}")


def _rows(
    features: ArrayLike, labels: ArrayLike, names: tuple[str, ...]
) -> tuple[FloatArray, FloatArray]:
    x = np.ascontiguousarray(features, dtype=np.float64)
    y = np.asarray(labels, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != len(names):
        raise ConfigInvalid(
            f"features {x.shape} must have one column for each of {len(names)} names"
        )
    if y.shape != (x.shape[0],):
        raise ConfigInvalid(f"features {x.shape} and labels {y.shape} differ")
    if np.isinf(x).any():
        row, column = np.argwhere(np.isinf(x))[0]
        raise NonFiniteInput(f"feature {names[column]} of row {row} is {x[row, column]}")
    if not np.isin(y, (0.0, 1.0)).all():
        raise ConfigInvalid("labels must be 0 or 1")
    return x, y
