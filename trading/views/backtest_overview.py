"""The first tab of a finished backtest, from its stored result; nothing is computed anew."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from elson.common import formatting
from elson.common.templatetags import formats
from trading.engine.counts import counted
from trading.engine.effective import whole
from trading.engine.enough import FEWEST_FOR_WIN_RATE, shortfall
from trading.engine.types import Regime
from trading.selectors.luck import random_trade_words, shuffled_win_rate
from trading.services.backtests.judgement import LOOKS, looks_sentence
from trading.services.backtests.statistics import month_extremes
from trading.services.backtests.words import reason_words
from trading.views.backtest_coverage import data_row
from trading.views.backtest_metrics import cell_of, interval_words, with_bars
from trading.views.backtest_words import (
    MARKS,
    MONTHS,
    benchmark_words,
)


def verdict_rows(backtest: Any, *, whose: str) -> list[dict[str, Any]]:
    """Return the rows of the verdict, as told to the author or to a reader of a shared result."""
    rows = backtest.result.honesty["rows"]
    return [*_judged_rows(rows, whose), data_row(backtest)]


def _judged_rows(rows: Sequence[Mapping[str, Any]], whose: str) -> list[dict[str, Any]]:
    return [
        {
            "mark": MARKS[row["status"]],
            "label": row["title"],
            "why": looks_sentence(int(row["numbers"]["n"]), whose=whose)
            if row["key"] == LOOKS
            else formatting.in_words(row["sentence"]),
        }
        for row in rows
    ]


def overview_context(backtest: Any) -> dict[str, Any]:
    """Return what the overview shows: judged part first, verdict, curve, tables."""
    result = backtest.result
    figures, honesty = result.metrics, result.honesty
    random_trade, random_age = random_trade_words(honesty)
    return {
        "random_trade": random_trade,
        "random_age": random_age,
        "shuffled_win_rate": shuffled_win_rate(honesty),
        "tiles": _tiles(figures, honesty, backtest.instrument.currency),
        "verdict_tone": MARKS[honesty["status"]],
        "verdict_rows": verdict_rows(backtest, whose="of yours"),
        "null_sharpes": honesty["null_sharpe_ratios"],
        "sharpe": figures["all"]["sharpe_ratio"],
        "sharpe_label": f"this run {formatting.ratio(figures['all']['sharpe_ratio'])}",
        "chart": _chart(backtest),
        "comparison": _comparison(figures),
        "folds": fold_rows(result),
        "folds_sentence": _folds_sentence(backtest),
        "comparison_meta": "out of sample" if figures["out_of_sample"] else "whole span",
        "chart_summary": _chart_summary(result, backtest.instrument.currency),
        "regimes": regime_rows(result),
        "regime_total": _regime_total(result),
        "months": [*MONTHS, "Year"],
        "heat_rows": [
            {"label": row["year"], "cells": [*row["months"], row["total"]]}
            for row in reversed(result.monthly)
        ],
        "month_extremes": _months_sentence(result.monthly),
        "drawdowns": [_with_dates(row) for row in result.drawdowns],
        "no_trade": _no_trade(result),
        "instruments": [
            {**row, "is_few": row["n"] < FEWEST_FOR_WIN_RATE} for row in result.per_instrument
        ],
    }


def _tiles(figures: dict[str, Any], honesty: dict[str, Any], currency: str) -> list[dict[str, Any]]:
    """Out-of-sample first; the in-sample figure stands small below it."""
    has_outside = bool(figures["out_of_sample"])
    main = figures["out_of_sample"] if has_outside else figures["all"]
    inside = figures["in_sample"] if has_outside else {}
    null_win_rate, shuffled = honesty["null_win_rates"]["ALL"], shuffled_win_rate(honesty)
    cost_note = "of gross gains"
    return [
        {
            "label": "Net return",
            "value": formats.delta(main["total_return"]),
            "note": _note("In sample", formats.pct_signed(inside.get("total_return"))),
        },
        {
            "label": "Sharpe ratio",
            "value": cell_of(main, "sharpe_ratio", "ratio"),
            "note": _note(
                f"95% {interval_words(main)} · in sample",
                cell_of(inside, "sharpe_ratio", "ratio") or formats.ratio(None),
            ),
        },
        _deflated_tile(honesty),
        {
            "label": "Deepest drawdown",
            "value": formats.pct_signed(main["max_drawdown"]),
            "note": f"{counted(main['longest_drawdown_bars'], 'bar')} under water",
        },
        {
            "label": "Win rate",
            "value": _win_rate(main),
            "note": _note(
                _win_interval(main) + "random entries, whole span,",
                formats.pct(null_win_rate, 0),
                "" if shuffled is None else f"· shuffled bars {formatting.percent(shuffled, 0)}",
            ),
        },
        {
            "label": "Round trips",
            "value": formats.qty(main["n_round_trips"]),
            "note": _trips_note(main),
        },
        {
            "label": "Costs paid",
            "value": formats.money(main["cost_total"], currency),
            "note": _note("", formats.pct(main["cost_share"], 0), cost_note),
        },
    ]


def _trips_note(segment: dict[str, Any]) -> str:
    """Say what the round trips are worth where it is less than their number, and the turnover."""
    turnover = f"turnover {formatting.number(segment['turnover_per_year'], 1)}× a year"
    worth = segment.get("n_effective_trips")
    if worth is None or whole(worth) >= segment["n_round_trips"]:
        return turnover
    return f"worth {formatting.number(whole(worth), 0)} independent ones; {turnover}"


def _deflated_tile(honesty: dict[str, Any]) -> dict[str, Any]:
    """How likely the Sharpe ratio of the whole span is more than the luck of many trials."""
    told = next((row for row in honesty["rows"] if row["key"] == "DEFLATED_SHARPE"), None)
    numbers = told["numbers"] if told else {}
    n_trials = numbers.get("n_trials")
    return {
        "label": "Deflated Sharpe ratio",
        "value": formats.pct(numbers.get("deflated_sharpe_ratio"), 0),
        "note": f"whole span: probability, counting {n_trials:,.0f} "
        f"trial{'s' if n_trials != 1 else ''}"
        if n_trials
        else "not defined for this run",
    }


def _win_rate(segment: dict[str, Any]) -> SafeString:
    few = shortfall(segment, "win_rate")
    return formats.pct(segment["win_rate"], 0) if few is None else formats.too_few(few)


def _win_interval(segment: dict[str, Any]) -> str:
    """Write count and interval below the rate: a tile is too narrow for all on one line."""
    if shortfall(segment, "win_rate") is not None:
        return ""
    low, high = segment["win_rate_low"] * 100, segment["win_rate_high"] * 100
    n = formatting.number(segment["n_round_trips"], 0)
    return f"n={n}, 95% {formatting.number(low, 0)}–{formatting.number(high, 0)} · "


def _note(before: str, value: SafeString, after: str = "") -> SafeString:
    return format_html("{} {} {}", before, value, after)


def _comparison(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Set the judged part beside the part before it and beside holding over the same bars."""
    name = "out_of_sample" if figures["out_of_sample"] else "all"
    inside = figures["in_sample"] if figures["out_of_sample"] else {}
    parts = (figures[name], inside, with_bars(figures, name))
    lines = (
        ("Return", "total_return", "pct_signed"),
        ("Sharpe ratio", "sharpe_ratio", "ratio"),
        ("Deepest drawdown", "max_drawdown", "pct_signed"),
    )
    return [
        {"label": label, "cells": [cell_of(part, key, kind) for part in parts]}
        for label, key, kind in lines
    ]


def fold_rows(result: Any) -> list[dict[str, Any]]:
    """Return one row per walk-forward fold, with what the benchmark returned on the same bars."""
    return [
        {
            **fold,
            "number": number,
            "first_on": fold["first_at"][:10],
            "last_on": fold["last_at"][:10],
            "benchmark_return": fold["benchmark"]["total_return"],
            "is_short": shortfall(fold, "sharpe_ratio") is not None,
            "is_few": shortfall(fold, "win_rate") is not None,
        }
        for number, fold in enumerate(result.metrics.get("folds", []), start=1)
    ]


def _folds_sentence(backtest: Any) -> str:
    rows = fold_rows(backtest.result)
    gained = sum(row["total_return"] > 0.0 for row in rows)
    ahead = sum(row["total_return"] > row["benchmark_return"] for row in rows)
    words = benchmark_words(backtest)
    name = words[0].lower() + words[1:]
    return f"{gained} of {len(rows)} folds gained, {ahead} did better than {name}."


def _chart(backtest: Any) -> dict[str, Any]:
    curve = backtest.result.curve
    is_daily = backtest.timeframe == "1d"
    times = [_chart_time(seconds, is_daily) for seconds in curve["closed_at"]]
    names = [str(regime) for regime in Regime]
    series = [
        {"role": "strategy", "name": "Strategy", "points": _points(times, curve["equity"])},
        {
            "role": "benchmark",
            "name": benchmark_words(backtest),
            "points": _points(times, curve["benchmark"]),
        },
    ]
    band: list[Any] = []
    if "null_median" in curve:
        median = _points(times, curve["null_median"])
        series.append({"role": "null_median", "name": "Random entries", "points": median})
        band = list(zip(times, curve["null_low"], curve["null_high"], strict=True))
    split = curve["out_of_sample_from"]
    before = [t for t, s in zip(times, curve["closed_at"], strict=True) if split and s < split]
    return {
        "currency": backtest.instrument.currency,
        "series": series,
        "band": band,
        "drawdown": _points(times, curve["drawdown"]),
        "regimes": [
            (time, names[code] if code >= 0 else None)
            for time, code in zip(times, curve["regime"], strict=True)
        ],
        "in_sample_until": before[-1] if before else None,
    }


def _chart_time(seconds: int, is_daily: bool) -> str | int:
    if not is_daily:
        return seconds
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).date().isoformat()


def _points(times: list[Any], values: list[float | None]) -> list[tuple[Any, float | None]]:
    return list(zip(times, values, strict=True))


def _chart_summary(result: Any, currency: str) -> str:
    whole, curve = result.metrics["all"], result.curve
    verb = "grew" if whole["total_return"] >= 0 else "fell"
    words = (
        f"Equity {verb} from {formatting.money(whole['opening_equity'], currency)} to "
        f"{formatting.money(whole['final_equity'], currency)}; deepest fall "
        f"{formatting.percent(abs(whole['max_drawdown']), 1)}"
    )
    if result.drawdowns:
        deepest = _with_dates(result.drawdowns[0])
        words += f" from {deepest['started_on']} to {deepest['trough_on']}"
    if curve["bars_per_point"] > 1.05:
        words += f". 1 point stands for {formatting.number(curve['bars_per_point'], 1)} bars"
    return words + "."


def regime_rows(result: Any) -> list[dict[str, Any]]:
    """Return one row per regime, and one for bars before any was known if trades began there."""
    rows = []
    for name in (*(str(regime) for regime in Regime), "UNKNOWN"):
        row = result.by_regime.get(name)
        if row is not None and (name != "UNKNOWN" or row["n"]):
            rows.append({**row, "regime": name, "is_few": row["n"] < FEWEST_FOR_WIN_RATE})
    return rows


def _regime_total(result: Any) -> dict[str, Any]:
    """Sum the rows; what is still held at the end is a line of its own, so that all adds up."""
    whole = result.metrics["all"]
    held = result.metrics["open_position"]
    return {
        "n": whole["n_round_trips"],
        "n_wins": whole["n_wins"],
        "null_win_rate": result.honesty["null_win_rates"]["ALL"],
        "win_rate": whole["win_rate"],
        "profit_factor": whole["profit_factor"],
        "expectancy_bps": whole["expectancy_bps"],
        "pnl": whole["pnl"],
        "open": held,
        "net": whole["final_equity"] - whole["opening_equity"],
    }


def _months_sentence(table: list[dict[str, Any]]) -> str:
    found = month_extremes(table)
    if found is None:
        return ""
    best, worst = (
        f"{MONTHS[month]} {year} {formatting.signed_percent(value, 1)}"
        for value, year, month in (found.best, found.worst)
    )
    return (
        f"Best {best}, worst {worst}; {found.n_gained} of {found.n} "
        f"month{'' if found.n == 1 else 's'} gained. Without its best month the whole span "
        f"returned {formatting.signed_percent(found.without_best, 1)} instead of "
        f"{formatting.signed_percent(found.whole, 1)}."
    )


def _with_dates(row: dict[str, Any]) -> dict[str, Any]:
    def day(text: str | None) -> str:
        return text[:10] if text else ""

    return row | {
        "started_on": day(row["started_at"]),
        "trough_on": day(row["trough_at"]),
        "recovered_on": day(row["recovered_at"]),
    }


def _no_trade(result: Any) -> dict[str, Any] | None:
    if result.metrics["all"]["n_orders"]:
        return None
    counts = result.decisions["counts"]
    return {
        "n_bars": result.decisions["n_bars"],
        "reasons": [{**item, "words": reason_words(item)} for item in counts],
    }
