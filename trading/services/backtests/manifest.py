"""What made a result: code, data, parameters, seed and library versions, to do it again."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import metadata
from typing import Any

from django.conf import settings

from marketdata.selectors import bars_hash
from marketdata.types import Bars
from trading.services.backtests.statistics import iso, plain

LIBRARIES = ("numpy", "numba", "scikit-learn")


def manifest_of(
    *,
    bars: Bars,
    parameters: Mapping[str, Any],
    seed: int,
    source: str,
    settings_used: Mapping[str, Any],
) -> dict[str, Any]:
    """Write down everything that decided the numbers of a run."""
    return plain(
        {
            "code": code_identity(),
            "data": {
                "symbol": bars.symbol,
                "timeframe": bars.timeframe,
                "source": source,
                "n_bars": len(bars),
                "first_at": iso(int(bars.closed_at[0])),
                "last_at": iso(int(bars.closed_at[-1])),
                "bars_per_year": bars.bars_per_year,
                "exec_price": bars.exec_price,
                "sha256": bars_hash(bars),
            },
            "params": dict(parameters),
            "seed": seed,
            "settings": dict(settings_used),
        }
    )


def manifest_of_many(
    *,
    series: Sequence[Bars],
    bars_per_year: float,
    parameters: Mapping[str, Any],
    seed: int,
    source: str,
    settings_used: Mapping[str, Any],
) -> dict[str, Any]:
    """Write down everything that decided the numbers of a portfolio run.

    `bars_per_year` are the ticks of the account, whose clock has the bars of every instrument.
    """
    parts = [
        manifest_of(
            bars=bars, parameters=parameters, seed=seed, source=source, settings_used=settings_used
        )
        for bars in series
    ]
    data = [part["data"] for part in parts]
    digest = hashlib.sha256("".join(one["sha256"] for one in data).encode()).hexdigest()
    whole = {
        **data[0],
        "symbol": ", ".join(one["symbol"] for one in data),
        "n_bars": sum(one["n_bars"] for one in data),
        "first_at": min(one["first_at"] for one in data),
        "last_at": max(one["last_at"] for one in data),
        "bars_per_year": bars_per_year,
        "sha256": digest,
        "instruments": data,
    }
    return {**parts[0], "data": whole}


@lru_cache(maxsize=1)
def code_identity() -> dict[str, Any]:
    """Name the version, the git revision where there is one, and the libraries that compute."""
    return {
        "version": settings.ELSON_VERSION,
        "revision": _revision(),
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }


def _revision() -> str | None:
    if not (settings.BASE_DIR / ".git").exists():
        return None
    command = ["git", "-C", str(settings.BASE_DIR), "rev-parse", "--short=12", "HEAD"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() or None if said.returncode == 0 else None
