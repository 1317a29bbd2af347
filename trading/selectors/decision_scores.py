"""What a model said about one decision: probability, threshold, and the way to its score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from elson.common.formatting import label_of

PREFIX = "contribution:"
SCORE_INPUTS = ("probability", "threshold", "score_base", "score", "score_is_log_odds")
# Digits of a score as the page shows it; what rounding leaves goes to the row of small ones.
DIGITS = 3
# Half of the width of a bar in the drawing, and its middle.
MOST = 56.0
MIDDLE = 60.0
N_SHOWN = 6
# Length of the bar on which a probability lies beside its threshold.
BAR = 1_000.0


class Asked(Protocol):
    """A decision, stored or just made, as far as it holds what the model was asked and said."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Numbers by name."""


@dataclass(frozen=True, slots=True)
class ContributionRow:
    """How far one feature moved the score; `x` and `width` draw it beside the others."""

    label: str
    value: float
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Score:
    """Probability of a win against the threshold it had to reach, and how its score came about.

    The largest contributions come first. `base`, the shown values and `left_out` are rounded and
    add up to `total` in the shown digits; `left_out` holds the smaller contributions, and for
    models without exact terms what features do only together. `total` is the score in log-odds,
    from which the probability follows, or where `is_log_odds` is not set the probability itself.
    `base` is None in decisions stored before it was kept; `total` is then the sum alone.
    """

    probability: float
    threshold: float | None
    base: float | None
    contributions: tuple[ContributionRow, ...]
    n_left_out: int
    left_out: float
    total: float
    is_log_odds: bool

    @property
    def is_reached(self) -> bool:
        """Tell whether the probability is at least the threshold."""
        return self.threshold is None or self.probability >= self.threshold

    @property
    def reach(self) -> str:
        """Length of the probability on a bar of BAR units."""
        return f"{BAR * self.probability:.1f}"

    @property
    def mark(self) -> str:
        """Place of the threshold on the same bar; empty without one."""
        return "" if self.threshold is None else f"{BAR * self.threshold:.1f}"


def score_of(decision: Asked) -> Score | None:
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
    base, score = decision.inputs.get("score_base"), decision.inputs.get("score")
    total = round(float(sum(found.values()) if score is None else score), DIGITS)
    shown = tuple(_row(name, value, top) for name, value in ranked[:N_SHOWN])
    begin = None if base is None else round(float(base), DIGITS)
    rest = total - (begin or 0.0) - sum(row.value for row in shown)
    return Score(
        probability=float(probability),
        threshold=decision.inputs.get("threshold"),
        base=begin,
        contributions=shown,
        n_left_out=max(len(ranked) - N_SHOWN, 0),
        left_out=round(rest, DIGITS),
        total=total,
        is_log_odds=bool(decision.inputs.get("score_is_log_odds")),
    )


def unasked_text(decision: Asked) -> str:
    """Say why a strategy that has a model asked none at a bar; empty where it did or has none."""
    inputs = decision.inputs
    if inputs.get("probability") is not None or inputs.get("is_dip") is None:
        return ""
    if inputs["is_dip"] and inputs.get("is_tradable"):
        return "No model could be asked about this dip: the rule decided alone."
    if inputs["is_dip"]:
        return "No model was asked: a dip is not bought where costs are as large as the edge."
    return "No model was asked: it judges dips, and this bar is none."


def _row(name: str, value: float, top: float) -> ContributionRow:
    width = MOST * abs(value) / top if top else 0.0
    return ContributionRow(
        label=label_of(name),
        value=round(value, DIGITS),
        x=round(MIDDLE - width if value < 0 else MIDDLE, 2),
        width=round(width, 2),
    )
