"""Start, watch and stop the child processes of `manage.py serve`, so that none is ever left behind.

Each child leads its own session: Ctrl-C in the terminal reaches only the supervisor, which then
stops the children in order, and whatever a child started can be ended as one group. On Linux the
kernel ends every child when the supervisor is killed outright.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

IS_LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
# Pauses before the next try of a child that keeps dying; one that lived a minute starts afresh.
_PAUSES = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
_HEALTHY_AFTER_SECONDS = 60.0


@dataclass(frozen=True)
class Child:
    """One process to keep alive: a function for a forked copy of this process, or a program."""

    name: str
    run: Callable[[], int | None] | None = None
    program: tuple[str, ...] = ()
    stop_signal: int = signal.SIGTERM
    # What the kernel sends when the supervisor is gone without a word.
    orphan_signal: int = signal.SIGKILL
    kept_fds: tuple[int, ...] = ()
    # Does one thing and ends; it is started again only where it failed.
    is_once: bool = False


@dataclass
class Running:
    """What the supervisor knows about one child."""

    child: Child
    pid: int = 0
    started: float = 0.0
    n_failures: int = 0
    start_again: float | None = None
    log: Path | None = field(default=None)

    @property
    def is_alive(self) -> bool:
        """Tell whether a process of it exists that was not waited for."""
        return self.pid > 0


def child_start(running: Running, *, is_forked: bool) -> None:
    """Start the child in its own session, its output going to its log file."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(running, parent=parent, is_forked=is_forked)
    running.pid = pid
    running.started = time.monotonic()
    running.start_again = None


def child_reap(running: Running) -> int | None:
    """Return the exit code of a child that ended (negative: the signal), else None."""
    if not running.is_alive:
        return None
    try:
        pid, status = os.waitpid(running.pid, os.WNOHANG)
    except ChildProcessError:
        pid, status = running.pid, 0
    if pid == 0:
        return None
    group_kill(running.pid)  # whatever it started and did not end itself
    running.pid = 0
    return os.waitstatus_to_exitcode(status)


def child_schedule(running: Running, *, now: float) -> float:
    """Decide when a child that died starts again; return the pause in seconds."""
    if now - running.started > _HEALTHY_AFTER_SECONDS:
        running.n_failures = 0
    pause = _PAUSES[min(running.n_failures, len(_PAUSES) - 1)]
    running.n_failures += 1
    running.start_again = now + pause
    return pause


def child_signal(running: Running, number: int) -> None:
    """Send a signal to the child itself; no matter when it is already gone."""
    if running.is_alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, number)


def group_kill(pid: int) -> None:
    """End everything in the session that this child led."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def die_with_parent(number: int = signal.SIGKILL, *, parent: int | None = None) -> None:
    """Ask Linux to end this process when its parent dies; elsewhere do nothing."""
    if not IS_LINUX:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if parent is not None and os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def process_name(name: str) -> None:
    """Show this name in `ps -o comm` and `top` (15 bytes, Linux only)."""
    if IS_LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def last_line(log: Path | None) -> str:
    """Return the last line that says something in a log file."""
    if log is None or not log.exists():
        return ""
    with log.open("rb") as lines:
        lines.seek(max(0, log.stat().st_size - 4096))
        found = lines.read().decode("utf-8", "replace").strip().splitlines()
    return found[-1].strip()[:200] if found else ""


def _become(running: Running, *, parent: int, is_forked: bool) -> NoReturn:
    code = 1
    try:
        child = running.child
        os.setsid()
        die_with_parent(child.orphan_signal, parent=parent)
        _reset_signals()
        _redirect(running.log)
        if child.run is None or not is_forked:
            for fd in child.kept_fds:
                os.set_inheritable(fd, True)
            os.execv(child.program[0], child.program)  # noqa: S606  a list we wrote
        process_name(f"elson {child.name}")
        code = child.run() or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:  # the last place that can say what happened
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def _redirect(log: Path | None) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    if log is None:
        return
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.close(sink)
