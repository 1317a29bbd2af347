"""Two to four finished backtests side by side, from what their results stored."""

from __future__ import annotations

import calendar
import datetime as dt
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elson.common.errors import NotFound
from elson.common.formatting import has_no_loss
from trading.engine import comparison as engine
from trading.engine.comparison import Holding
from trading.engine.enough import shortfall
from trading.engine.types import Regime
from trading.models import Backtest
from trading.selectors.backtests import backtest_list
from trading.selectors.compared_settings import (
    COSTS,
    ComparedRun,
    SettingRow,
    market_of,
    settings_differing,
)

LETTERS = "ABCD"
MOST_RUNS = len(LETTERS)
SEED = 7  # of the bootstrap; the same page twice shows the same intervals
MONTHS_A_YEAR = 12.0
SEGMENTS = ("out_of_sample", "all")
REGIMES = tuple(str(regime.value) for regime in Regime)


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One figure of every run; `best` marks the letters that hold the best value.

    `too_few` holds the bars or round trips of a run that has too few of them for this figure: it
    is neither the best nor set against another.
    """

    segment: str
    key: str
    values: tuple[float | None, ...]
    best: tuple[bool, ...]
    differences: tuple[float | None, ...]
    too_few: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class PairRow:
    """A run set against another over the months both cover alike.

    Differences are second minus first; bounds are None with too few months.
    """

    first: str
    second: str
    segment: str
    n_months: int
    mean: engine.PairedDifference
    sharpe: engine.PairedDifference
    correlation: float | None
    overlap: float | None


@dataclass(frozen=True, slots=True)
class RegimeCells:
    """One regime of every run: the stored row and the win rate of random entries, or None."""

    regime: str
    cells: tuple[dict[str, Any] | None, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything the page and the API show; lists are empty while no two runs have finished."""

    runs: tuple[ComparedRun, ...]
    differences: tuple[str, ...]
    common_from: dt.date | None
    common_to: dt.date | None
    has_common_span: bool
    metrics: tuple[MetricRow, ...]
    pairs: tuple[PairRow, ...]
    regimes: tuple[RegimeCells, ...]
    settings: tuple[SettingRow, ...]


# Key, whether more (1) or less (-1) is better; 0 names no best.
METRICS: tuple[tuple[str, int], ...] = (
    ("total_return", 1),
    ("annual_return", 1),
    ("sharpe_ratio", 1),
    ("sortino_ratio", 1),
    ("calmar_ratio", 1),
    ("max_drawdown", 1),
    ("volatility", 0),
    ("n_round_trips", 0),
    ("win_rate", 0),
    ("profit_factor", 1),
    ("expectancy_bps", 1),
    ("exposure", 0),
    ("turnover_per_year", 0),
    ("cost_share", -1),
)


def compared_runs(*, user_id: int, backtest_ids: Sequence[int]) -> list[ComparedRun]:
    """Return these runs in the order asked, at most four; NotFound for foreign and unknown ones."""
    wanted = list(dict.fromkeys(backtest_ids))[:MOST_RUNS]
    found = {
        row.pk: row for row in backtest_list(user_id=user_id).filter(pk__in=wanted).defer(None)
    }
    if missing := [pk for pk in wanted if pk not in found]:
        raise NotFound("backtest", f"#{missing[0]}")
    rows = [found[pk] for pk in wanted]
    return [_column(letter, row) for letter, row in zip(LETTERS, rows, strict=False)]


def comparison_of(runs: Sequence[ComparedRun]) -> Comparison:
    """Set the finished runs side by side; unfinished ones keep their column, without values."""
    done = [run for run in runs if run.result is not None]
    starts = [run.first_on for run in done if run.first_on]
    ends = [run.last_on for run in done if run.last_on]
    common_from = max(starts) if starts else None
    common_to = min(ends) if ends else None
    has_common = bool(common_from and common_to and common_from < common_to)
    return Comparison(
        runs=tuple(runs),
        differences=tuple(_differences(done)),
        common_from=common_from if has_common else None,
        common_to=common_to if has_common else None,
        has_common_span=len(set(starts)) <= 1 and len(set(ends)) <= 1,
        metrics=tuple(_metrics(runs)),
        pairs=tuple(_pairs(done)) if len(done) > 1 else (),
        regimes=tuple(_regimes(runs)),
        settings=tuple(settings_differing(runs)),
    )


def _column(letter: str, row: Backtest) -> ComparedRun:
    first = last = None
    if row.status == Backtest.Status.SUCCEEDED:
        span = row.result.manifest["data"]
        first, last = _day(span["first_at"]), _day(span["last_at"])
    return ComparedRun(letter, row, first, last)


def _day(text: str) -> dt.date:
    return dt.date.fromisoformat(text[:10])


# --- what keeps them from being comparable ------------------------------------------------------


def _differences(done: Sequence[ComparedRun]) -> Iterable[str]:
    """Say in sentences in what the runs differ beside their rules."""
    checks: tuple[tuple[str, Callable[[ComparedRun], Any]], ...] = (
        ("They cover different spans", lambda run: (run.first_on, run.last_on)),
        ("They trade different markets", market_of),
        ("They use different bars", lambda run: run.backtest.timeframe),
        ("They pay different costs", _costs),
        ("Their out-of-sample part begins on different days", _split_day),
        ("They begin with different capital", lambda run: run.result.manifest["settings"]["cash"]),
    )
    for sentence, value in checks:
        if len({value(run) for run in done}) > 1:
            yield sentence
    hashes: dict[Any, set[str]] = defaultdict(set)
    for run in done:
        same = market_of(run), run.backtest.timeframe, run.first_on, run.last_on
        hashes[same].add(run.result.manifest["data"]["sha256"])
    if any(len(found) > 1 for found in hashes.values()):
        yield "The stored prices changed between the runs"


def _costs(run: ComparedRun) -> tuple[Any, ...]:
    return tuple(getattr(run.backtest, name) for name in COSTS)


def _split_day(run: ComparedRun) -> dt.date | None:
    split = run.result.curve["out_of_sample_from"]
    return dt.datetime.fromtimestamp(split, tz=dt.UTC).date() if split else None


# --- figures ------------------------------------------------------------------------------------


def _metrics(runs: Sequence[ComparedRun]) -> Iterable[MetricRow]:
    for segment in SEGMENTS:
        parts = [(run.result.metrics.get(segment) or {}) if run.result else {} for run in runs]
        if not any(parts):
            continue
        for key, direction in METRICS:
            values = tuple(part.get(key) for part in parts)
            few = tuple(shortfall(part, key) for part in parts)
            enough = tuple(
                _judged(part, key) if n is None else None
                for part, n in zip(parts, few, strict=True)
            )
            best, change = _best(enough, direction), _to_first(enough)
            yield MetricRow(segment, key, values, best, change, few)


def _judged(part: Mapping[str, Any], key: str) -> float | None:
    """Return a figure as it is set against others: above all where no trade lost."""
    return math.inf if key == "profit_factor" and has_no_loss(part) else part.get(key)


def _best(values: Sequence[float | None], direction: int) -> tuple[bool, ...]:
    """Mark the best value; none when all are equal, when one alone is known, or by choice."""
    known = [value for value in values if value is not None]
    if not direction or len(set(known)) < 2:
        return (False,) * len(values)
    best = max(known, key=lambda value: direction * value)
    return tuple(value == best for value in values)


def _to_first(values: Sequence[float | None]) -> tuple[float | None, ...]:
    first = values[0]
    return tuple(
        None if value is None or first is None or k == 0 else _finite(value - first)
        for k, value in enumerate(values)
    )


def _regimes(runs: Sequence[ComparedRun]) -> Iterable[RegimeCells]:
    for regime in REGIMES:
        cells = tuple(
            {
                **run.result.by_regime[regime],
                "null_win_rate": run.result.honesty["null_win_rates"].get(regime),
            }
            if run.result and regime in run.result.by_regime
            else None
            for run in runs
        )
        if any(cells):
            yield RegimeCells(regime, cells)


# --- pairs --------------------------------------------------------------------------------------

Month = tuple[int, int]


def _pairs(done: Sequence[ComparedRun]) -> Iterable[PairRow]:
    """Every pair over the months that are fully the same for both, out-of-sample ones first."""
    for first, second in itertools.combinations(done, 2):
        for segment in SEGMENTS:
            a, b = _common_months(first, second, is_outside=segment == "out_of_sample")
            yield _pair(first, second, segment, a, b)


def _pair(
    first: ComparedRun, second: ComparedRun, segment: str, a: list[float], b: list[float]
) -> PairRow:
    rng = np.random.default_rng(SEED)
    mean = engine.paired_difference(a, b, engine.mean_return, rng=rng)
    sharpe = engine.paired_difference(a, b, engine.sharpe_of(MONTHS_A_YEAR), rng=rng)
    overlap = engine.holding_overlap(_holdings(first, segment), _holdings(second, segment))
    return PairRow(
        first=first.letter,
        second=second.letter,
        segment=segment,
        n_months=len(a),
        mean=mean,
        sharpe=sharpe,
        correlation=_finite(engine.correlation(a, b)),
        overlap=_finite(overlap),
    )


def _common_months(
    first: ComparedRun, second: ComparedRun, *, is_outside: bool
) -> tuple[list[float], list[float]]:
    """Read the months that both runs cover in the same part; outside: after both splits."""
    ours, theirs = _months_of(first), _months_of(second)
    after = max((_split_month(run) for run in (first, second)), default=(0, 0))
    chosen = [
        month
        for month in sorted(ours.keys() & theirs.keys())
        if _part(first, month) == _part(second, month) and (not is_outside or month > after)
    ]
    return [ours[month] for month in chosen], [theirs[month] for month in chosen]


def _months_of(run: ComparedRun) -> dict[Month, float]:
    return {
        (row["year"], number): value
        for row in run.result.monthly
        for number, value in enumerate(row["months"], start=1)
        if value is not None
    }


def _split_month(run: ComparedRun) -> Month:
    """Month in which the out-of-sample part begins; beyond any month where there is none."""
    day = _split_day(run)
    return (day.year, day.month) if day else (9999, 12)


def _part(run: ComparedRun, month: Month) -> tuple[dt.date, dt.date]:
    """Days of a month that the equity of a run covers: its first and last month may be partial."""
    year, number = month
    opening = dt.date(year, number, 1)
    closing = dt.date(year, number, calendar.monthrange(year, number)[1])
    first, last = (
        dt.datetime.fromtimestamp(seconds, tz=dt.UTC).date()
        for seconds in (run.result.curve["closed_at"][0], run.result.curve["closed_at"][-1])
    )
    return max(opening, first), min(closing, last)


def _holdings(run: ComparedRun, segment: str) -> list[Holding]:
    symbol = run.backtest.instrument.symbol
    return [
        Holding(
            f"{trip.get('symbol') or symbol} {trip['side']}",
            _nanoseconds(trip["entry_at"]),
            _nanoseconds(trip["exit_at"]),
        )
        for trip in run.result.round_trips
        if segment == "all" or trip["is_out_of_sample"]
    ]


def _nanoseconds(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).timestamp()) * 10**9


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
