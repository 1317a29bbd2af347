"""What a challenger must show before it may decide; each gate keeps its numbers.

Champion and challenger are asked about the same candidates, each out of sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trading.engine.learning.calibration import brier_score, log_loss
from trading.engine.learning.measurement import GateFigures, gate_figures
from trading.services.models.sequence import OutOfSample

FEWEST = 300
MOST_ECE = 0.03
# How much worse than the champion is still within the noise of a few thousand candidates.
LOG_LOSS_MARGIN = 0.002
BRIER_MARGIN = 0.001
WIN_RATE_MARGIN = 0.01


def gates_of(challenger: OutOfSample, champion: OutOfSample | None) -> list[dict[str, Any]]:
    """Judge a challenger against the champion, or against the win rate known before.

    Both hold the same rows in the same order; those only one of them could decide are left out.
    """
    ours = _figures(challenger)
    theirs = None if champion is None else _figures(champion)
    limits = _limits_alone(challenger, ours) if theirs is None else _limits(theirs)
    gates = [
        _gate("candidates", ours.n, FEWEST, "at least", "candidates out of sample"),
        _gate("log_loss", ours.log_loss, limits["log_loss"], "at most", "log-loss"),
        _gate("brier", ours.brier, limits["brier"], "at most", "Brier score"),
        _gate(
            "win_rate",
            ours.interval[0],
            limits["win_rate"],
            "at least",
            "lower bound of the win rate",
        ),
        _gate("calibration", ours.ece, MOST_ECE, "at most", "calibration error up to 75 %"),
    ]
    before = {} if theirs is None else _before(theirs)
    return [gate | {"before": before.get(gate["name"])} for gate in gates]


def gates_passed(gates: list[dict[str, Any]]) -> bool:
    """Tell whether every gate was passed; none measured means no."""
    return bool(gates) and all(gate["is_passed"] for gate in gates)


def same_rows(challenger: OutOfSample, champion: OutOfSample) -> tuple[OutOfSample, OutOfSample]:
    """Keep the candidates both decided: those from the later of the two first models on."""
    since = max(_first(challenger), _first(champion))
    return (
        challenger.rows(challenger.candidates.decided_at >= since),
        champion.rows(champion.candidates.decided_at >= since),
    )


def _limits(champion: GateFigures) -> dict[str, float]:
    return {
        "log_loss": champion.log_loss + LOG_LOSS_MARGIN,
        "brier": champion.brier + BRIER_MARGIN,
        "win_rate": champion.interval[0] - WIN_RATE_MARGIN,
    }


def _before(champion: GateFigures) -> dict[str, float | None]:
    """Figures of the champion on the same candidates, by the name of the gate."""
    values = {
        "candidates": champion.n,
        "log_loss": champion.log_loss,
        "brier": champion.brier,
        "win_rate": champion.interval[0],
        "calibration": champion.ece,
    }
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def _limits_alone(challenger: OutOfSample, ours: GateFigures) -> dict[str, float]:
    """Limits of a model that says the win rate known before, and refuses by lot."""
    is_win = challenger.candidates.net_return > 0.0
    return {
        "log_loss": log_loss(challenger.base, is_win),
        "brier": brier_score(challenger.base, is_win),
        "win_rate": ours.base_interval[0],
    }


def _figures(tested: OutOfSample) -> GateFigures:
    return gate_figures(tested.probability, tested.candidates.net_return, tested.threshold)


def _first(tested: OutOfSample) -> int:
    return int(tested.candidates.decided_at.min()) if len(tested) else 0


def _gate(name: str, value: float, limit: float, word: str, label: str) -> dict[str, Any]:
    is_passed = bool(value >= limit if word == "at least" else value <= limit)
    known = np.isfinite(value) and np.isfinite(limit)
    text = (
        f"{label} {_number(value)}, {word} {_number(limit)} wanted"
        if known
        else f"{label}: no data"
    )
    return {
        "name": name,
        "value": float(value) if np.isfinite(value) else None,
        "limit": float(limit) if np.isfinite(limit) else None,
        "is_passed": is_passed,
        "text": text if known else f"{label}: no data",
    }


def _number(value: float) -> str:
    return f"{value:,d}" if isinstance(value, int) else f"{value:.4f}"
