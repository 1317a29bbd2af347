"""The compiled kernels of this machine: what is ready, what is missing, who compiles it.

A web process never compiles (`kernel_cache.compile_elsewhere`): that takes up to minutes, and a
page would hold its thread so long. It writes down what it missed, and a process of its own compiles
that first, then the rest of what the product calls. `manage.py serve` starts it, an image may at
its build, and a web process does where nobody did.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pickle
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numba
import structlog
from django.conf import settings
from llvmlite import binding  # type: ignore[import-untyped]

from trading.engine import preparation
from trading.engine.kernel_cache import KernelMissing, source_stamp

logger = structlog.get_logger(__name__)
Say = Callable[[str], None]
_started: list[subprocess.Popen[bytes]] = []


class KernelsBusy(Exception):
    """Another process compiles already."""


@dataclass(frozen=True)
class KernelState:
    """How far the kernels of one stamp are; `part` is what is compiled now."""

    stamp: str = ""
    n_done: int = 0
    n_parts: int = 0
    part: str = ""

    @property
    def is_done(self) -> bool:
        """Whether every part was compiled."""
        return 0 < self.n_parts <= self.n_done


def kernels_compile(*, say: Say, show: Callable[[int, int, str], None], is_forced: bool) -> int:
    """Compile what is missing, what somebody waits for first; return the number of parts done.

    `is_forced` also tries again what could not be compiled before. Raises KernelsBusy where another
    process is at it.
    """
    with _alone():
        n_done = 0
        if is_forced:
            for failed in _folder().glob("*.failed"):
                failed.unlink()
        stamp = kernels_stamp()
        if is_forced or not (kernels_state().is_done and kernels_state().stamp == stamp):
            found = list(preparation.parts())
            for n, (name, part) in enumerate(found):
                _state_write(KernelState(stamp, n, len(found), name))
                show(n, len(found), name)
                _wanted_compile(say)
                part()
                n_done += 1
            _state_write(KernelState(stamp, len(found), len(found)))
        _wanted_compile(say)
        return n_done


def kernel_want(missing: KernelMissing) -> str:
    """Ask for a kernel, see to it that somebody compiles; return why it cannot be, or nothing."""
    waiting = _wanted_path(missing)
    failed = waiting.with_suffix(".failed")
    if failed.exists():
        return failed.read_text(encoding="utf-8")
    asked = (missing.module, missing.name, missing.signature)
    _write(waiting, pickle.dumps(asked))
    compiling_ensure()
    return ""


def compiling_ensure() -> None:
    """See to it that somebody compiles while a kernel is waited for.

    Who compiled may have been killed, or may have looked for wishes just before the last was
    written: whoever waits calls this again.
    """
    if is_waited_for() and not is_compiling():
        _start()


def kernels_state() -> KernelState:
    """Read how far the last compiling came."""
    try:
        return KernelState(**json.loads(_folder().joinpath("state.json").read_text("utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return KernelState()


def is_compiling() -> bool:
    """Tell whether a process compiles now."""
    try:
        with _alone():
            return False
    except KernelsBusy:
        return True


def is_waited_for() -> bool:
    """Tell whether a kernel somebody asked for is not there yet."""
    return any(_folder().glob("*.wanted"))


def kernels_stamp() -> str:
    """Return what the kernels are made from and for: sources, compiler, processor, place."""
    made_for = (numba.__version__, platform.python_version(), binding.get_host_cpu_name())
    stamp = hashlib.sha256(source_stamp(Path(preparation.__file__)))
    stamp.update("|".join((*made_for, str(numba.config.CACHE_DIR))).encode())  # type: ignore[attr-defined]
    return stamp.hexdigest()[:24]


def _wanted_compile(say: Say) -> None:
    """Compile what was asked for; what cannot be is kept with its reason."""
    for waiting in sorted(_folder().glob("*.wanted")):
        # Only this user writes there, and nothing but what `kernel_want` has pickled.
        missing = KernelMissing(*pickle.loads(waiting.read_bytes()))  # noqa: S301
        say(f"{missing.module}.{missing.name}")
        try:
            preparation.kernel_compile(missing)
        except Exception as error:
            logger.exception("kernel_failed", kernel=missing.name, module=missing.module)
            reason = f"{missing.module}.{missing.name} cannot be compiled: {error}"
            waiting.with_suffix(".failed").write_text(reason[:500], encoding="utf-8")
        waiting.unlink(missing_ok=True)


def _wanted_path(missing: KernelMissing) -> Path:
    asked = f"{kernels_stamp()}|{missing.module}|{missing.name}|{missing.signature}"
    return _folder() / f"{hashlib.sha256(asked.encode()).hexdigest()[:24]}.wanted"


def _start() -> None:
    """Compile in a process of its own, which goes no further once this one is gone."""
    _started[:] = [one for one in _started if one.poll() is None]
    if _started:  # it imports for seconds before it holds the lock
        return
    program = [sys.executable, str(settings.BASE_DIR / "manage.py"), "compile_kernels"]
    with _folder().joinpath("compile.log").open("ab") as log:
        _started.append(
            subprocess.Popen(
                [*program, "--background"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        )


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    with _folder().joinpath("lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KernelsBusy from None
        yield


def _state_write(state: KernelState) -> None:
    _write(_folder() / "state.json", json.dumps(asdict(state)).encode())


def _write(path: Path, content: bytes) -> None:
    """Let others find the whole file or none, also where several write the same one at once."""
    handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")  # its owner's alone
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(part).replace(path)


def _folder() -> Path:
    folder = Path(settings.STATE_DIR) / "kernels"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
