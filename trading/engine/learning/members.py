"""What each member of a trained model says by itself, after its own calibration.

INPUT    a `FittedModel` and rows of features
OUTPUT   one probability per row and member; figures of one member
LOOKBACK none
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trading.engine.kernels import FloatArray
from trading.engine.learning.calibration import brier_score, brier_skill
from trading.engine.learning.export import MEMBER_KINDS, predict_nb
from trading.engine.learning.fitted import FittedModel


@dataclass(frozen=True, slots=True)
class MemberFigures:
    """One member alone, over some resolved candidates.

    `weight` is its share of the prediction; `mean_probability`, `brier` and `brier_skill` (against
    the win rate of the same candidates) are NaN without a candidate.
    """

    kind: str
    weight: float
    n: int
    mean_probability: float
    brier: float
    brier_skill: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, None for what is not defined."""
        values = asdict(self)
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in values.items()
        }


def member_kinds(model: FittedModel) -> tuple[str, ...]:
    """Name the members in their order: LOGISTIC, HIST_GRADIENT_BOOSTING or RANDOM_FOREST."""
    return tuple(MEMBER_KINDS[int(code)] for code in model.arrays.members[:, 0])


def member_probabilities(model: FittedModel, features: ArrayLike) -> FloatArray:
    """Ask each member alone.

    Parameters
    ----------
    model : FittedModel
        With one member or more.
    features : float64, shape (n, k)
        As for `FittedModel.probabilities`.

    Returns
    -------
    float64, shape (n, m)
        Calibrated probabilities; their mean over the members is what the model says.
    """
    rows = np.array(features, dtype=np.float64, order="C")
    arrays = model.arrays
    alone = [
        predict_nb(rows, *arrays._replace(members=arrays.members[k : k + 1].copy(),
                                          scalars=arrays.scalars[k : k + 1].copy(),
                                          linear=arrays.linear[:, k : k + 1].copy()))
        for k in range(arrays.members.shape[0])
    ]  # fmt: skip
    return np.stack(alone, axis=1)


def member_figures(
    kind: str, weight: float, probabilities: ArrayLike, is_win: ArrayLike
) -> MemberFigures:
    """Measure one member.

    Parameters
    ----------
    kind : str
        Its name.
    weight : float
        Its share of the prediction, in (0, 1].
    probabilities : float64, shape (n,)
        What it said, in [0, 1].
    is_win : bool, shape (n,)
        What happened.

    Returns
    -------
    MemberFigures
        See there.

    Raises
    ------
    ConfigInvalid, NonFiniteInput
        As `brier_score`.

    Examples
    --------
    >>> found = member_figures("LOGISTIC", 1.0, [0.8, 0.4], [True, False])
    >>> found.n, round(found.mean_probability, 6), round(found.brier, 6)
    (2, 0.6, 0.1)
    """
    p = np.asarray(probabilities, dtype=np.float64)
    return MemberFigures(
        kind=kind,
        weight=weight,
        n=int(p.shape[0]),
        mean_probability=float(p.mean()) if p.shape[0] else math.nan,
        brier=brier_score(p, is_win),
        brier_skill=brier_skill(p, is_win),
    )
