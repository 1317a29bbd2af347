"""What is wrong with stored series: missing, behind the others, with gaps or bad bars."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Max

from marketdata.models import BarSeries, IngestRun
from marketdata.types import gap_seconds_allowed

MISSING, BAD_BARS, GAP, BEHIND, STALE = "MISSING", "BAD_BARS", "GAP", "BEHIND", "STALE"
DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SeriesProblem:
    """One thing wrong with one series; `at` is the newest moment it concerns, None if it has none.

    `kind` is MISSING, BAD_BARS, GAP, BEHIND or STALE.
    """

    symbol: str
    timeframe: str
    kind: str
    text: str
    at: dt.datetime | None


def series_problems(symbols: Sequence[str], timeframe: str = "1d") -> list[SeriesProblem]:
    """Look at the stored series of some instruments, in their order."""
    found = BarSeries.objects.filter(instrument__symbol__in=symbols, timeframe=timeframe)
    by_symbol = {
        row.instrument.symbol: row
        for row in found.select_related("instrument__venue")
        if row.n_bars
    }
    newest = max((row.last_at for row in by_symbol.values() if row.last_at), default=None)
    faulty = _faulty(symbols, timeframe)
    shared = Counter(_longest(row) for row in by_symbol.values() if row.n_gaps)
    problems: list[SeriesProblem] = []
    for symbol in symbols:
        series = by_symbol.get(symbol)
        if symbol in faulty:
            problems.append(_bad_bars(symbol, timeframe, faulty[symbol]))
        if series is None:
            text = f"no {timeframe} bars are stored"
            problems.append(SeriesProblem(symbol, timeframe, MISSING, text, None))
        else:
            problems += [*_gaps(series, shared), *_behind(series, newest)]
    return problems


def feed_problem(
    symbol: str, timeframe: str, *, market_at: dt.datetime, newest_at: dt.datetime | None
) -> SeriesProblem | None:
    """Say whether a market that is followed got no bar for longer than it may be closed."""
    series = (
        BarSeries.objects.filter(instrument__symbol=symbol, timeframe=timeframe)
        .select_related("instrument__venue")
        .first()
    )
    if series is None or newest_at is None:
        return SeriesProblem(symbol, timeframe, STALE, "no bar has come yet", None)
    silence = market_at - newest_at
    if silence <= _allowed(series):
        return None
    text = f"no bar for {silence // DAY:,} days at your market date, {market_at:%Y-%m-%d}"
    return SeriesProblem(symbol, timeframe, STALE, text, newest_at)


def _faulty(symbols: Sequence[str], timeframe: str) -> dict[str, IngestRun]:
    """Return the imports that found bad bars and were not followed by one that found none."""
    runs = (
        IngestRun.objects.filter(instrument__symbol__in=symbols, timeframe=timeframe)
        .exclude(status=IngestRun.Status.UNCHANGED)
        .values("instrument")
        .annotate(newest=Max("pk"))
        .order_by("instrument")
    )
    newest = IngestRun.objects.filter(pk__in=[row["newest"] for row in runs], n_faults__gt=0)
    return {
        run.instrument.symbol: run for run in newest.select_related("instrument") if run.instrument
    }


def _bad_bars(symbol: str, timeframe: str, run: IngestRun) -> SeriesProblem:
    is_refused = run.status == IngestRun.Status.REFUSED
    what = "the file was refused" if is_refused else "they were left out"
    text = f"{run.n_faults:,} bad bar{'' if run.n_faults == 1 else 's'} in {run.source}: {what}"
    return SeriesProblem(symbol, timeframe, BAD_BARS, text, run.created_at)


def _longest(series: BarSeries) -> tuple[dt.datetime, dt.datetime]:
    """Return the last bar before the longest known gap and the first after it."""
    known = [(dt.datetime.fromisoformat(a), dt.datetime.fromisoformat(b)) for a, b in series.gaps]
    return max(known, key=lambda pair: pair[1] - pair[0])


def _gaps(
    series: BarSeries, shared: Counter[tuple[dt.datetime, dt.datetime]]
) -> list[SeriesProblem]:
    """Name the longest gap; one that other markets have too was rather a closed exchange."""
    if not series.n_gaps:
        return []
    before, after = _longest(series)
    span = f"{before:%Y-%m-%d} to {after:%Y-%m-%d}"
    text = f"a gap, {span}" if series.n_gaps == 1 else f"{series.n_gaps:,} gaps, the longest {span}"
    n_others = shared[before, after] - 1
    if n_others:
        others = "another market" if n_others == 1 else f"{n_others:,} other markets"
        text += f"; {others} had the same: rather closed than missing"
    return [SeriesProblem(series.instrument.symbol, series.timeframe, GAP, text, after)]


def _behind(series: BarSeries, newest: dt.datetime | None) -> list[SeriesProblem]:
    if newest is None or series.last_at is None or newest - series.last_at <= _allowed(series):
        return []
    late = (newest - series.last_at) // DAY
    text = f"ends {series.last_at:%Y-%m-%d}, {late:,} days before the newest of these markets"
    symbol = series.instrument.symbol
    return [SeriesProblem(symbol, series.timeframe, BEHIND, text, series.last_at)]


def _allowed(series: BarSeries) -> dt.timedelta:
    bars_per_year = series.instrument.venue.bars_per_year
    return dt.timedelta(seconds=gap_seconds_allowed(series.timeframe, bars_per_year))
