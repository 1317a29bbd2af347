from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from elson.bootstrap import ROOT
from elson.serving import supervisor
from elson.serving.processes import Child, Running, child_schedule
from elson.serving.supervisor import logs_trim

# What a busy machine may take; only a failure waits for its end.
PATIENCE_SECONDS = 60.0

# A supervisor over children that write their process ids; run in a process of its own.
SCRIPT = """
import os, signal, sys, time
from pathlib import Path
from elson.serving.processes import Child, die_with_parent
from elson.serving.supervisor import Supervisor

folder = Path(sys.argv[1])

def note(name):
    with (folder / name).open("a") as pids:
        pids.write(f"{os.getpid()}\\n")

def obedient():
    note("obedient")
    time.sleep(600)

def with_grandchild():
    if os.fork() == 0:
        die_with_parent()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        note("grandchild")
        time.sleep(600)
    note("with_grandchild")
    time.sleep(600)

def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note("stubborn")
    time.sleep(600)

def once():
    note("once")

def failing():
    note("failing")
    print("the disk is full", file=sys.stderr)
    raise SystemExit(3)

supervisor = Supervisor(say=lambda text: print(text, flush=True), log_dir=folder, is_forked=True)
supervisor.watch_signals()
for name in sys.argv[2:]:
    supervisor.start(Child(name, run=globals()[name], is_once=name == "once"))
raise SystemExit(supervisor.run())
"""


@pytest.fixture
def supervise(tmp_path):
    started = []

    def start(*names: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path), *names],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            process.communicate()
    for pid in all_pids(tmp_path):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def pids_of(folder: Path, name: str) -> list[int]:
    path = folder / name
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def all_pids(folder: Path) -> list[int]:
    names = ("obedient", "with_grandchild", "grandchild", "stubborn", "failing")
    return [pid for name in names for pid in pids_of(folder, name)]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the latter where it ends while it is read
        return False
    return state not in "ZX"  # waited for by nobody, but gone


def are_gone(pids: Iterable[int]) -> bool:
    """Tell that none is there any more; who was killed needs a moment of the processor to end."""
    pids = list(pids)
    return until(lambda: not any(is_alive(pid) for pid in pids))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_every_child_and_its_children(supervise, tmp_path, number):
    process = supervise("obedient", "with_grandchild")
    assert until(lambda: len(all_pids(tmp_path)) == 3)

    process.send_signal(number)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0
    assert "stopped in" in said
    assert are_gone(all_pids(tmp_path))


def test_child_that_does_not_stop_is_ended_within_ten_seconds(supervise, tmp_path):
    process = supervise("stubborn")
    assert until(lambda: len(all_pids(tmp_path)) == 1)

    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert f"stubborn did not stop in {supervisor.STOP_SECONDS:g} s and is ended now" in said
    assert supervisor.STOP_SECONDS + supervisor._LAST_STOP_SECONDS < 10
    assert are_gone(all_pids(tmp_path))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's help is Linux only")
def test_killed_supervisor_leaves_no_process_behind(supervise, tmp_path):
    process = supervise("obedient", "with_grandchild", "stubborn")
    assert until(lambda: len(all_pids(tmp_path)) == 4)

    process.kill()
    process.communicate()

    assert are_gone(all_pids(tmp_path))


def test_child_killed_outright_is_started_again_without_its_leftovers(supervise, tmp_path):
    process = supervise("with_grandchild")
    assert until(lambda: len(all_pids(tmp_path)) == 2)
    first, grandchild = pids_of(tmp_path, "with_grandchild")[0], pids_of(tmp_path, "grandchild")[0]

    os.kill(first, signal.SIGKILL)

    assert until(lambda: len(pids_of(tmp_path, "with_grandchild")) == 2)
    assert are_gone([grandchild])
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert "with_grandchild ended (signal SIGKILL); starting it again in 0.2 s" in said


def test_failing_child_is_named_with_its_last_words(supervise, tmp_path):
    process = supervise("failing")
    assert until(lambda: len(pids_of(tmp_path, "failing")) == 2)

    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert "failing ended (exit code 3); starting it again in 0.2 s" in said
    assert "its last words: the disk is full" in said


def test_a_child_that_has_done_its_one_thing_is_not_started_again(supervise, tmp_path):
    process = supervise("once", "failing")

    assert until(lambda: len(pids_of(tmp_path, "failing")) == 3 and pids_of(tmp_path, "once"))

    assert len(pids_of(tmp_path, "once")) == 1
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert "once ended" not in said


def test_pauses_grow_for_a_child_that_keeps_dying():
    running = Running(Child("x"), started=0.0)

    pauses = [child_schedule(running, now=1.0) for _ in range(8)]

    assert pauses == [0.2, 1.0, 2.0, 5.0, 10.0, 30.0, 30.0, 30.0]


def test_pauses_begin_afresh_after_a_healthy_minute():
    running = Running(Child("x"), started=0.0, n_failures=5)

    assert child_schedule(running, now=61.0) == 0.2


def test_large_log_is_cut_and_one_older_piece_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("elson.serving.supervisor._LOG_BYTES_MAX", 10)
    log = tmp_path / "web.log"
    log.write_text("much more than ten bytes")

    logs_trim([log])

    assert log.read_text() == ""
    assert (tmp_path / "web.log.1").read_text() == "much more than ten bytes"
