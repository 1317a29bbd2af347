"""What people sold of a strategy's position, as the strategy's page says it."""

from __future__ import annotations

from dataclasses import dataclass

from trading.models import BookChange, Deployment

MOST_ROWS = 5
KEPT = (
    "A part of its position was sold by hand. It goes on with the rest and adds nothing to it; the "
    "next position it opens has its full size."
)
WAITS = (
    "Its position was sold by hand. It waits for a fresh signal: its rule must ask for nothing at "
    "one close before an entry counts again."
)
OVER = "What was sold by hand is settled: it trades by its rule again."


@dataclass(frozen=True, slots=True)
class SoldByHand:
    """The newest sales by hand of a strategy's units, of `n_rows`, and what they mean now."""

    rows: list[BookChange]
    n_rows: int
    sentence: str
    is_waiting: bool


def sold_by_hand(deployment: Deployment) -> SoldByHand | None:
    """Say what others sold of a deployment's positions; None where nobody did."""
    changes = BookChange.objects.filter(deployment=deployment)
    rows = list(changes.select_related("fill__order__instrument").order_by("-pk")[:MOST_ROWS])
    if not rows:
        return None
    n_rows = len(rows) if len(rows) < MOST_ROWS else changes.count()
    sentence = _meaning(deployment)
    return SoldByHand(rows, n_rows, sentence, is_waiting=sentence == WAITS)


def _meaning(deployment: Deployment) -> str:
    if deployment.status == Deployment.Status.STOPPED:
        return ""
    if not deployment.is_overruled:
        return OVER
    return KEPT if deployment.state.get("quantity") else WAITS
