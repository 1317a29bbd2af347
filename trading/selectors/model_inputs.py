"""Open problems with the prices a model learned from and decides on."""

from __future__ import annotations

import datetime as dt

from django.db.models import Max, Min

from marketdata.selectors.bars import NoBars, last_bar_get
from marketdata.selectors.problems import SeriesProblem, feed_problem, series_problems
from trading.models import Deployment, ModelVersion, Portfolio, Prediction

TIMEFRAME = "1d"
# A profit-blind exit takes ten bars; results that wait longer mean that bars are missing.
LONGEST_WAIT = dt.timedelta(days=21)
WAITING = "WAITING"
# What keeps the model from deciding or learning comes before what it can live with.
ORDER = ("STALE", WAITING, "MISSING", "BAD_BARS", "GAP", "BEHIND")


def data_problems(version: ModelVersion, portfolio: Portfolio) -> list[SeriesProblem]:
    """Return what is wrong with the series of one version, the worst first.

    Its series: what it learned from, and what the portfolio's strategies trade by it now.
    """
    deployments = _deployments(version, portfolio)
    traded = [row.instrument.symbol for row in deployments]
    symbols = dict.fromkeys([*version.training.symbols, *traded])
    problems = [
        *series_problems(list(symbols), TIMEFRAME),
        *_feeds(deployments, portfolio),
        *_waiting(version),
    ]
    return sorted(problems, key=lambda problem: (ORDER.index(problem.kind), problem.symbol))


def series_watched(version: ModelVersion, portfolio: Portfolio) -> int:
    """Count the instruments `data_problems` looks at."""
    traded = {row.instrument.symbol for row in _deployments(version, portfolio)}
    return len(traded | set(version.training.symbols))


def _deployments(version: ModelVersion, portfolio: Portfolio) -> list[Deployment]:
    deciding = Deployment.objects.filter(
        portfolio=portfolio,
        status__in=Deployment.DECIDING,
        version__strategy__key=version.strategy_key,
    )
    return list(deciding.select_related("instrument").order_by("pk"))


def _feeds(deployments: list[Deployment], portfolio: Portfolio) -> list[SeriesProblem]:
    """Markets in trade that got no bar although the replay went on."""
    if portfolio.replay is None:
        return []
    market_at = portfolio.replay.cursor_at
    found = []
    for row in deployments:
        try:
            newest_at = last_bar_get(row.instrument, row.timeframe, until=market_at).closed_at
        except NoBars:
            newest_at = None
        symbol = row.instrument.symbol
        found.append(feed_problem(symbol, row.timeframe, market_at=market_at, newest_at=newest_at))
    return [problem for problem in found if problem is not None]


def _waiting(version: ModelVersion) -> list[SeriesProblem]:
    """Instruments whose results are overdue, by the market time of the version's predictions."""
    rows = Prediction.objects.filter(version=version)
    latest = rows.aggregate(at=Max("market_at"))["at"]
    if latest is None:
        return []
    overdue = (
        rows.filter(resolved_at__isnull=True, market_at__lt=latest - LONGEST_WAIT)
        .values("instrument__symbol", "timeframe")
        .annotate(oldest=Min("market_at"))
        .order_by("instrument__symbol")
    )
    return [
        SeriesProblem(
            row["instrument__symbol"],
            row["timeframe"],
            WAITING,
            f"a result is waited for since {row['oldest']:%Y-%m-%d}: its bars are "
            "missing, or were not looked at in these minutes",
            row["oldest"],
        )
        for row in overdue
    ]
