"""The whole product, started as a newcomer starts it, on its own state and free port."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

import psycopg2

from elson.settings.variables import BASE_DIR
from elson.tests.servers import free_port

START_SECONDS = 600
STOP_SECONDS = 60


@contextlib.contextmanager
def fresh_database(server_url: str, name: str) -> Iterator[str]:
    """Yield the URL of an empty PostgreSQL database, dropped at the end; empty without a server."""
    if not server_url.startswith("postgres"):
        yield ""
        return
    _execute(server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    _execute(server_url, f'CREATE DATABASE "{name}"')
    parts = urlsplit(server_url)
    folder = parts.path.rpartition("/")[0]
    yield urlunsplit(parts._replace(path=f"{folder}/{name}"))
    _execute(server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _execute(server_url: str, statement: str) -> None:
    connection = psycopg2.connect(server_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


class Platform:
    """`manage.py serve` as a child process, with everything it starts."""

    def __init__(self, *, state_dir: Path, database_url: str, packages: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = state_dir / "serve.log"
        self.environment = {
            **{k: v for k, v in os.environ.items() if k not in ("REDIS_URL", "DATABASE_URL")},
            "DJANGO_SETTINGS_MODULE": "elson.settings.development",
            "DATABASE_URL": database_url,
            "ELSON_STATE_DIR": str(state_dir),
            "ELSON_PUBLIC_URL": self.url,
            "PORT": str(self.port),
            "PYTHONPATH": str(packages),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Compile, prepare and serve; return once the site says it is ready.

        With every kernel there no page says "being prepared": one that does needs a kernel that
        `engine.preparation` has forgotten.
        """
        self.command("compile_kernels")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve"],
                cwd=BASE_DIR,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_ready()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop the supervisor and wait for it; it takes its children along."""
        if self.process is None:
            return
        self.process.send_signal(how)
        self.process.wait(timeout=STOP_SECONDS)
        self.process = None

    def command(self, *arguments: str) -> str:
        """Output of a management command run beside the site."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"serve ended at once:\n{self.log.read_text()[-4000:]}")
            if self._is_ready():
                return
            time.sleep(0.2)  # asks a process that cannot tell us; bounded by the deadline
        raise RuntimeError(f"not ready in {START_SECONDS} s:\n{self.log.read_text()[-4000:]}")

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/startupz", timeout=5) as answer:  # noqa: S310  loopback
                return answer.status == 200
        except (URLError, OSError):
            return False
