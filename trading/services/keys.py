"""Keys that make a request safe to repeat: the same again is the same row, another is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elson.common.errors import Conflict


class KeyReused(Conflict):
    """The same key once asked for something else."""


def key_check(made: str, *, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise KeyReused, naming the first difference, unless what was made is what is wanted.

    Symbols differ in more than their case.
    """
    for name, value in wanted.items():
        if _folded(stored[name]) != _folded(value):
            raise KeyReused(
                "IDEMPOTENCY_KEY_REUSED",
                f"This key already started {made} with another {name.replace('_', ' ')}; "
                "use a new one.",
                field="client_key",
            )


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip().upper()
    return [_folded(item) for item in value] if isinstance(value, list | tuple) else value
