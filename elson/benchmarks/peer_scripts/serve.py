"""The child's side of the pipe: answer one JSON line with one JSON line, until stdin ends.

Runs in the peers' own virtualenv, so it needs nothing but the standard library and NumPy. Arrays go
through ``.npz`` files whose paths travel in the messages.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Command = Callable[..., Mapping[str, Any]]


def serve(commands: Mapping[str, Command]) -> None:
    """Answer requests; whatever a peer prints goes to stderr, not between the answers."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = {"ok": True, **_answer(commands, request)}
        except Exception as error:
            traceback.print_exc()
            reply = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


def _answer(commands: Mapping[str, Command], request: dict[str, Any]) -> dict[str, Any]:
    command = commands[request.pop("command")]
    arrays_path = request.pop("arrays_path")
    results = dict(command(**request))
    arrays = {name: value for name, value in results.items() if isinstance(value, np.ndarray)}
    if arrays:
        np.savez(arrays_path, **arrays)  # type: ignore[arg-type]
    plain = {name: value for name, value in results.items() if name not in arrays}
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**plain, "has_arrays": bool(arrays), "peak_mb": peak_mb}
