"""Two processes for the engine's quick suite that share one start (``--forks 2``).

pytest-xdist starts each worker from nothing, and importing NumPy, numba and the engine takes longer
than a quarter of these tests. Here all is imported and collected once; then the process forks, and
each takes the next few tests of a file until none is left.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from itertools import groupby, islice
from typing import IO, NoReturn

import pytest

PIECE = 24  # tests of one file taken at a time: few, so that nobody waits long for the other


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--forks", type=int, default=1, help="processes after one common collection")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Fork, run what no other process has taken, then show what the others found."""
    options = session.config.option
    n_others = min(options.forks - 1, len(session.items) // PIECE)
    if n_others < 1 or session.testsfailed or options.collectonly or options.usepdb:
        return None
    queue = Queue(session.items)
    children = [_child(session, queue) for _ in range(n_others)]
    _run(session, queue)
    for pid, spool in children:
        _adopt(session, pid, spool)
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)
    return True


class Queue:
    """Pieces of work in a pipe: what one process has read, no other finds."""

    def __init__(self, items: list[pytest.Item]) -> None:
        self.pieces = list(_pieces(items))
        self._reader, writer = os.pipe()
        for number in range(len(self.pieces)):
            os.write(writer, number.to_bytes(2, "big"))
        os.close(writer)

    def items(self) -> Iterator[pytest.Item]:
        """Yield the tests of one piece after the other, as long as there are any."""
        while number := os.read(self._reader, 2):
            yield from self.pieces[int.from_bytes(number, "big")]

    def drain(self) -> None:
        """Leave nothing for anybody."""
        while os.read(self._reader, 2):
            pass


def _pieces(items: list[pytest.Item]) -> Iterator[list[pytest.Item]]:
    for _, group in groupby(items, key=lambda item: item.path):
        while piece := list(islice(group, PIECE)):
            yield piece


def _run(session: pytest.Session, queue: Queue) -> None:
    """Run tests until none is left; each is told the one after it, so that fixtures stay."""
    items = queue.items()
    item = next(items, None)
    while item is not None:
        following = next(items, None)
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail or session.shouldstop:
            queue.drain()
            return
        item = following


def _child(session: pytest.Session, queue: Queue) -> tuple[int, IO[str]]:
    """Return number and notes of another process that runs tests as well."""
    spool = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - `_adopt` closes it
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        _live(session, queue, spool)
    return pid, spool


def _live(session: pytest.Session, queue: Queue, spool: IO[str]) -> NoReturn:
    """Run tests in a forked process, which writes down what the terminal would be told."""
    code = 1
    try:
        plugins = session.config.pluginmanager
        plugins.unregister(name="terminalreporter")
        plugins.register(Scribe(session.config, spool))
        capture = plugins.getplugin("capturemanager")
        capture.stop_global_capturing()  # its file is the parent's
        capture.start_global_capturing()
        _run(session, queue)
        code = 0
    except BaseException:
        spool.write(json.dumps({"error": traceback.format_exc()}) + "\n")
    finally:
        spool.flush()
        os._exit(code)


class Scribe:
    """Write every report down, and each test as it begins: the last one is where a process died."""

    def __init__(self, config: pytest.Config, spool: IO[str]) -> None:
        self._config, self._spool = config, spool

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._write({"begun": nodeid})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        hook = self._config.hook
        self._write(
            {"report": hook.pytest_report_to_serializable(config=self._config, report=report)}
        )

    def _write(self, line: dict[str, object]) -> None:
        self._spool.write(json.dumps(line) + "\n")
        self._spool.flush()


def _adopt(session: pytest.Session, pid: int, spool: IO[str]) -> None:
    """Wait for a child and report what it wrote as if it had been run here."""
    hook = session.config.hook
    _, status = os.waitpid(pid, 0)
    begun = error = ""
    with spool:
        spool.seek(0)
        for line in map(json.loads, spool):
            begun, error = line.get("begun", begun), line.get("error", error)
            if "report" in line:
                data = line["report"]
                report = hook.pytest_report_from_serializable(config=session.config, data=data)
                hook.pytest_runtest_logreport(report=report)
    if status:
        code = os.waitstatus_to_exitcode(status)
        session.shouldfail = f"a forked process ended with {code} in {begun}; {error}"
