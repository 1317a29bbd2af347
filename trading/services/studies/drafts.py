"""What a person asks a search for, read from a form, a JSON body or a command line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elson.common.errors import DomainError
from trading.engine.errors import EngineError
from trading.engine.search import Space, space_from
from trading.engine.search.scoring import LARGEST_HOLDOUT, MOST_FOLDS, SMALLEST_HOLDOUT
from trading.engine.strategies import strategy_get
from trading.models import Study
from trading.services.backtests.drafts import BacktestDraft, BacktestInvalid, draft_read

Faults = dict[str, str]
MOST_TRIALS = 10_000
MOST_WORKERS = 8
# Field: (default, lowest, highest, is whole, label).
NUMBERS: dict[str, tuple[float, float, float, bool, str]] = {
    "n_trials": (100, 1, MOST_TRIALS, True, "Trials"),
    "n_folds": (5, 2, MOST_FOLDS, True, "Folds"),
    "holdout_share": (0.2, SMALLEST_HOLDOUT, LARGEST_HOLDOUT, False, "Hold-out share"),
    "dispersion_weight": (0.5, 0, 10, False, "Weight of the dispersion"),
    "fewest_trades": (20, 0, 100_000, True, "Fewest trades"),
    "deepest_drawdown": (-1.0, -1.0, -0.001, False, "Deepest drawdown"),
    "n_workers": (2, 1, MOST_WORKERS, True, "Workers"),
}


class StudyInvalid(DomainError):
    """A search cannot be run as asked; `errors` has one sentence per field."""

    title = "The optimization cannot be run as asked"

    def __init__(self, faults: Faults) -> None:
        field, message = next(iter(faults.items()))
        super().__init__("STUDY_INVALID", message, field=field, errors=faults)


@dataclass(frozen=True, slots=True)
class StudyDraft:
    """A checked request; `base` has what it shares with a backtest."""

    base: BacktestDraft
    space: Space
    method: str
    n_trials: int
    n_folds: int
    holdout_share: float
    dispersion_weight: float
    fewest_trades: int
    deepest_drawdown: float
    n_workers: int


def study_draft_read(values: Mapping[str, Any]) -> StudyDraft:
    """Read and check a request; raises StudyInvalid with every fault found.

    `space` maps parameters to their ranges, as an object or as JSON text; `fixed` maps others to
    values.
    """
    faults: Faults = {}
    base = None
    try:
        # The moving parameters are judged with the space, below.
        base = draft_read({**values, "parameters": {}})
    except BacktestInvalid as error:
        faults.update(error.data["errors"])
    method = str(values.get("method") or Study.Method.RANDOM).strip().upper()
    if method not in Study.Method.values:
        known = ", ".join(str(name).lower() for name in Study.Method.values)
        faults["method"] = f"Method “{method[:20].lower()}” is unknown; it is one of {known}."
    numbers = {name: _number(faults, name, values.get(name)) for name in NUMBERS}
    space = _space(faults, values)
    if faults or base is None or space is None:
        raise StudyInvalid(faults)
    return StudyDraft(base=base, space=space, method=method, **_typed(numbers))


def _typed(numbers: Mapping[str, float]) -> dict[str, Any]:
    return {name: int(value) if NUMBERS[name][3] else value for name, value in numbers.items()}


def _number(faults: Faults, name: str, value: Any) -> float:
    default, low, high, is_whole, label = NUMBERS[name]
    if value in (None, ""):
        return default
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        faults[name] = f"{label} “{value!s:.20}” is not a number."
        return default
    if not math.isfinite(number) or not low <= number <= high:
        faults[name] = f"{label} {number:,g} must lie between {low:,g} and {high:,g}."
    elif is_whole and number != math.floor(number):
        faults[name] = f"{label} {number:g} must be a whole number."
    return number


def _space(faults: Faults, values: Mapping[str, Any]) -> Space | None:
    key = str(values.get("strategy_key") or "")
    if "strategy_key" in faults:
        return None
    try:
        ranges = _object("space", values.get("space"))
        return space_from(strategy_get(key), ranges, _object("fixed", values.get("fixed") or {}))
    except EngineError as error:
        faults[f"space.{error.parameter}" if error.parameter else "space"] = str(error)
    except ValueError as error:
        faults["space"] = str(error)
    return None


def _object(name: str, given: Any) -> dict[str, Any]:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"The {name} is not JSON: {error.msg} at character {error.pos}."
            ) from None
        except RecursionError:
            raise ValueError(f"The {name} is nested too deeply.") from None
    if not isinstance(given, Mapping):
        raise ValueError(f"The {name} must be an object of parameters and their ranges.")  # noqa: TRY004
    return dict(given)
