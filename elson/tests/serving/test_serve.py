"""The whole platform as `make run` starts it, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from elson.bootstrap import ROOT
from elson.settings.base import embedded_redis_socket
from elson.settings.variables import BY_NAME
from elson.tests.servers import free_port
from elson.tests.serving.test_supervisor import PATIENCE_SECONDS, are_gone, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass
class Platform:
    process: subprocess.Popen[str]
    address: str
    state: Path
    said: Path

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            address = self.address + path
            with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def readiness(self) -> dict[str, object]:
        return json.loads(self.get("/readyz")[1] or b"{}")


def environment_of(state: Path) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ELSON_")
        and name not in BY_NAME
        and name != "DJANGO_SETTINGS_MODULE"
    }
    return {**inherited, "ELSON_STATE_DIR": str(state), "ELSON_WORKER_PROCESSES": "1"}


def start(state: Path, *arguments: str, port: int | None = None) -> Platform:
    port = port or free_port()
    said = state / "said.txt"
    with said.open("a") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", *arguments],
            cwd=ROOT, env={**environment_of(state), "PORT": str(port)},
            stdout=output, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    return Platform(process, f"http://127.0.0.1:{port}", state, said)


def family_of(pid: int) -> set[int]:
    """Every process below this one."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    family, grew = {pid}, True
    while grew:
        more = {child for child, parent in parents.items() if parent in family} - family
        family |= more
        grew = bool(more)
    return family - {pid}


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:  # it has ended since
        return ""


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> Path:
    # Deeper than a Unix socket's path may be.
    folder = tmp_path_factory.mktemp("a" * 60) / ("b" * 60)
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def platform(state) -> Iterator[Platform]:
    running = start(state)
    try:
        assert until(lambda: running.get("/livez")[0] == 200, 600), running.said.read_text()
        yield running
    finally:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGINT)
        running.process.wait(PATIENCE_SECONDS)


def test_fresh_folder_reaches_a_served_and_seeded_platform(platform):
    assert platform.get("/api/schema/")[0] == 200
    assert until(lambda: platform.readiness().get("status") == "ready"), platform.readiness()
    said = platform.said.read_text()
    assert f"Elson is at {platform.address}" in said
    assert "demo@elson.local" in said
    assert "Replay" in said


def test_passwords_are_readable_by_their_owner_only(platform):
    mode = (platform.state / "sign-ins.json").stat().st_mode & 0o777

    assert mode == 0o600


def test_second_serve_on_the_same_folder_is_refused(platform):
    second = start(platform.state, "--no-prepare")

    assert second.process.wait(PATIENCE_SECONDS) == 1
    assert "already running on" in second.said.read_text()
    assert platform.get("/livez")[0] == 200


def test_taken_port_is_one_sentence_and_nothing_starts(platform, tmp_path):
    port = int(platform.address.rpartition(":")[2])

    refused = start(tmp_path, port=port)

    assert refused.process.wait(PATIENCE_SECONDS) == 1
    lines = refused.said.read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"port {port} is taken; PORT=")
    assert not (tmp_path / "elson.sqlite3").exists()


def test_killed_web_process_is_back_and_no_caller_is_refused(platform):
    web = next(pid for pid in family_of(platform.process.pid) if name_of(pid) == "elson web")

    os.kill(web, signal.SIGKILL)

    # The socket is the supervisor's: callers wait instead of being refused.
    assert platform.get("/livez")[0] == 200
    assert "web ended (signal SIGKILL)" in platform.said.read_text()


def test_stop_and_second_start(platform):
    family = family_of(platform.process.pid)
    assert len(family) >= 5
    platform.process.send_signal(signal.SIGINT)

    assert platform.process.wait(PATIENCE_SECONDS) == 0
    assert are_gone(family)

    again = start(platform.state)
    try:
        assert until(lambda: again.get("/livez")[0] == 200)
        assert "✓" not in again.said.read_text().rpartition("stopped in")[2]  # nothing to prepare
        family = family_of(again.process.pid)
    finally:
        again.process.kill()
        again.process.wait()

    assert are_gone(family)


def test_socket_path_is_short_whatever_the_folder(tmp_path):
    deep = tmp_path / ("x" * 150)

    assert len(str(embedded_redis_socket(deep))) <= 100
    assert embedded_redis_socket(deep) == embedded_redis_socket(deep)
    assert embedded_redis_socket(deep) != embedded_redis_socket(tmp_path / ("y" * 150))
