"""A peer library in a process of its own, kept alive between rounds and driven over a pipe."""

from __future__ import annotations

import itertools
import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from elson.benchmarks.harness import BenchError
from elson.bootstrap import ROOT

ANSWER_SECONDS = 900.0
END_SECONDS = 20.0


class PeerFailed(BenchError):
    """A peer's process gave an error, no answer, or ended."""


class Peer:
    """One child process running a module of `elson.benchmarks.peer_scripts`.

    `ask` sends a command and waits; `send` and `receive` apart let several peers work at once.
    """

    def __init__(
        self,
        module: str,
        *,
        python: Path | str = sys.executable,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._module = module
        self._folder = tempfile.TemporaryDirectory(prefix="elson-bench-")
        self._numbers = itertools.count()
        self._arrays_path = ""
        inherited = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
        log_path = Path(self._folder.name, "stderr.log")
        self._log = log_path.open("w+", encoding="utf-8")  # closed in __exit__
        self._process = subprocess.Popen(
            [str(python), "-u", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=ROOT,
            env={**inherited, "PYTHONPATH": str(ROOT), **(environment or {})},
            text=True,
        )

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # The end of its input ends it; what it started and left on disk ends with it.
            self._process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._log.close()
        self._folder.cleanup()

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Return the answer to one command; NumPy arrays among arguments and results are fine."""
        self.send(command, **arguments)
        return self.receive()

    def send(self, command: str, **arguments: Any) -> None:
        """Start a command; arrays are handed over as paths of ``.npy`` files."""
        number = next(self._numbers)
        self._arrays_path = str(Path(self._folder.name, f"answer-{number}.npz"))
        for name, value in arguments.items():
            if isinstance(value, np.ndarray):
                path = str(Path(self._folder.name, f"{number}-{name}.npy"))
                np.save(path, value)
                arguments[name] = path
        line = json.dumps({"command": command, "arrays_path": self._arrays_path, **arguments})
        assert self._process.stdin is not None  # noqa: S101 - opened as a pipe above
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise PeerFailed(self._ended()) from None

    def receive(self) -> dict[str, Any]:
        """Wait for the answer of the command sent last."""
        assert self._process.stdout is not None  # noqa: S101 - opened as a pipe above
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout=ANSWER_SECONDS):
                raise PeerFailed(f"{self._module} gave no answer in {ANSWER_SECONDS:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise PeerFailed(self._ended())
        reply: dict[str, Any] = json.loads(line)
        if not reply.pop("ok"):
            raise PeerFailed(f"{self._module} failed: {reply['error']}")
        if reply.pop("has_arrays"):
            with np.load(self._arrays_path) as arrays:
                reply |= {name: arrays[name] for name in arrays.files}
        return reply

    def _ended(self) -> str:
        self._process.wait()
        self._log.seek(0)
        last = (self._log.read().strip().splitlines() or ["it said nothing"])[-1]
        return f"{self._module} ended with {self._process.returncode}: {last}"
