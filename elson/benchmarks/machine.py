"""Describe the machine a measurement was made on."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from elson.bootstrap import ROOT


def machine() -> dict[str, Any]:
    """Return processor, cores, memory, system, Python and the load at this moment."""
    return {
        "cpu": _first_value("/proc/cpuinfo", "model name") or platform.processor() or "unknown",
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": _memory_gb(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "load_1m": round(os.getloadavg()[0], 2),
    }


def _memory_gb() -> float | None:
    text = _first_value("/proc/meminfo", "MemTotal")
    return round(int(text.split()[0]) / 2**20, 1) if text else None


def _first_value(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""  # not Linux: the caller says what it knows
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")


def revision() -> str:
    """Return the commit that is measured, marked when files differ from it."""
    try:
        asked = ["git", "describe", "--always", "--dirty=+changes", "--exclude=*"]
        found = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"  # an archive without its history, or no git here
    return found.stdout.strip()
