"""The figures a finished run is judged by, as lists show them: out of sample where it has some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trading.engine.enough import shortfall
from trading.models import Backtest
from trading.selectors.luck import luck_of

OUT_OF_SAMPLE, WHOLE_SPAN = "out_of_sample", "whole_span"
PARTS = (OUT_OF_SAMPLE, WHOLE_SPAN)


@dataclass(frozen=True, slots=True)
class Judged:
    """Figures of one of PARTS; `luck` and `verdict` are of the whole span, "" where not judged."""

    part: str
    figures: Mapping[str, Any]
    luck: str
    verdict: str

    @property
    def is_out_of_sample(self) -> bool:
        """Whether a part was kept out; else the figures were seen by whoever chose the rule."""
        return self.part == OUT_OF_SAMPLE

    @property
    def sharpe_ratio(self) -> float | None:
        """Nothing over too few bars."""
        if shortfall(self.figures, "sharpe_ratio") is not None:
            return None
        value: float | None = self.figures.get("sharpe_ratio")
        return value


def judged_of(backtest: Backtest) -> Judged | None:
    """Return what a run is judged by; None before it is done."""
    result = getattr(backtest, "result", None)
    if result is None:
        return None
    outside, whole = result.metrics.get("out_of_sample"), result.metrics.get("all") or {}
    return Judged(
        part=OUT_OF_SAMPLE if outside else WHOLE_SPAN,
        figures=outside or whole,
        luck=luck_of(whole, result.honesty),
        verdict=result.honesty["status"],
    )
