"""Virtualenvs of the peers: made from their own locks, never mixed with the product's.

NautilusTrader and vectorbt need different versions of pandas, so there are two.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from elson.benchmarks.harness import BenchError, Report
from elson.bootstrap import ROOT, explain_pip, read_json, sha256_of, write_json


class PeersMissing(BenchError):
    """The peers cannot be installed now."""


@dataclass(frozen=True)
class PeerEnvironment:
    """One virtualenv: its folder, its lock, and the Pythons it likes better than ours."""

    folder: str
    lock: str
    pythons: tuple[str, ...] = ()


VECTORBT = PeerEnvironment(".venv-bench", "requirements-bench.lock")
# Its current release needs Python 3.12; the lock names the last one for 3.11 as well.
NAUTILUS = PeerEnvironment(
    ".venv-bench-nautilus", "requirements-bench-nautilus.lock", ("python3.13", "python3.12")
)


def peer_python(environment: PeerEnvironment, report: Report) -> Path:
    """Return the interpreter of the environment, installing it first where it is not complete."""
    home = ROOT / environment.folder
    python = home / "bin" / "python"
    record = home / "elson-bench.json"
    wanted = {"lock": sha256_of(ROOT / environment.lock)}
    if read_json(record) == wanted and python.exists():
        return python
    report(f"installing the peers of {environment.lock} into {environment.folder} (minutes)")
    shutil.rmtree(home, ignore_errors=True)
    _call([_base_python(environment), "-m", "venv", str(home)])
    command = [str(python), "-m", "pip", "install", "--require-hashes", "--no-deps"]
    command += ["--only-binary=:all:", "--progress-bar=off", "-r", str(ROOT / environment.lock)]
    _call(command)
    write_json(record, wanted)
    return python


def peer_version(environment: PeerEnvironment, package: str) -> str:
    """Return the installed version of a peer, read from the environment itself."""
    name = re.sub(r"[-_.]+", "_", package).lower()
    found = [
        path.name
        for path in (ROOT / environment.folder).glob("lib/python3*/site-packages/*.dist-info")
        if path.name.lower().replace("-", "_").startswith(f"{name}_")
    ]
    return found[0].removesuffix(".dist-info").rpartition("-")[2] if found else "missing"


def _base_python(environment: PeerEnvironment) -> str:
    for name in environment.pythons:
        found = shutil.which(name)
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return found
    return sys.executable


def _call(command: list[str]) -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace")
        raise PeersMissing(f"The peers could not be installed. {explain_pip(said)}")
