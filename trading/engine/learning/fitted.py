"""A trained model as a value: predict, explain, store, compare by content.

INPUT    rows of features in the order of `FittedModel.names`
OUTPUT   probabilities of a win, contributions per feature, JSON with a content hash
LOOKBACK none
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trading.engine.errors import ConfigInvalid, NonFiniteInput, StateInvalid
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.learning.export import (
    LINEAR,
    MEMBER_COLUMNS,
    SCALAR_COLUMNS,
    SIGMOID,
    ModelArrays,
    predict_nb,
    predict_row_nb,
)

FORMAT = 1
QUANTILES = np.linspace(0.0, 1.0, 101)
EXACT_TERMS = "exact terms of the log-odds"
ONE_LEFT_OUT = "probability minus the probability with this feature at its training mean"


@dataclass(frozen=True, slots=True)
class Contributions:
    """What each feature adds to one prediction, beginning from a row of training means.

    `method` names how it was computed. `base` is the score of that mean row and `score` that of the
    prediction: log-odds of the calibrated probability for exact terms, the probability itself
    otherwise. `values` are signed, on the same scale; what they leave of the way from base to score
    is `interplay`, 0 for exact terms up to rounding.
    """

    method: str
    names: tuple[str, ...]
    values: tuple[float, ...]
    base: float
    score: float

    @property
    def interplay(self) -> float:
        """Return what features do together and none does alone."""
        return self.score - self.base - sum(self.values)

    def largest(self, n: int) -> tuple[tuple[str, float], ...]:
        """Return the n features with the largest absolute contribution, largest first."""
        pairs = sorted(
            zip(self.names, self.values, strict=True), key=lambda pair: (-abs(pair[1]), pair[0])
        )
        return tuple(pairs[:n])


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """A calibrated probability of a win after costs.

    Attributes
    ----------
    kind : str
        A `models.ModelKind`.
    names : tuple of str
        Features in the order of the columns.
    arrays : ModelArrays
        What the kernels read.
    score_quantiles : float64, shape (101,)
        Percentiles 0 to 100 of the probabilities on the calibration rows.
    base_rate : float
        Weighted win rate of the training rows.
    n_train, n_calibration : int
        Rows of either part.
    """

    kind: str
    names: tuple[str, ...]
    arrays: ModelArrays
    score_quantiles: FloatArray
    base_rate: float
    n_train: int
    n_calibration: int

    def probabilities(self, features: ArrayLike) -> FloatArray:
        """Return the probability of a win for each row.

        Parameters
        ----------
        features : float64, shape (n, k)
            Columns as in `names`; NaN where unknown, no infinity.

        Returns
        -------
        float64, shape (n,)
            In [0, 1].

        Raises
        ------
        ConfigInvalid, NonFiniteInput
            For another number of columns, or an infinite value.
        """
        rows = np.array(features, dtype=np.float64, order="C")
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise ConfigInvalid(
                f"features {rows.shape} must have the model's {len(self.names)} columns"
            )
        if np.isinf(rows).any():
            row, column = np.argwhere(np.isinf(rows))[0]
            raise NonFiniteInput(f"feature {self.names[column]} of row {row} is infinite")
        return predict_nb(rows, *self.arrays)

    def probability(self, row: FloatArray) -> float:
        """Return the probability of one row, float64, shape (k,), C-contiguous; NaN allowed."""
        return float(predict_row_nb(row, *self.arrays))

    def threshold(self, share: float) -> float:
        """Return the probability below which `share` of the calibration rows lay.

        Raises
        ------
        ConfigInvalid
            If ``share`` is not in [0, 1].
        """
        if not 0.0 <= share <= 1.0:
            raise ConfigInvalid(f"share {share} must lie between 0 and 1")
        return float(np.interp(share, QUANTILES, self.score_quantiles))

    def contributions(self, row: FloatArray) -> Contributions:
        """Attribute one prediction to the features.

        Exact for a single linear model calibrated by a sigmoid; otherwise each feature in turn is
        set to its training mean and the probability compared.
        """
        full = np.where(np.isnan(row), self.arrays.fill, row)
        members = self.arrays.members
        if members.shape[0] == 1 and members[0, 0] == LINEAR and members[0, 3] == SIGMOID:
            return self._exact_terms(full)
        without = np.repeat(full[None, :], len(self.names) + 1, axis=0)
        places = np.arange(len(self.names))
        without[places, places] = self.arrays.fill
        probabilities = predict_nb(without, *self.arrays)
        values = probabilities[-1] - probabilities[:-1]
        base = self.probability(self.arrays.fill)
        score = float(probabilities[-1])
        return Contributions(ONE_LEFT_OUT, self.names, tuple(values.tolist()), base, score)

    def _exact_terms(self, row: FloatArray) -> Contributions:
        """Split the calibrated log-odds of a linear model into its terms."""
        weights, centers, scales = self.arrays.linear[:, 0, :]
        intercept, scale, slope, offset = self.arrays.scalars[0]
        # The sigmoid is 1 / (1 + exp(slope * score + offset)); its log-odds are linear in the row.
        values = -slope / scale * weights * (row - centers) / scales
        base = float(-(slope * intercept / scale + offset))
        score = base + float(values.sum())
        return Contributions(EXACT_TERMS, self.names, tuple(values.tolist()), base, score)

    @property
    def content_hash(self) -> str:
        """Return the SHA-256 of everything that decides a prediction, hexadecimal."""
        text = json.dumps(self._payload(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values with the content hash; numbers keep every bit."""
        return self._payload() | {"content_hash": self.content_hash}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> FittedModel:
        """Read a stored model back.

        Raises
        ------
        StateInvalid
            When a part is missing, misshapen, of another format, or the content does not match
            the stored hash.
        """
        if stored.get("format") != FORMAT:
            raise StateInvalid(f"model format {stored.get('format')!r}; {FORMAT} is read here")
        try:
            model = _read(stored)
        except (KeyError, TypeError, ValueError) as error:
            raise StateInvalid(f"stored model cannot be read: {error!r}") from error
        if model.content_hash != stored.get("content_hash"):
            raise StateInvalid(
                f"stored model has hash {stored.get('content_hash')!r}, "
                f"its content {model.content_hash!r}"
            )
        return model

    def _payload(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "kind": self.kind,
            "names": list(self.names),
            "arrays": {
                name: array.ravel().tolist() for name, array in self.arrays._asdict().items()
            },
            "score_quantiles": self.score_quantiles.tolist(),
            "base_rate": self.base_rate,
            "n_train": self.n_train,
            "n_calibration": self.n_calibration,
        }


@dataclass(frozen=True, slots=True, eq=False)
class DatedModel:
    """A model and the first moment (nanoseconds UTC) it may decide.

    Everything it learned from was known before `valid_from`.
    """

    valid_from: int
    model: FittedModel


Models = tuple[DatedModel, ...]


def _read(stored: Mapping[str, Any]) -> FittedModel:
    names = tuple(str(name) for name in stored["names"])
    parts = stored["arrays"]
    n_members = len(parts["members"]) // MEMBER_COLUMNS
    n = len(names)
    arrays = ModelArrays(
        fill=_floats(parts["fill"], n),
        members=_integers(parts["members"], n_members, MEMBER_COLUMNS),
        scalars=_floats(parts["scalars"], n_members, SCALAR_COLUMNS),
        linear=_floats(parts["linear"], 3, n_members, n),
        nodes=_integers(parts["nodes"], -1, 3),
        splits=_floats(parts["splits"], -1, 2),
        roots=_integers(parts["roots"], -1),
        curve=_floats(parts["curve"], -1, 2),
    )
    return FittedModel(
        kind=str(stored["kind"]),
        names=names,
        arrays=arrays,
        score_quantiles=np.array(stored["score_quantiles"], dtype=np.float64),
        base_rate=float(stored["base_rate"]),
        n_train=int(stored["n_train"]),
        n_calibration=int(stored["n_calibration"]),
    )


def _floats(values: list[float], *shape: int) -> FloatArray:
    return np.array(values, dtype=np.float64).reshape(shape)


def _integers(values: list[int], *shape: int) -> IntArray:
    return np.array(values, dtype=np.int64).reshape(shape)


def sequence_hash(models: Sequence[DatedModel]) -> str:
    """Return one SHA-256 over models and the moments they decide from; their order is no matter.

    Examples
    --------
    >>> sequence_hash([])[:12]
    'e3b0c44298fc'
    """
    lines = sorted((dated.valid_from, dated.model.content_hash) for dated in models)
    text = "\n".join(f"{moment} {content_hash}" for moment, content_hash in lines)
    return hashlib.sha256(text.encode()).hexdigest()
