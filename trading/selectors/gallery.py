"""The rules one can run, each with what a person's own last backtest of it said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from elson.common import formatting
from trading.models import Backtest
from trading.selectors.backtests import backtests_newest
from trading.selectors.luck import shuffled_win_rate
from trading.selectors.model_versions import bound_text
from trading.selectors.strategies import gallery_list

# Trading days a year, to say a number of bars as a length of history.
BARS_A_YEAR = 252


@dataclass(frozen=True, slots=True)
class LastRun:
    """What the newest finished backtest of a rule said: figures with their sample, the verdict.

    `tone` is ok, warn or crit, and empty for a run that was not judged.
    """

    backtest_id: int
    text: str
    is_out_of_sample: bool
    verdict: str
    tone: str


@dataclass(frozen=True, slots=True)
class GalleryRow:
    """One rule: what it does, when it fails, what data it takes, how it last did."""

    key: str
    name: str
    summary: str
    when_it_fails: str
    model: str
    n_warm_up: int
    warm_up_years: float | None
    last_run: LastRun | None


def gallery_rows(user: Any) -> list[GalleryRow]:
    """Rules the engine offers, as the page of strategies shows them."""
    newest = backtests_newest(user_id=user.pk)
    return [
        GalleryRow(
            key=spec.key,
            name=spec.name,
            summary=spec.summary,
            when_it_fails=spec.when_it_fails,
            model=bound_text(spec.key),
            n_warm_up=spec.warm_up(spec.defaults),
            warm_up_years=_years(spec.warm_up(spec.defaults)),
            last_run=_last_run(newest.get(spec.key)),
        )
        for spec in gallery_list()
    ]


def _years(n_bars: int) -> float | None:
    """Length of history in years; None for less than half a year, where bars say enough."""
    return n_bars / BARS_A_YEAR if n_bars >= BARS_A_YEAR / 2 else None


def _last_run(run: Backtest | None) -> LastRun | None:
    if run is None:
        return None
    metrics, honesty = run.result.metrics, run.result.honesty
    out_of_sample = metrics.get("out_of_sample")
    found = out_of_sample or metrics.get("all") or {}
    if found.get("total_return") is None:
        return None
    tones = {"PASS": "ok", "WARN": "warn", "FAIL": "crit"}
    return LastRun(
        backtest_id=run.pk,
        text=_figures(run, found, honesty),
        is_out_of_sample=bool(out_of_sample),
        verdict=honesty.get("verdict", ""),
        tone=tones.get(honesty.get("status", ""), ""),
    )


def _chance_words(honesty: dict[str, Any]) -> str:
    """Say what the win rate stands beside: the null that judges it, or an old result's own."""
    if (shuffled := shuffled_win_rate(honesty)) is not None:
        return f", on shuffled bars {formatting.percent(shuffled, 0)} over the whole run"
    null = (honesty.get("null_win_rates") or {}).get("ALL")
    return f", by chance {formatting.percent(null, 0)} over the whole run" if null else ""


def _figures(run: Backtest, found: dict[str, Any], honesty: dict[str, Any]) -> str:
    trades = found.get("n_round_trips", 0)
    wins = ""
    if trades and found.get("win_rate") is not None:
        low, high = found.get("win_rate_low"), found.get("win_rate_high")
        wins = (
            f", win rate {formatting.percent(found['win_rate'], 0)} "
            f"({formatting.percent(low, 0)} to {formatting.percent(high, 0)}, n {trades})"
        )
        wins += _chance_words(honesty)
    change = formatting.signed_percent(found["total_return"], 1)
    symbols = ", ".join(run.symbols) or run.instrument.symbol
    trips = f"{trades} round trip{'' if trades == 1 else 's'}"
    return f"{change} on {symbols} after costs, {trips}{wins}"
