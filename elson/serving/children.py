"""What `manage.py serve` runs: web, background worker, market-data streamer, strategy runner."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable

from django.conf import settings
from django.core.management import CommandError, call_command, get_commands

from elson.common.commands import TRY_LATER
from elson.common.logs import component_set
from elson.serving.processes import Child

# Celery's soft shutdown: it waits for the running task, then hands it back to the queue.
_WORKER_STOP = signal.SIGQUIT
_SOCKET_BYTES_MAX = 65_536
_WEB_DRAIN_SECONDS = 4


def web_child(listener: socket.socket, ready_fd: int) -> Child:
    """Pages, API and WebSocket on a socket that is already bound."""
    return Child(
        "web",
        run=_on_terminal("web", lambda: web_run(listener, ready_fd)),
        program=_again("--only", "web", "--fds", f"{listener.fileno()},{ready_fd}"),
        kept_fds=(listener.fileno(), ready_fd),
    )


def worker_child() -> Child:
    """Celery with its beat inside."""
    return Child(
        "worker",
        run=_on_terminal("worker", worker_run),
        program=_again("--only", "worker"),
        stop_signal=_WORKER_STOP,
    )


def kernels_child() -> Child:
    """Compiling what the machine has not compiled yet, behind everybody else."""
    return Child(
        "kernels",
        run=_on_terminal("kernels", kernels_run),
        program=_again("--only", "kernels"),
        is_once=True,
    )


def kernels_run() -> int:
    """Compile and end; where another process is at it, leave it to that."""
    try:
        call_command("compile_kernels", background=True)
    except CommandError as busy:
        if busy.returncode != TRY_LATER:
            raise
    return 0


def command_children() -> list[Child]:
    """Describe the long-running commands of other apps, as far as they exist."""
    known = get_commands()
    return [
        Child(name, run=_on_terminal(name, _command(command)), program=_again("--only", name))
        for name, command in (("streamer", "stream_marketdata"), ("runner", "run_strategies"))
        if command in known
    ]


def web_run(listener: socket.socket, ready_fd: int) -> int:
    """Serve until SIGTERM; write one byte to `ready_fd` once requests are answered."""
    import uvicorn
    from django.urls import get_resolver

    class ReadyServer(uvicorn.Server):
        """Tells the supervisor when it listens."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            with contextlib.suppress(OSError):
                os.write(ready_fd, b"1")

    from elson.asgi import application

    # The first visitor should not pay for loading every view.
    _ = get_resolver().url_patterns
    config = uvicorn.Config(
        application,
        ws="websockets-sansio",  # stops in 0.2 s where the default takes 4 s
        ws_max_size=_SOCKET_BYTES_MAX,
        ws_ping_interval=10.0,
        ws_ping_timeout=10.0,
        ws_per_message_deflate=False,  # no compressed bombs
        lifespan="on",
        access_log=False,  # one line a request is written by RequestIdMiddleware
        log_config=None,
        server_header=False,
        proxy_headers=False,  # who may be believed is decided by ELSON_TRUSTED_PROXY_COUNT
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_WEB_DRAIN_SECONDS,
    )
    ReadyServer(config).run(sockets=[listener])
    return 0


def worker_run() -> int:
    """Run the worker until SIGQUIT.

    Processes, not threads: a backtest keeps a core busy, threads would share one interpreter lock;
    a process can be stopped at its time limit, and its death hands the job back to the queue.
    """
    from elson.celery import app

    app.set_current()
    worker = app.Worker(
        hostname=f"elson@{socket.gethostname()}",
        pool_cls="prefork",
        concurrency=settings.WORKER_PROCESSES,
        beat=True,
        loglevel=settings.LOG_LEVEL,
        optimization="fair",
        without_gossip=True,
        without_mingle=True,
        quiet=True,
    )
    worker.start()
    return worker.exitcode or 0


def child_by_name(name: str, fds: str) -> Callable[[], int | None]:
    """Return what `serve --only NAME` runs by itself, where forking is not safe."""
    if name == "web":
        listener_fd, ready_fd = (int(part) for part in fds.split(","))
        return lambda: web_run(socket.socket(fileno=listener_fd), ready_fd)
    if name == "worker":
        return worker_run
    if name == "kernels":
        return kernels_run
    return _command({"streamer": "stream_marketdata", "runner": "run_strategies"}[name])


def _command(name: str) -> Callable[[], int | None]:
    def run() -> int:
        call_command(name)
        return 0

    return run


def _again(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, str(settings.BASE_DIR / "manage.py"), "serve", *arguments)


def _on_terminal(name: str, run: Callable[[], int | None]) -> Callable[[], int | None]:
    """Errors of the child also appear, with its name, where the supervisor writes."""
    terminal = os.dup(2)

    def run_with_terminal() -> int | None:
        handler = logging.StreamHandler(os.fdopen(terminal, "w", buffering=1))
        handler.setLevel(logging.ERROR)
        handler.setFormatter(_Brief(name))
        logging.getLogger().addHandler(handler)
        component_set(name)
        return run()

    return run_with_terminal


class _Brief(logging.Formatter):
    """One line an error: which child, what; the whole story is in its log file."""

    def __init__(self, child: str) -> None:
        super().__init__()
        self._child = child

    def format(self, record: logging.LogRecord) -> str:
        """Name the child and the event."""
        said = record.msg if isinstance(record.msg, dict) else {"event": record.getMessage()}
        error = f": {record.exc_info[1]}" if record.exc_info and record.exc_info[1] else ""
        return f"  {self._child}: {said.get('event')}{error} (var/log/{self._child}.log)"[:300]
