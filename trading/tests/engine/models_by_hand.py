"""Models written out by hand: every test but those of training needs a model, not a training."""

import numpy as np

from trading.engine.learning.export import BOOSTED, FOREST, ISOTONIC, LINEAR, SIGMOID, ModelArrays
from trading.engine.learning.fitted import QUANTILES, FittedModel

LEAF = [0, -1, -1]
NO_NODES = np.empty((0, 3), dtype=np.int64)
NO_NUMBERS = np.empty((0, 2))
NO_ROOTS = np.empty(0, dtype=np.int64)


def logistic(weights, names=None, *, intercept=0.0, score_quantiles=QUANTILES) -> FittedModel:
    """One linear member whose features are centered on 0.5 and scaled by 2."""
    n = len(weights)
    arrays = ModelArrays(
        fill=np.full(n, 0.25),
        members=np.array([[LINEAR, 0, 0, SIGMOID, 0, 0]]),
        scalars=np.array([[intercept, 1.0, -1.0, 0.0]]),
        linear=np.array([weights, np.full(n, 0.5), np.full(n, 2.0)])[:, None, :],
        nodes=NO_NODES,
        splits=NO_NUMBERS,
        roots=NO_ROOTS,
        curve=NO_NUMBERS,
    )
    return _model("LOGISTIC", arrays, names or tuple(f"f{k}" for k in range(n)), score_quantiles)


def ensemble() -> FittedModel:
    """A line, two boosted stumps and two trees of a forest, over two features.

    The line and the forest end in a sigmoid and an isotonic curve; the stumps of the boosting split
    the first feature at 0.5, the trees of the forest the second at 1.5.
    """
    arrays = ModelArrays(
        fill=np.array([1.0, 2.0]),
        members=np.array(
            [
                [LINEAR, 0, 0, SIGMOID, 0, 0],
                [BOOSTED, 0, 2, SIGMOID, 0, 0],
                [FOREST, 2, 2, ISOTONIC, 0, 4],
            ]
        ),
        scalars=np.array([[0.5, 1.0, -1.0, 0.0], [0.25, 1.0, -2.0, 0.5], [0.0, 2.0, 0.0, 0.0]]),
        linear=np.array([[[1.0, -2.0]] * 3, [[0.5, 1.0]] * 3, [[2.0, 4.0]] * 3]),
        nodes=np.array([[0, 1, 2], LEAF, LEAF, [0, 4, 5], LEAF, LEAF, [1, 7, 8], LEAF, LEAF, LEAF]),
        splits=np.column_stack(
            ([0.5, 0, 0, 0.5, 0, 0, 1.5, 0, 0, 0], [0, -1.0, 1.0, 0, -0.5, 0.5, 0, 0.2, 0.8, 0.5])
        ),
        roots=np.array([0, 3, 6, 9]),
        curve=np.array([[0.3, 0.1], [0.4, 0.3], [0.6, 0.7], [0.9, 0.7]]),
    )
    return _model("ENSEMBLE", arrays, ("first", "second"), QUANTILES)


def _model(kind, arrays, names, score_quantiles) -> FittedModel:
    return FittedModel(kind, tuple(names), arrays, np.asarray(score_quantiles), 0.5, 450, 150)
