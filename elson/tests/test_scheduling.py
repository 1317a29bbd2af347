"""Parallel workers: a file is one worker's, and all journeys are one worker's."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from elson.bootstrap import ROOT
from elson.tests.scheduling import JOURNEYS, group_of


def test_a_file_goes_together_and_so_do_the_journeys():
    assert group_of("elson/tests/test_docs.py::test_a[x::y]") == "elson/tests/test_docs.py"
    assert group_of(f"{JOURNEYS}test_backtest.py::test_a") == group_of(f"{JOURNEYS}test_x.py::b")
    assert (ROOT / JOURNEYS).is_dir()


@pytest.mark.slow
def test_two_workers_share_no_file():
    files = ["elson/tests/test_schedule.py", "elson/common/tests/test_formatting.py"]
    files = [name for name in files if (ROOT / name).exists()] + ["elson/tests/test_templates.py"]
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "-v", *files]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}

    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    seen = set(re.findall(r"\[(gw\d)\].*? PASSED (\S+?)::", done.stdout))
    assert done.returncode == 0, done.stdout
    assert len({name for _, name in seen}) == len(seen) == len(files)
