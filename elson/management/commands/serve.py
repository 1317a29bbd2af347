"""The whole platform with one command: Redis, web, worker, streamer and runner."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from elson.serving import children, people, ports, prepare, processes, redis_server
from elson.serving.supervisor import Supervisor

# The other parts wait for the first page, or this long: people should not.
_PAGE_FIRST_SECONDS = 4.0


class Command(BaseCommand):
    """Serve everything until Ctrl-C."""

    help = (
        "Serve pages, API, WebSocket, background jobs, market data and strategies until Ctrl-C.\n"
        "Example: PORT=8001 python manage.py serve"
    )
    requires_system_checks = ()  # `manage.py check` looks; a start should not wait

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--port", type=int, default=settings.SERVE_PORT, help="instead of PORT")
        parser.add_argument("--host", default=settings.SERVE_HOST)
        parser.add_argument(
            "--prepare",
            action="store_true",
            default=settings.IS_DEVELOPMENT,
            help="first make what is missing: tables, prices, demo user, static files",
        )
        parser.add_argument("--no-prepare", action="store_false", dest="prepare")
        parser.add_argument(
            "--start-method",
            choices=("fork", "spawn"),
            default="fork" if processes.IS_LINUX else "spawn",
        )
        parser.add_argument(
            "--only", choices=("web", "worker", "streamer", "runner", "kernels"), help="one child"
        )
        parser.add_argument("--fds", default="", help="sockets handed over with --only web")

    def handle(self, **options: Any) -> None:
        """Refuse at once what cannot work, then start and watch."""
        if options["only"]:
            _end_with_parent()
            raise SystemExit(children.child_by_name(options["only"], options["fds"])() or 0)
        try:
            with contextlib.ExitStack() as held:
                held.enter_context(ports.state_lock(settings.STATE_DIR))
                listener = held.enter_context(
                    ports.listening_socket(options["host"], options["port"])
                )
                code = _serve(options, listener)
        except ports.Refused as refusal:
            self.stderr.write(str(refusal))  # the bare sentence, without "CommandError:"
            code = 1
        raise SystemExit(code)


def _serve(options: dict[str, Any], listener: Any) -> int:
    log_dir = None if settings.LOG_FORMAT == "json" else settings.STATE_DIR / "log"
    if log_dir:
        log_dir.mkdir(exist_ok=True)
    supervisor = Supervisor(say=_say, log_dir=log_dir, is_forked=options["start_method"] == "fork")
    supervisor.watch_signals()
    try:
        if settings.HAS_EMBEDDED_REDIS:
            _start_redis(supervisor)
        if options["prepare"] and not supervisor.is_stopping:
            code = prepare.prepare_in_child(_say)
            if code:
                return code
        if not supervisor.is_stopping:
            _start_children(supervisor, options, listener)
        return supervisor.run()
    finally:
        supervisor.stop()


def _start_redis(supervisor: Supervisor) -> None:
    redis_server.redis_stop_stale(settings.EMBEDDED_REDIS_SOCKET)
    supervisor.start(
        redis_server.redis_child(
            folder=settings.STATE_DIR / "redis", socket_path=settings.EMBEDDED_REDIS_SOCKET
        )
    )
    redis_server.redis_wait(settings.REDIS_URL, is_stopping=lambda: supervisor.is_stopping)


def _start_children(supervisor: Supervisor, options: dict[str, Any], listener: Any) -> None:
    ready_read, ready_write = os.pipe()
    address = f"http://{_shown(options['host'])}:{options['port']}"
    supervisor.when_readable(ready_read, lambda: _greet(address))
    supervisor.start(children.web_child(listener, ready_write))  # first: the page is there early
    if options["start_method"] == "fork":
        prepare.share_heavy_modules()
    supervisor.wait_readable(ready_read, _PAGE_FIRST_SECONDS)
    supervisor.start(children.kernels_child())
    supervisor.start(children.worker_child())
    for child in children.command_children():
        supervisor.start(child)


def _greet(address: str) -> None:
    _say(f"\n  Elson is at {address}\n")
    for line in people.sign_in_lines(settings.STATE_DIR, address):
        _say(f"  {line}")
    _say("  prices    real bars of the past, labeled “Replay” on every page; nothing is live")
    _say("  stop      Ctrl-C" + ("" if settings.LOG_FORMAT == "json" else "      logs: var/log/"))


def _shown(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104  shown, not bound


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone; the children still need us
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def _end_with_parent() -> None:
    """Without Linux's prctl a child looks itself whether its supervisor is still there."""
    processes.die_with_parent()
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()
