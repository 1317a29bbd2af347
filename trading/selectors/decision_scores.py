"""What a model said about one decision: probability, threshold, contributions."""

from __future__ import annotations

from dataclasses import dataclass

from trading.models import Decision

PREFIX = "contribution:"
SCORE_INPUTS = ("probability", "threshold")
# Half of the width of a bar in the drawing, and its middle.
MOST = 56.0
MIDDLE = 60.0
N_SHOWN = 6


@dataclass(frozen=True, slots=True)
class ContributionRow:
    """How far one feature moved the score; `x` and `width` draw it beside the others."""

    label: str
    value: float
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Score:
    """Probability of a win against the threshold it had to reach, largest contributions first.

    `total` is the sum of all contributions, those shown and `left_out` together.
    """

    probability: float
    threshold: float | None
    contributions: tuple[ContributionRow, ...]
    n_left_out: int
    left_out: float
    total: float

    @property
    def is_reached(self) -> bool:
        """Tell whether the probability is at least the threshold."""
        return self.threshold is None or self.probability >= self.threshold


def score_of(decision: Decision) -> Score | None:
    """Read the score from the inputs as they were stored; None where no model was asked."""
    probability = decision.inputs.get("probability")
    if probability is None:
        return None
    found = {
        name.removeprefix(PREFIX): float(value)
        for name, value in decision.inputs.items()
        if name.startswith(PREFIX) and value is not None
    }
    ranked = sorted(found.items(), key=lambda item: -abs(item[1]))
    top = abs(ranked[0][1]) if ranked else 0.0
    return Score(
        probability=float(probability),
        threshold=decision.inputs.get("threshold"),
        contributions=tuple(_row(name, value, top) for name, value in ranked[:N_SHOWN]),
        n_left_out=max(len(ranked) - N_SHOWN, 0),
        left_out=sum(value for _, value in ranked[N_SHOWN:]),
        total=sum(found.values()),
    )


def _row(name: str, value: float, top: float) -> ContributionRow:
    width = MOST * abs(value) / top if top else 0.0
    return ContributionRow(
        label=name.replace("_", " ").capitalize(),
        value=value,
        x=round(MIDDLE - width if value < 0 else MIDDLE, 2),
        width=round(width, 2),
    )
