"""Two processes after one collection: no test is lost, run twice or told wrongly."""

import os
import subprocess
import sys
from collections import Counter
from xml.etree import ElementTree

import pytest

from elson.bootstrap import ROOT

pytestmark = pytest.mark.slow

# The first process waits until the other has run a test, so that both have some.
COMMON = """
import multiprocessing
import os

FIRST, begun = os.getpid(), multiprocessing.Event()
"""
FILE = """
import os
import pytest
from conftest import FIRST, begun

@pytest.mark.parametrize("n", range(30))
def test_one(n):
    if os.getpid() == FIRST:
        assert begun.wait(60)
    else:
        begun.set()
        {other}
"""


@pytest.fixture
def run(tmp_path):
    """Run four files by two processes; return code, output, count of each test, failures."""

    def forked(other):
        for name in "abcd":
            (tmp_path / f"test_{name}.py").write_text(FILE.format(other=other))
        (tmp_path / "conftest.py").write_text(COMMON)
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        report = tmp_path / "report.xml"
        command = [sys.executable, "-m", "pytest", "-p", "elson.tests.forks", "--forks", "2"]
        command += [
            "-p",
            "no:xdist",
            "-p",
            "no:django",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:socket",
        ]
        done = subprocess.run(
            [*command, f"--junitxml={report}", str(tmp_path)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 - our own file
        names = Counter((case.get("classname"), case.get("name")) for case in cases)
        n_failed = sum(case.find("failure") is not None for case in cases)
        return done.returncode, done.stdout + done.stderr, names, n_failed

    return forked


def test_every_test_runs_once(run):
    code, output, names, n_failed = run("pass")

    assert code == 0, output
    assert len(names) == 4 * 30
    assert set(names.values()) == {1}
    assert n_failed == 0


def test_what_the_other_process_finds_is_told_with_what_it_printed(run):
    code, output, names, n_failed = run("print('of the other'); assert n < 0, 'seen there'")

    assert code == 1
    assert set(names.values()) == {1}
    assert 0 < n_failed < 4 * 30
    assert output.count("AssertionError: seen there") >= n_failed
    assert output.count("\nof the other\n") == n_failed


def test_a_process_that_dies_is_a_failure_that_names_its_last_test(run):
    code, output, names, _ = run("os._exit(3)")

    assert code == 1
    assert "a forked process ended with 3 in test_" in output
    assert len(names) < 4 * 30
