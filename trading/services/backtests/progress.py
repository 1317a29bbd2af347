"""Who holds a run and how far it is; a worker that lost its lease may not write.

The row is the truth: a page that was closed, a socket that broke and a second worker all read it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np

from marketdata.types import FloatArray, IntArray
from trading import broadcast
from trading.engine.backtest import BacktestRun
from trading.engine.backtest.config import EquityAt
from trading.models import Backtest
from trading.services.leases import lease_claim, lease_write

Clock = Callable[[], dt.datetime]
Phase = Backtest.Phase

# A silent worker is replaced after this long; each progress write renews it.
LEASE = dt.timedelta(seconds=30)
# Two writes a second at most, whatever the loop does.
WRITE_EVERY = dt.timedelta(milliseconds=500)
LOG_LINES = 50
# Points of the equity that is shown while a run goes on.
POINTS_SO_FAR = 120
# Where each phase begins and ends on the bar from 0 to 1.
SPANS = {
    Phase.QUEUED: (0.0, 0.0),
    Phase.LOADING: (0.0, 0.05),
    Phase.SIMULATING: (0.05, 0.55),
    Phase.NULL_MODEL: (0.55, 0.9),
    Phase.STATISTICS: (0.9, 0.99),
    Phase.DONE: (1.0, 1.0),
}
PHASES = tuple(SPANS)


class RunCanceled(Exception):
    """The person called the run off."""


def run_claim(*, backtest_id: int, now: dt.datetime) -> Backtest | None:
    """Take a run that waits or whose worker fell silent; None when there is nothing to do."""
    if not lease_claim(Backtest, backtest_id, now=now, lease=LEASE):
        return None
    return Backtest.objects.select_related("instrument__venue").get(pk=backtest_id)


class RunProgress:
    """Writes how far a run is: phases in order, a share that never falls, two rows a second.

    `count` takes the equity of a whole run before it is shown, or of the part that was shown when
    the run is called off; without it nobody keeps count.
    """

    def __init__(self, backtest: Backtest, clock: Clock) -> None:
        self._backtest = backtest
        self.count: Callable[[FloatArray], None] | None = None
        self._clock = clock
        self._phase_began = self._written_at = clock()
        # A second worker starts over, but the bar a person saw must not jump back.
        self._floor = backtest.progress
        self._floor_phase = PHASES.index(Phase(backtest.phase))
        self.n_bars = 0
        self._seen: tuple[IntArray, EquityAt] | None = None

    def phase(self, phase: str, detail: str = "") -> None:
        """Enter a phase; always written, and the moment at which a cancel is noticed."""
        text = detail or str(Phase(phase).label)
        now = self._clock()
        # The null model runs the strategy three times more without a word in between.
        lease = LEASE + 5 * (now - self._phase_began)
        self._phase_began = now
        log = log_with(self._backtest, now, text)
        self._write(Phase(phase), 0.0, text, now, lease=lease, log=log)

    def advance(self, phase: str, share: float, detail: str = "") -> None:
        """Report a share from 0 to 1 of a phase; most calls only compare two times."""
        now = self._clock()
        if now - self._written_at < WRITE_EVERY:
            return
        rate = share * self.n_bars / max((now - self._phase_began).total_seconds(), 1e-3)
        self._write(Phase(phase), share, detail, now, n_bars_per_second=round(rate))

    def observe(self, closed_at: IntArray, equity_at: EquityAt) -> None:
        """Remember which bars have run; the next row that is written shows some of them."""
        self._seen = (closed_at, equity_at)

    def simulated(self, run: BacktestRun) -> None:
        """Count the run, then show its bars."""
        self.observe(run.closed_at, run.equity.__getitem__)
        self._count_seen()

    def _count_seen(self) -> None:
        if self.count is not None and self._seen is not None:
            closed_at, equity_at = self._seen
            self.count(equity_at(np.arange(closed_at.shape[0])))

    def _write(
        self,
        phase: Phase,
        share: float,
        detail: str,
        now: dt.datetime,
        *,
        lease: dt.timedelta = LEASE,
        **values: Any,
    ) -> None:
        low, high = SPANS[phase]
        self._floor = max(self._floor, low + (high - low) * min(max(share, 0.0), 1.0))
        self._floor_phase = max(self._floor_phase, PHASES.index(phase))
        lease_write(
            self._backtest,
            now=now,
            phase=PHASES[self._floor_phase],
            progress=self._floor,
            detail=detail[:120],
            so_far=_points(*self._seen) if self._seen else {},
            lease=lease,
            **values,
        )
        self._written_at = now
        announce(self._backtest)
        if Backtest.objects.filter(pk=self._backtest.pk, is_cancel_requested=True).exists():
            self._count_seen()
            raise RunCanceled


def _points(closed_at: IntArray, equity_at: EquityAt) -> dict[str, Any]:
    n_bars = closed_at.shape[0]
    at = np.unique(np.linspace(0, n_bars - 1, POINTS_SO_FAR).astype(np.int64))
    return {
        "closed_at": [int(t) // 10**9 for t in closed_at[at]],
        "equity": np.round(equity_at(at), 2).tolist(),
        "n_bars": n_bars,
    }


def log_with(backtest: Backtest, now: dt.datetime, text: str) -> list[dict[str, str]]:
    """Return the log with one more line, the oldest left out beyond fifty."""
    return [*backtest.log, {"at": now.isoformat(), "text": text}][-LOG_LINES:]


def announce(backtest: Backtest) -> None:
    """Tell everybody who watches this run where it stands, once the transaction commits."""
    broadcast.backtest_progress(backtest_id=backtest.pk, values=progress_values(backtest))


def progress_values(backtest: Backtest) -> dict[str, Any]:
    """Return what the page, the socket and the API show of a run's progress."""
    return {
        "id": backtest.pk,
        "status": str(backtest.status),
        "phase": str(backtest.phase),
        "phase_label": str(Phase(backtest.phase).label),
        "progress": round(backtest.progress, 4),
        "detail": backtest.detail,
        "n_bars_per_second": backtest.n_bars_per_second,
        "started_at": backtest.started_at.isoformat() if backtest.started_at else None,
        "finished_at": backtest.finished_at.isoformat() if backtest.finished_at else None,
        "error": backtest.error or None,
    }
