"""Volatility regimes as one person may see them: now, next, over a year, and what they change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marketdata.models import BarSeries, Instrument
from marketdata.selectors import (
    NoBars,
    bars_get,
    instant,
    instrument_list,
    series_map,
    watchlist_instruments,
    watchlist_list,
)
from marketdata.types import Bars, FloatArray, IntArray
from trading.engine import volatility
from trading.engine.counts import counted
from trading.engine.regimes import ALPHA, VOLATILITY_CUTS, next_regime, transitions
from trading.engine.regimes import NextRegime as Counted
from trading.engine.returns import ewma_volatility, realized_volatility
from trading.engine.strategies import STRATEGIES
from trading.engine.types import Regime
from trading.models import Portfolio, StrategyVersion
from trading.selectors.markets import RegimeTrack, regime_track, regime_word, series_of
from trading.selectors.model_versions import bound_text
from trading.selectors.parameter_words import parameter_label, parameter_text
from trading.selectors.versions import regime_grid

if TYPE_CHECKING:
    from accounts.models import User

ALL_MARKETS = "all"
REGIMES = tuple(str(regime.value) for regime in Regime)
YEAR = dt.timedelta(days=365)
ESTIMATOR_BARS = 20
NO_CODES: IntArray = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class NextRegimeCell:
    """`n` cases in which `regime` came next, as a share with its 95 % interval.

    The share and its bounds are None where there are too few cases; the row says why.
    """

    regime: str
    n: int
    probability: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class NextRegimeRow:
    """What followed `regime` at the next bar, over `n` cases; `reason` where no share is given."""

    regime: str
    n: int
    cells: tuple[NextRegimeCell, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class RegimeSegment:
    """A stretch of one regime within the timeline, first and last bar included."""

    regime: str
    n_bars: int
    from_at: dt.datetime
    to_at: dt.datetime


@dataclass(frozen=True, slots=True)
class RegimeRow:
    """One instrument's regime at the newest bar that may be seen.

    `settled` is what strategies use: a fall counts there only after its confirmation.
    """

    symbol: str
    name: str
    regime: str
    settled: str
    since: dt.datetime | None
    n_bars: int
    volatility: float | None
    percentile: float | None
    is_fallback: bool
    following: NextRegimeRow
    timeline: tuple[RegimeSegment, ...]
    last_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class VolatilityEstimate:
    """One estimator over one series; values a year, None where the bars do not allow it."""

    name: str
    looks_at: str
    n_bars: int
    now: float | None
    regime: str
    low: float | None
    median: float | None
    high: float | None
    series: tuple[float, ...]
    missing: str = ""


@dataclass(frozen=True, slots=True)
class AdaptiveRow:
    """One parameter of a strategy in each regime, LOW first, with its bounds and reasons."""

    key: str
    label: str
    values: tuple[float, ...]
    base: float
    low: float
    high: float
    why: str

    @property
    def texts(self) -> tuple[tuple[str, bool], ...]:
        """Return each value as people write it, and whether it is not the base."""
        return tuple((parameter_text(self.key, value), value != self.base) for value in self.values)

    @property
    def bounds_text(self) -> str:
        """Return its bounds as people write them."""
        return f"{parameter_text(self.key, self.low)} to {parameter_text(self.key, self.high)}"


@dataclass(frozen=True, slots=True)
class StrategyByRegime:
    """What the newest version of a strategy does differently in each regime.

    `limits` are its own; they hold in every regime, as those of the portfolio do.
    """

    strategy_id: int
    name: str
    version: int
    rows: tuple[AdaptiveRow, ...]
    model: str
    key: str
    limits: Mapping[str, float]


def watched_list(user: User) -> list[Instrument]:
    """Instruments on the person's lists, each once; every instrument when no list has one."""
    found = {item.pk: item for one in watchlist_list(user) for item in watchlist_instruments(one)}
    return list(found.values()) or list(instrument_list())


def markets_of(user: User, choice: str = "") -> list[Instrument]:
    """Every market for ALL_MARKETS, those the person watches for any other choice."""
    return list(instrument_list()) if choice == ALL_MARKETS else watched_list(user)


def regime_rows(portfolio: Portfolio, instruments: Sequence[Instrument]) -> list[RegimeRow]:
    """Regime, next-bar frequencies and last year of many instruments, in their order."""
    until = visible_of(portfolio)
    series = series_map(list(instruments))
    return [_row(item, series.get(item.pk), until) for item in instruments]


def visible_of(portfolio: Portfolio) -> dt.datetime | None:
    """Moment up to which this portfolio may see prices; None without a replay."""
    return portfolio.replay.cursor_at if portfolio.replay else None


def transition_rows(series: BarSeries, until: dt.datetime | None) -> list[NextRegimeRow]:
    """Which regime followed which, counted over the bars that may be seen."""
    track = regime_track(series)
    matrix = transitions(track.codes[: track.index(until) + 1])
    return [_following(matrix.row(code)) for code in range(len(REGIMES))]


def next_regime_get(
    instrument: Instrument, timeframe: str, *, until: dt.datetime | None
) -> NextRegimeRow | None:
    """Which regime followed the present one, counted up to `until`; None without bars."""
    try:
        track = regime_track(series_of(instrument, timeframe))
    except NoBars:
        return None
    return _following(next_regime(track.codes[: track.index(until) + 1]))


def volatility_estimates(series: BarSeries, until: dt.datetime | None) -> list[VolatilityEstimate]:
    """Every estimator over the bars that may be seen, with its range of the last year."""
    bars = bars_get(series.instrument, series.timeframe, until=until)
    return [
        _estimate(name, looks_at, n_bars, bars, estimator, needs_range=needs_range)
        for name, looks_at, n_bars, needs_range, estimator in ESTIMATORS
    ]


def strategies_by_regime(user: User) -> list[StrategyByRegime]:
    """Adaptive parameters of the newest version of each strategy; `rows` empty: none adapts."""
    newest: dict[int, StrategyVersion] = {}
    versions = (
        StrategyVersion.objects.filter(strategy__user=user, strategy__is_archived=False)
        .select_related("strategy")
        .order_by("strategy__name", "strategy_id", "number")
    )
    for version in versions:
        newest[version.strategy_id] = version
    models = {key: bound_text(key) for key in {v.strategy.key for v in newest.values()}}
    return [
        StrategyByRegime(
            version.strategy_id,
            version.strategy.name,
            version.number,
            _adaptive_rows(version.strategy.key, version.parameters),
            models[version.strategy.key],
            version.strategy.key,
            version.limits,
        )
        for version in newest.values()
    ]


def _row(item: Instrument, series: BarSeries | None, until: dt.datetime | None) -> RegimeRow:
    track = regime_track(series) if series else None
    at = track.index(until) if track else -1
    if track is None or at < 0:
        return RegimeRow(
            item.symbol,
            item.name,
            "",
            "",
            None,
            0,
            None,
            None,
            False,
            _following(next_regime(NO_CODES)),
            (),
            None,
        )
    code = int(track.codes[at])
    timeline = _timeline(track, at)
    first = _first_of_spell(track.codes[: at + 1])
    return RegimeRow(
        symbol=item.symbol,
        name=item.name,
        regime=regime_word(code) or "",
        settled=regime_word(int(track.settled_codes[at])) or "",
        since=instant(int(track.closed_at[first])),
        n_bars=at - first + 1,
        volatility=_finite(track.volatility[at]),
        percentile=_finite(track.percentile[at]),
        is_fallback=bool(track.is_fallback[at]),
        following=_following(next_regime(track.codes[: at + 1])),
        timeline=timeline,
        last_at=instant(int(track.closed_at[at])),
    )


def _first_of_spell(codes: IntArray) -> int:
    changed = np.flatnonzero(np.diff(codes))
    return int(changed[-1]) + 1 if changed.shape[0] else 0


def _following(counted: Counted) -> NextRegimeRow:
    rows = zip(REGIMES, counted.counts, counted.probabilities, *counted.intervals.T, strict=True)
    cells = tuple(
        NextRegimeCell(regime, int(n), *(_finite(value) for value in shares))
        for regime, n, *shares in rows
    )
    return NextRegimeRow(regime_word(counted.code) or "", counted.n, cells, counted.reason)


def _timeline(track: RegimeTrack, at: int) -> tuple[RegimeSegment, ...]:
    """Segments of the last year, oldest first."""
    start = int(track.closed_at[at]) - int(YEAR.total_seconds()) * 10**9
    first = int(np.searchsorted(track.closed_at, start, side="right"))
    codes = track.codes[first : at + 1]
    starts = np.concatenate(([0], np.flatnonzero(np.diff(codes)) + 1)).astype(int)
    ends = np.concatenate((starts[1:], [codes.shape[0]]))
    return tuple(
        RegimeSegment(
            regime_word(int(codes[low])) or "",
            int(high - low),
            instant(int(track.closed_at[first + low])),
            instant(int(track.closed_at[first + high - 1])),
        )
        for low, high in zip(starts.tolist(), ends.tolist(), strict=True)
    )


Estimator = Callable[[Bars], FloatArray]


def _ewma(bars: Bars) -> FloatArray:
    return ewma_volatility(bars.close, bars.bars_per_year, ALPHA)


def _close_to_close(bars: Bars) -> FloatArray:
    return realized_volatility(bars.close, ESTIMATOR_BARS, bars.bars_per_year)


def _parkinson(bars: Bars) -> FloatArray:
    return volatility.parkinson(bars.high, bars.low, ESTIMATOR_BARS, bars.bars_per_year)


def _garman_klass(bars: Bars) -> FloatArray:
    columns = bars.open, bars.high, bars.low, bars.close
    return volatility.garman_klass(*columns, ESTIMATOR_BARS, bars.bars_per_year)


def _yang_zhang(bars: Bars) -> FloatArray:
    columns = bars.open, bars.high, bars.low, bars.close
    return volatility.yang_zhang(*columns, ESTIMATOR_BARS, bars.bars_per_year)


# Name, what it looks at, bars, whether it needs the range of a bar, the function.
ESTIMATORS: tuple[tuple[str, str, int, bool, Estimator], ...] = (
    ("EWMA", "closes, newer ones weigh more; decides the regime", 0, False, _ewma),
    ("Close to close", "closes", ESTIMATOR_BARS, False, _close_to_close),
    ("Parkinson", "highs and lows, no gaps", ESTIMATOR_BARS, True, _parkinson),
    ("Garman–Klass", "range, open and close, no gaps", ESTIMATOR_BARS, True, _garman_klass),
    ("Yang–Zhang", "range, open, close and gaps", ESTIMATOR_BARS, True, _yang_zhang),
)


def _estimate(
    name: str, looks_at: str, n_bars: int, bars: Bars, estimator: Estimator, *, needs_range: bool
) -> VolatilityEstimate:
    missing = ""
    if needs_range and bars.exec_price == "CLOSE":
        missing = "this series has closes only"
    elif len(bars) <= max(n_bars, 1):
        missing = f"needs more than {counted(max(n_bars, 1), 'bar')}"
    if missing:
        return VolatilityEstimate(name, looks_at, n_bars, None, "", None, None, None, (), missing)
    values = estimator(bars)[-round(bars.bars_per_year) :]
    known = values[np.isfinite(values)]
    now = _finite(values[-1])
    return VolatilityEstimate(
        name=name,
        looks_at=looks_at,
        n_bars=n_bars,
        now=now,
        regime=REGIMES[int(np.searchsorted(VOLATILITY_CUTS, now, side="right"))] if now else "",
        low=float(known.min()),
        median=float(np.median(known)),
        high=float(known.max()),
        series=tuple(known.tolist()),
    )


def _adaptive_rows(strategy_key: str, parameters: Mapping[str, object]) -> tuple[AdaptiveRow, ...]:
    """Say what each regime makes of a strategy's parameters; empty when nothing adapts."""
    if strategy_key not in STRATEGIES:
        return ()
    return tuple(
        AdaptiveRow(
            row.name,
            parameter_label(row.name),
            row.values,
            row.base,
            row.low,
            row.high,
            "; ".join(text for text in (row.why_up, row.why_down) if text),
        )
        for row in regime_grid(strategy_key, parameters)
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
