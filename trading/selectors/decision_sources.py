"""What a decision was made from and with: series, hash of its bars, model, version, engine."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from trading.models import Decision, ModelVersion


@dataclass(frozen=True, slots=True)
class DecisionSource:
    """The series as it was seen, and the model that was bound; `model_id` finds it today.

    `content_hash` is of the last `n_hashed` of `n_bars` bars. A model that is gone has no id.
    """

    instrument: str
    timeframe: str
    n_bars: int
    n_hashed: int
    first_bar_at: dt.datetime
    last_bar_at: dt.datetime
    content_hash: str
    model: dict[str, Any] | None
    model_id: int | None

    @property
    def is_hash_of_all(self) -> bool:
        """Whether the hash is over every bar seen."""
        return self.n_hashed == self.n_bars


def decision_source(decision: Decision) -> DecisionSource | None:
    """Read what a decision names as its source; None where it was not recorded yet."""
    stored = decision.source
    if not stored:
        return None
    model = stored["model"]
    return DecisionSource(
        instrument=stored["instrument"],
        timeframe=stored["timeframe"],
        n_bars=stored["n_bars"],
        n_hashed=stored["n_hashed"],
        first_bar_at=dt.datetime.fromisoformat(stored["first_bar_at"]),
        last_bar_at=dt.datetime.fromisoformat(stored["last_bar_at"]),
        content_hash=stored["content_hash"],
        model=model,
        model_id=_model_id(model),
    )


def _model_id(model: dict[str, Any] | None) -> int | None:
    if model is None:
        return None
    found = ModelVersion.objects.filter(number=model["number"], content_hash=model["content_hash"])
    return found.values_list("pk", flat=True).first()
