"""Equity of a portfolio over market time, its drawdowns and its returns by period."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from django.db.models import QuerySet

from trading.engine.metrics import drawdowns
from trading.models import EquityPoint, Portfolio

MAX_POINTS = 2_000
_PERIODS = (("1 month", 31), ("3 months", 92), ("1 year", 365))


@dataclass(frozen=True, slots=True)
class EquityCurve:
    """Closes in order with equity, drawdown <= 0 and regime; `opening` is the first peak."""

    currency: str
    opening: float
    at: list[dt.datetime]
    equity: list[float]
    drawdown: list[float]
    regimes: list[str]

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True, slots=True)
class DrawdownSpell:
    """From a peak to its recovery; `depth` is a fraction <= 0, recovery None while it lasts."""

    peak_at: dt.datetime
    trough_at: dt.datetime
    recovered_at: dt.datetime | None
    depth: float


@dataclass(frozen=True, slots=True)
class PeriodReturn:
    """Return over the last stretch of market time; `n_bars` says how much that rests on."""

    label: str
    total_return: float
    n_bars: int


def equity_curve(portfolio: Portfolio, *, since: dt.datetime | None = None) -> EquityCurve:
    """Equity at every close, thinned to 2,000 points keeping the last one."""
    points = EquityPoint.objects.filter(portfolio=portfolio)
    if since is not None:
        points = points.filter(market_at__gte=since)
    rows = list(points.order_by("market_at").values_list("market_at", "equity", "regime"))
    if not rows:
        return EquityCurve(portfolio.currency, float(portfolio.opening_cash), [], [], [], [])
    equity = np.array([float(row[1]) for row in rows])
    opening = float(equity[0]) if since else float(portfolio.opening_cash)
    falls = drawdowns(equity, opening)
    kept = _thinned(len(rows))
    return EquityCurve(
        currency=portfolio.currency,
        opening=opening,
        at=[rows[i][0] for i in kept],
        equity=[float(equity[i]) for i in kept],
        drawdown=[float(falls[i]) for i in kept],
        regimes=[rows[i][2] for i in kept],
    )


def equity_point_list(
    portfolio: Portfolio | None, *, since: dt.datetime | None = None
) -> QuerySet[EquityPoint]:
    """Return stored points of a portfolio, newest first, from a moment on."""
    points = EquityPoint.objects.filter(portfolio=portfolio)
    if since is not None:
        points = points.filter(market_at__gte=since)
    return points.order_by("-market_at")


def equity_recent(portfolio: Portfolio, *, n: int) -> list[dict[str, str]]:
    """Return the last `n` points as the stream sends them, oldest first."""
    points = EquityPoint.objects.filter(portfolio=portfolio).order_by("-market_at")[:n]
    return [
        {
            "market_at": point.market_at.isoformat(),
            "equity": f"{point.equity:f}",
            "regime": point.regime,
        }
        for point in reversed(points)
    ]


def period_returns(curve: EquityCurve) -> list[PeriodReturn]:
    """Compute the return over all and the last month, quarter and year, as far as it reaches."""
    if len(curve) < 2:
        return []
    found = [PeriodReturn("All", curve.equity[-1] / curve.equity[0] - 1, len(curve) - 1)]
    for label, days in reversed(_PERIODS):
        since = curve.at[-1] - dt.timedelta(days=days)
        first = next(i for i, at in enumerate(curve.at) if at >= since)
        if curve.at[0] <= since and first < len(curve) - 1:
            change = curve.equity[-1] / curve.equity[first] - 1
            found.append(PeriodReturn(label, change, len(curve) - 1 - first))
    return found


def drawdown_list(curve: EquityCurve) -> list[DrawdownSpell]:
    """Every spell below a peak, the deepest first."""
    found: list[DrawdownSpell] = []
    peak, trough = 0, None
    for i, value in enumerate(curve.equity):
        if value < curve.equity[peak]:
            trough = i if trough is None or value < curve.equity[trough] else trough
            continue
        if trough is not None:
            found.append(_spell(curve, peak, trough, i))
        peak, trough = i, None
    if trough is not None:
        found.append(_spell(curve, peak, trough, None))
    return sorted(found, key=lambda spell: spell.depth)


def _spell(curve: EquityCurve, peak: int, trough: int, end: int | None) -> DrawdownSpell:
    return DrawdownSpell(
        peak_at=curve.at[peak],
        trough_at=curve.at[trough],
        recovered_at=None if end is None else curve.at[end],
        depth=curve.equity[trough] / curve.equity[peak] - 1,
    )


def _thinned(n: int) -> list[int]:
    step = -(-n // MAX_POINTS)
    kept = list(range(0, n, step))
    return kept if kept[-1] == n - 1 else [*kept, n - 1]
