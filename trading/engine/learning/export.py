"""Trained models as flat arrays, and the compiled prediction that reads them.

INPUT    scikit-learn estimators after training, or rows of features
OUTPUT   eight plain arrays; probabilities equal to scikit-learn's within 1e-12
LOOKBACK none

One set of arrays holds one or more members; a prediction is the mean of their calibrated
probabilities. Layout, with k features and m members:

- ``fill`` (k,): what stands in for NaN, the training mean;
- ``members`` int64 (m, 6): kind, first root, number of roots, calibration, first knot, knots;
- ``scalars`` (m, 4): intercept or base score, divisor, and the two sigmoid coefficients;
- ``linear`` (3, m, k): weights, centers and scales, zero for trees;
- ``nodes`` int64 (n, 3): feature, left, right (-1 in a leaf); ``splits`` (n, 2): threshold, value;
- ``roots`` int64 (t,): first node of each tree; ``curve`` (c, 2): isotonic knots, score to p.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from trading.engine.kernels import FloatArray, IntArray, kernel

LINEAR, BOOSTED, FOREST = 0, 1, 2
# Names of the members by their number, as `models.ModelKind` spells them.
MEMBER_KINDS = ("LOGISTIC", "HIST_GRADIENT_BOOSTING", "RANDOM_FOREST")
SIGMOID, ISOTONIC = 1, 2
MEMBER_COLUMNS, SCALAR_COLUMNS = 6, 4


class ModelArrays(NamedTuple):
    """The arrays of the module's docstring, in the order the kernels take them."""

    fill: FloatArray
    members: IntArray
    scalars: FloatArray
    linear: FloatArray
    nodes: IntArray
    splits: FloatArray
    roots: IntArray
    curve: FloatArray


@kernel
def tree_value_nb(
    row: FloatArray, root: int, rounds_to_single: bool, nodes: IntArray, splits: FloatArray
) -> float:
    """Walk one tree to its leaf."""
    node = root
    while nodes[node, 1] >= 0:
        value = row[nodes[node, 0]]
        if rounds_to_single:
            # scikit-learn's forests store features as float32 before they compare.
            value = float(np.float32(value))
        node = nodes[node, 1] if value <= splits[node, 0] else nodes[node, 2]
    return float(splits[node, 1])


@kernel
def score_nb(
    row: FloatArray,
    member: int,
    members: IntArray,
    scalars: FloatArray,
    linear: FloatArray,
    nodes: IntArray,
    splits: FloatArray,
    roots: IntArray,
) -> float:
    """Score of one member before calibration: log-odds, or a probability for a forest."""
    total = scalars[member, 0]
    kind = members[member, 0]
    if kind == 0:
        for j in range(row.shape[0]):
            scaled = (row[j] - linear[1, member, j]) / linear[2, member, j]
            total += linear[0, member, j] * scaled
        return float(total)
    first = members[member, 1]
    for r in range(first, first + members[member, 2]):
        total += tree_value_nb(row, roots[r], kind == 2, nodes, splits)
    return float(total / scalars[member, 1])


@kernel
def calibrate_nb(
    score: float, member: int, members: IntArray, scalars: FloatArray, curve: FloatArray
) -> float:
    """Turn a score into a probability by the member's sigmoid or isotonic curve."""
    if members[member, 3] == 1:
        exponent = scalars[member, 2] * score + scalars[member, 3]
        if exponent > 0.0:
            small = math.exp(-exponent)
            return small / (1.0 + small)
        return 1.0 / (1.0 + math.exp(exponent))
    low = members[member, 4]
    high = low + members[member, 5] - 1
    if score <= curve[low, 0]:
        return float(curve[low, 1])
    if score >= curve[high, 0]:
        return float(curve[high, 1])
    while high - low > 1:
        middle = (low + high) // 2
        if curve[middle, 0] < score:
            low = middle
        else:
            high = middle
    slope = (curve[high, 1] - curve[low, 1]) / (curve[high, 0] - curve[low, 0])
    return float(slope * (score - curve[low, 0]) + curve[low, 1])


@kernel
def predict_row_nb(
    row: FloatArray,
    fill: FloatArray,
    members: IntArray,
    scalars: FloatArray,
    linear: FloatArray,
    nodes: IntArray,
    splits: FloatArray,
    roots: IntArray,
    curve: FloatArray,
) -> float:
    """Probability of a win for one row of features; NaN takes its fill value."""
    full = np.empty(row.shape[0])
    for j in range(row.shape[0]):
        full[j] = fill[j] if np.isnan(row[j]) else row[j]
    total = 0.0
    for member in range(members.shape[0]):
        score = score_nb(full, member, members, scalars, linear, nodes, splits, roots)
        total += calibrate_nb(score, member, members, scalars, curve)
    return float(total / members.shape[0])


@kernel
def predict_nb(
    features: FloatArray,
    fill: FloatArray,
    members: IntArray,
    scalars: FloatArray,
    linear: FloatArray,
    nodes: IntArray,
    splits: FloatArray,
    roots: IntArray,
    curve: FloatArray,
) -> FloatArray:
    """Probability of a win for each row of features."""
    out = np.empty(features.shape[0])
    for i in range(features.shape[0]):
        out[i] = predict_row_nb(
            features[i], fill, members, scalars, linear, nodes, splits, roots, curve
        )
    return out


@dataclass(frozen=True, slots=True)
class _Trees:
    """Trees of one member before they are joined with the others."""

    nodes: IntArray
    splits: FloatArray
    roots: IntArray


_NO_TREES = _Trees(np.empty((0, 3), dtype=np.int64), np.empty((0, 2)), np.empty(0, dtype=np.int64))


def export(calibrated: list[Any]) -> ModelArrays:
    """Flatten trained and calibrated scikit-learn classifiers into one set of arrays.

    Parameters
    ----------
    calibrated : list of CalibratedClassifierCV
        Each over a frozen pipeline of `trading.engine.learning.models`, >= 1, all fitted on the
        same columns.

    Returns
    -------
    ModelArrays
        Predicting the mean of the classifiers' ``predict_proba(features)[:, 1]``.
    """
    rows, scalars, linear, trees, curves = [], [], [], [], []
    n_roots = n_knots = n_nodes = 0
    pipelines = [_pipeline(classifier) for classifier in calibrated]
    for classifier, pipeline in zip(calibrated, pipelines, strict=True):
        kind, base, divisor, lines, forest = _member(pipeline)
        code, slope, intercept, curve = _calibration(classifier)
        rows.append((kind, n_roots, forest.roots.shape[0], code, n_knots, curve.shape[0]))
        scalars.append((base, divisor, slope, intercept))
        linear.append(lines)
        trees.append(_shifted(forest, n_nodes))
        curves.append(curve)
        n_roots += forest.roots.shape[0]
        n_nodes += forest.nodes.shape[0]
        n_knots += curve.shape[0]
    return ModelArrays(
        fill=np.array(pipelines[0].named_steps["impute"].statistics_, dtype=np.float64),
        members=np.array(rows, dtype=np.int64),
        scalars=np.array(scalars, dtype=np.float64),
        linear=np.ascontiguousarray(np.stack(linear, axis=1)),
        nodes=np.concatenate([part.nodes for part in trees]),
        splits=np.concatenate([part.splits for part in trees]),
        roots=np.concatenate([part.roots for part in trees]),
        curve=np.concatenate(curves),
    )


def _pipeline(calibrated: Any) -> Any:
    return calibrated.calibrated_classifiers_[0].estimator.estimator


def _member(pipeline: Any) -> tuple[int, float, float, FloatArray, _Trees]:
    """Read kind, base score, divisor, linear part and trees of one pipeline."""
    model = pipeline.named_steps["model"]
    n_features = int(pipeline.n_features_in_)
    none = np.stack((np.zeros(n_features), np.zeros(n_features), np.ones(n_features)))
    if hasattr(model, "coef_"):
        scaler = pipeline.named_steps["scale"]
        lines = np.stack((model.coef_[0], scaler.mean_, scaler.scale_))
        return LINEAR, float(model.intercept_[0]), 1.0, lines, _NO_TREES
    if hasattr(model, "estimators_"):
        trees = _joined([_forest_tree(tree.tree_) for tree in model.estimators_])
        return FOREST, 0.0, float(len(model.estimators_)), none, trees
    trees = _joined([_boosted_tree(stage[0].nodes) for stage in model._predictors])
    return BOOSTED, float(np.ravel(model._baseline_prediction)[0]), 1.0, none, trees


def _calibration(calibrated: Any) -> tuple[int, float, float, FloatArray]:
    calibrator = calibrated.calibrated_classifiers_[0].calibrators[0]
    if hasattr(calibrator, "a_"):
        return SIGMOID, float(calibrator.a_), float(calibrator.b_), np.empty((0, 2))
    curve = np.column_stack((calibrator.X_thresholds_, calibrator.y_thresholds_))
    return ISOTONIC, 0.0, 0.0, np.ascontiguousarray(curve, dtype=np.float64)


def _forest_tree(tree: Any) -> _Trees:
    left = np.asarray(tree.children_left, dtype=np.int64)
    right = np.asarray(tree.children_right, dtype=np.int64)
    feature = np.where(left >= 0, tree.feature, 0).astype(np.int64)
    counts = tree.value[:, 0, :]
    win_share = counts[:, 1] / counts.sum(axis=1)
    threshold = np.where(left >= 0, tree.threshold, 0.0)
    return _tree(feature, left, right, threshold, win_share)


def _boosted_tree(nodes: Any) -> _Trees:
    is_leaf = nodes["is_leaf"].astype(bool)
    left = np.where(is_leaf, -1, nodes["left"].astype(np.int64))
    right = np.where(is_leaf, -1, nodes["right"].astype(np.int64))
    feature = np.where(is_leaf, 0, nodes["feature_idx"].astype(np.int64))
    threshold = np.where(is_leaf, 0.0, nodes["num_threshold"])
    return _tree(feature, left, right, threshold, nodes["value"])


def _tree(feature: Any, left: Any, right: Any, threshold: Any, value: Any) -> _Trees:
    nodes = np.column_stack((feature, left, right)).astype(np.int64)
    splits = np.column_stack((threshold, value)).astype(np.float64)
    return _Trees(nodes, splits, np.zeros(1, dtype=np.int64))


def _joined(trees: list[_Trees]) -> _Trees:
    shifted, n_nodes = [], 0
    for tree in trees:
        shifted.append(_shifted(tree, n_nodes))
        n_nodes += tree.nodes.shape[0]
    return _Trees(
        np.concatenate([tree.nodes for tree in shifted]),
        np.concatenate([tree.splits for tree in shifted]),
        np.concatenate([tree.roots for tree in shifted]),
    )


def _shifted(trees: _Trees, n_nodes: int) -> _Trees:
    """Renumber nodes as if `n_nodes` others stood in front."""
    nodes = trees.nodes.copy()
    nodes[:, 1:][nodes[:, 1:] >= 0] += n_nodes
    return _Trees(nodes, trees.splits, trees.roots + n_nodes)
