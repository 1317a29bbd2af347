"""What the set-up form says about the stored bars, the chosen span, its split, and usual costs."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from elson.common.errors import DomainError
from marketdata.selectors import Coverage, coverage_get, instrument_list
from trading.engine.costs import (
    COST_BPS,
    IMPACT_MULTIPLIERS,
    IMPACTS,
    REGIME_MULTIPLIERS,
    SLIPPAGE_BPS,
)
from trading.engine.types import AssetClass
from trading.services.market_costs import cost_preset_of
from trading.views.backtest_form import PLAIN_FIELDS, SHARES, BacktestForm

GAPS_NAMED = 3


@dataclass(frozen=True, slots=True)
class CoverageBar:
    """Parts of the stored span on a bar 1,000 wide: before, in sample, out of sample, after."""

    coverage: Coverage
    segments: list[dict[str, Any]]
    split_date: dt.date | None
    text: str
    first: dt.date
    last: dt.date
    slider: dt.date

    @property
    def n_days(self) -> int:
        """Days between the first and the last day in use."""
        return (self.last - self.first).days

    @property
    def split_day(self) -> int:
        """Days from the first day to where the slider stands."""
        return (self.slider - self.first).days


def cost_words(form: BacktestForm) -> str:
    """Say what the usual costs of the chosen market are."""
    symbol, preset = _market_of(form)
    if preset is None:
        return "By asset class, higher when volatility is."
    high, extreme = REGIME_MULTIPLIERS[2:]
    return (
        f"{COST_BPS[preset]:g} bp a side for {symbol}, "
        f"×{high:g} in High and ×{extreme:g} in Extreme volatility."
    )


def slippage_words(form: BacktestForm) -> str:
    """Say what slippage and impact are usual on the chosen market."""
    symbol, preset = _market_of(form)
    if preset is None:
        return "By asset class and regime, on top of the usual costs."
    high, extreme = REGIME_MULTIPLIERS[2:]
    high_impact, extreme_impact = IMPACT_MULTIPLIERS[2:]
    return (
        f"{SLIPPAGE_BPS[preset]:g} bp a side for {symbol}, ×{high:g} in High and ×{extreme:g} in "
        f"Extreme, and impact {IMPACTS[preset]:g}, ×{high_impact:g} and ×{extreme_impact:g}. "
        "On top of the usual costs."
    )


def _market_of(form: BacktestForm) -> tuple[str, AssetClass | None]:
    instrument = instrument_list(symbols=[str(form["symbol"].value() or "")]).first()
    if instrument is None:
        return "", None
    preset = cost_preset_of(instrument)
    return instrument.symbol, preset


def coverage_bar(form: BacktestForm) -> CoverageBar | None:
    """Lay the chosen span over what is stored; None when nothing is."""
    value = {name: str(form[name].value() or "") for name in PLAIN_FIELDS}
    try:
        found = coverage_get(value["symbol"], value["timeframe"])
    except DomainError:
        return None
    first, last = found.first_at.date(), found.last_at.date()
    start = max(_date_or(value["start_date"], first), first)
    end = min(_date_or(value["end_date"], last), last)
    if start >= end:
        start, end = first, last
    share = _share_or(value["out_of_sample_share"])
    chosen = _date_or(value["out_of_sample_from"], start)
    has_day = start < chosen <= end
    split = chosen if has_day else end - (end - start) * share
    parts = (
        ("Not used", "", first, start),
        ("In sample", "normal", start, split),
        ("Out of sample", "extreme", split, end),
        ("Not used", "", end, last),
    )
    segments = [
        {"regime": slug, "weight": (stop - begin).days, "title": f"{title} {begin} to {stop}"}
        for title, slug, begin, stop in parts
        if stop > begin
    ]
    text = f"{found.n_bars:,} bars stored from {first} to {last}, {gap_words(found)}."
    split_date = split if share or has_day else None
    return CoverageBar(found, segments, split_date, text, start, end, split)


def gap_words(coverage: Coverage, *, first: str = "", last: str = "") -> str:
    """Say how many gaps there are and where the longest lie, of those that touch a span of days.

    Of a series with very many gaps the longest alone are known by their place.
    """
    kept = [
        (begin, end)
        for begin, end in coverage.gaps
        if end[:10] >= first and (not last or begin[:10] <= last)
    ]
    n_known, has_span = len(coverage.gaps), bool(first or last)
    is_all_known = n_known == coverage.n_gaps
    n = len(kept) if has_span else coverage.n_gaps
    if not n:
        return "no gaps" if is_all_known else f"none of its {n_known} longest gaps in this span"
    longest = sorted(kept, key=_length, reverse=True)[:GAPS_NAMED]
    places = ", ".join(f"{begin[:10]} to {end[:10]}" for begin, end in sorted(longest))
    least = "at least " if has_span and not is_all_known else ""
    if n == 1:
        return f"{least}one gap: {places}"
    which = f"the longest {places}" if n > GAPS_NAMED else places
    return f"{least}{n:,} gaps: {which}"


def _length(gap: tuple[str, str]) -> dt.timedelta:
    begin, end = (dt.datetime.fromisoformat(text) for text in gap)
    return end - begin


def data_row(backtest: Any) -> dict[str, str]:
    """Say of a result's bars where they have gaps, and whose bars are not there at all."""
    span = backtest.result.manifest["data"]
    said = []
    for symbol in backtest.symbols or [backtest.instrument.symbol]:
        try:
            found = coverage_get(symbol, backtest.timeframe)
        except DomainError:
            said.append(f"the bars of {symbol} are no longer stored")
            continue
        words = gap_words(found, first=span["first_at"][:10], last=span["last_at"][:10])
        said.append(f"{symbol} has {words}")
    return {
        "mark": "info",
        "label": "Gaps and survivors in the data",
        "why": f"{'; '.join(said)}. Whoever chooses today among instruments that still exist "
        "leaves out those that failed on the way; no figure here corrects for that.",
    }


def _date_or(text: str, default: dt.date) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return default


def _share_or(text: str) -> float:
    return float(text) if text in dict(SHARES) else 0.3
