"""Keep the children of `manage.py serve` alive until somebody says stop."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from elson.serving import processes
from elson.serving.processes import Child, Running

STOP_SECONDS = 7.0  # what children may take; Redis goes after them, all within 10 s
_LAST_STOP_SECONDS = 2.0
_TRIM_EVERY_SECONDS = 60.0
_LOG_BYTES_MAX = 20_000_000


class Supervisor:
    """Starts children in order, restarts those that die, stops all of them."""

    def __init__(
        self,
        *,
        say: Callable[[str], None],
        log_dir: Path | None,
        is_forked: bool,
        stops_last: str = "redis",
    ) -> None:
        self._say = say
        self._log_dir = log_dir
        self._is_forked = is_forked
        self._stops_last = stops_last
        self._running: dict[str, Running] = {}
        self._is_stopping = False
        self._n_stop_requests = 0
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._ready: dict[int, Callable[[], None]] = {}
        self._next_trim = time.monotonic() + _TRIM_EVERY_SECONDS

    def watch_signals(self) -> None:
        """From here on Ctrl-C, SIGTERM and a closed terminal mean: stop everything in order."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._request_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def start(self, child: Child) -> Running:
        """Start one more child and keep it alive from now on."""
        gc.collect()
        gc.freeze()  # pages of long-lived objects stay shared with the forked copies
        log = self._log_dir / f"{child.name}.log" if self._log_dir else None
        running = Running(child=child, log=log)
        self._running[child.name] = running
        processes.child_start(running, is_forked=self._is_forked)
        return running

    def when_readable(self, fd: int, do: Callable[[], None]) -> None:
        """Call `do` once when something arrives on this pipe."""
        self._ready[fd] = do

    def wait_readable(self, fd: int, seconds: float) -> None:
        """Go on once `fd` has something, the time is over, or somebody asked to stop."""
        select.select([fd, self._wake_read], [], [], seconds)

    @property
    def is_stopping(self) -> bool:
        """Tell whether somebody asked to stop."""
        return self._is_stopping

    def run(self) -> int:
        """Keep everything alive until a signal asks to stop; return the exit code."""
        try:
            while not self._is_stopping:
                self._reap()
                self._start_due()
                self._wait()
        finally:
            self.stop()
        return 0

    def stop(self) -> None:
        """Stop every child, Redis last; nothing of theirs survives this call."""
        self._is_stopping = True
        started = time.monotonic()
        last = [item for item in self._running.values() if item.child.name == self._stops_last]
        rest = [item for item in self._running.values() if item.child.name != self._stops_last]
        if any(item.is_alive for item in [*last, *rest]):
            self._say("stopping …")
            self._stop_all(rest, STOP_SECONDS)
            self._stop_all(last, _LAST_STOP_SECONDS)
            self._say(f"stopped in {time.monotonic() - started:.1f} s")

    # --- inside ---------------------------------------------------------------------------------

    def _request_stop(self, *_: object) -> None:
        self._is_stopping = True
        self._n_stop_requests += 1

    def _reap(self) -> None:
        for running in self._running.values():
            code = processes.child_reap(running)
            if code is None or self._is_stopping or (code == 0 and running.child.is_once):
                continue
            pause = processes.child_schedule(running, now=time.monotonic())
            word = processes.last_line(running.log)
            self._say(
                f"{running.child.name} ended ({_ending(code)}); starting it again in {pause:g} s"
                + (f"\n  its last words: {word}" if word else "")
            )

    def _start_due(self) -> None:
        now = time.monotonic()
        for running in self._running.values():
            if running.start_again is not None and running.start_again <= now:
                processes.child_start(running, is_forked=self._is_forked)
        if now >= self._next_trim:
            self._next_trim = now + _TRIM_EVERY_SECONDS
            logs_trim(running.log for running in self._running.values() if running.log)

    def _wait(self) -> None:
        due = [item.start_again for item in self._running.values() if item.start_again is not None]
        seconds = max(0.0, min([*due, self._next_trim]) - time.monotonic())
        readable, _, _ = select.select([self._wake_read, *self._ready], [], [], seconds)
        for fd in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(fd, 4096)
            if fd in self._ready:
                self._ready.pop(fd)()

    def _stop_all(self, group: list[Running], seconds: float) -> None:
        for running in group:
            processes.child_signal(running, running.child.stop_signal)
        deadline = time.monotonic() + seconds
        patience = self._n_stop_requests
        while any(item.is_alive for item in group):
            for running in group:
                processes.child_reap(running)
            # A second Ctrl-C means: at once.
            if time.monotonic() > deadline or self._n_stop_requests > patience + 1:
                break
            select.select([self._wake_read], [], [], 0.02)
        for running in group:
            if running.is_alive:
                self._say(f"{running.child.name} did not stop in {seconds:g} s and is ended now")
                processes.group_kill(running.pid)
                os.waitpid(running.pid, 0)
                running.pid = 0


def logs_trim(logs: Iterable[Path]) -> None:
    """Keep one older piece of each log that has grown large; writers append, so this is safe."""
    for log in logs:
        if log.exists() and log.stat().st_size > _LOG_BYTES_MAX:
            log.with_suffix(".log.1").write_bytes(log.read_bytes())
            os.truncate(log, 0)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
