"""Plain values for the backtest templates, made from stored results; nothing is computed anew."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from elson.common import formatting
from elson.common.templatetags import formats
from trading.engine.strategies import STRATEGIES
from trading.engine.types import Regime
from trading.selectors.backtests import PHASES, queue_position
from trading.services.backtests.words import reason_words
from trading.views.backtest_costs import cost_context

TABS = (
    ("overview", "Overview"),
    ("trades", "Trades"),
    ("metrics", "Metrics"),
    ("costs", "Costs"),
    ("parameters", "Parameters"),
    ("log", "Log"),
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MARKS = {"PASS": "ok", "WARN": "warn", "FAIL": "crit", "NOT_APPLICABLE": "info"}
FEWEST_FOR_WIN_RATE = 10
FEWEST_DAYS_FOR_SHARPE = 60
# Group, label, key, how it is written.
METRICS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Return",
        (
            ("Total return", "total_return", "delta"),
            ("Annual return", "annual_return", "pct_signed"),
            ("Final equity", "final_equity", "money"),
        ),
    ),
    (
        "Risk",
        (
            ("Volatility a year", "volatility", "pct"),
            ("Sharpe ratio", "sharpe_ratio", "ratio"),
            ("Sharpe 95% interval", "sharpe", "interval"),
            ("Sortino ratio", "sortino_ratio", "ratio"),
            ("Calmar ratio", "calmar_ratio", "ratio"),
            ("Deepest drawdown", "max_drawdown", "pct_signed"),
            ("Longest drawdown, bars", "longest_drawdown_bars", "qty"),
        ),
    ),
    (
        "Trades",
        (
            ("Orders", "n_orders", "qty"),
            ("Round trips", "n_round_trips", "qty"),
            ("Win rate (95% interval)", "win_rate", "win_rate"),
            ("Profit factor", "profit_factor", "ratio"),
            ("Expectancy a trade", "expectancy_bps", "bps"),
            ("Average win", "avg_win_bps", "bps"),
            ("Average loss", "avg_loss_bps", "bps"),
            ("Best trade", "best_trade_bps", "bps"),
            ("Worst trade", "worst_trade_bps", "bps"),
            ("Bars held on average", "bars_held_mean", "one"),
            ("Time invested", "exposure", "share"),
        ),
    ),
    (
        "Costs",
        (
            ("Costs paid", "cost_total", "money"),
            ("Share of gross gains", "cost_share", "share"),
            ("Turnover a year", "turnover_per_year", "times"),
        ),
    ),
)


def strategy_name(key: str) -> str:
    """Return the strategy's name, its key when the strategy is gone."""
    return STRATEGIES[key].name if key in STRATEGIES else key


def exit_words(rule: str) -> str:
    """Say in words which rule ended a trade."""
    return rule.replace("_", " ").lower().capitalize() or "—"


def list_rows(backtests: Any) -> list[dict[str, Any]]:
    """Return the rows of the list: out-of-sample figures first, empty while there is no result."""
    return [_list_row(backtest) for backtest in backtests]


def _list_row(backtest: Any) -> dict[str, Any]:
    result = getattr(backtest, "result", None)
    figures = result.metrics if result else {}
    span = result.manifest["data"] if result else {}
    outside = figures.get("out_of_sample") or figures.get("all") or {}
    checks = {row["key"]: row for row in result.honesty["rows"]} if result else {}
    beats = checks.get("NULL_SHARPE", {}).get("status")
    return {
        "backtest": backtest,
        "strategy": strategy_name(backtest.strategy_key),
        "version": getattr(backtest.version, "number", None),
        "first_on": span.get("first_at", "")[:10] or backtest.start_date,
        "last_on": span.get("last_at", "")[:10] or backtest.end_date,
        "segment": outside,
        "n_round_trips": figures.get("all", {}).get("n_round_trips"),
        "beats_null": {"PASS": "Yes", "WARN": "Barely", "FAIL": "No"}.get(beats, ""),
        "beats_tone": MARKS.get(beats, ""),
        "verdict_mark": MARKS.get(result.honesty["status"]) if result else "",
        "seconds": _seconds(backtest),
        "percent": round(backtest.progress * 100),
    }


def run_context(backtest: Any, now: dt.datetime) -> dict[str, Any]:
    """Return what the page shows while a run waits, runs, or has ended without a result."""
    codes = [code for code, _ in PHASES]
    current = codes.index(backtest.phase)
    is_queued = backtest.status == "QUEUED"
    position = queue_position(backtest=backtest) if is_queued else 0
    began = backtest.started_at or backtest.created_at
    elapsed = ((backtest.finished_at or now) - began).total_seconds()
    words = [f"{formatting.duration(elapsed)} elapsed"]
    if backtest.n_bars_per_second:
        words.insert(0, f"{formatting.number(backtest.n_bars_per_second, 0)} bars a second")
    if 0.05 < backtest.progress < 1 and elapsed > 2:
        left = elapsed / backtest.progress - elapsed
        if left >= 1:
            words.append(f"about {formatting.duration(left)} left")
    return {
        "phase": f"Queued ({_ordinal(position)})" if is_queued else backtest.detail,
        "percent": None if is_queued else backtest.progress * 100,
        "phases": [
            {
                "label": label,
                "state": "done"
                if i < current
                else "now"
                if i == current and not is_queued
                else "todo",
            }
            for i, (_, label) in enumerate(PHASES)
            if 0 < i < len(PHASES) - 1
        ],
        "detail": " · ".join(words),
        "failed_phase": dict(PHASES).get(backtest.phase, ""),
        "log": backtest.log[::-1],
    }


def result_context(backtest: Any, tab: str) -> dict[str, Any]:
    """Return what one tab of a finished run shows."""
    result = backtest.result
    context = {"result": result, "figures": result.metrics, "honesty": result.honesty}
    makers = {
        "overview": _overview,
        "metrics": lambda row: {"groups": _metric_groups(row.result.metrics)},
        "costs": cost_context,
        "parameters": lambda row: {"parameters": _parameters(row)},
        "log": lambda row: {"log": row.log},
    }
    return context | makers.get(tab, lambda row: {})(backtest)


def _overview(backtest: Any) -> dict[str, Any]:
    result = backtest.result
    figures, honesty = result.metrics, result.honesty
    return {
        "tiles": _tiles(figures, honesty["null_win_rates"]["ALL"], backtest.instrument.currency),
        "verdict_tone": MARKS[honesty["status"]],
        "verdict_rows": [
            {"mark": MARKS[row["status"]], "label": row["title"], "why": row["sentence"]}
            for row in honesty["rows"]
        ],
        "null_sharpes": honesty["null_sharpe_ratios"],
        "sharpe": figures["all"]["sharpe_ratio"],
        "sharpe_label": f"this run {formatting.ratio(figures['all']['sharpe_ratio'])}",
        "chart": _chart(backtest),
        "comparison": _comparison(figures),
        "comparison_meta": "out of sample" if figures["out_of_sample"] else "whole span",
        "chart_summary": _chart_summary(result, backtest.instrument.currency),
        "regimes": _regimes(result),
        "regime_total": _regime_total(result),
        "months": [*MONTHS, "Year"],
        "heat_rows": [
            {"label": row["year"], "cells": [*row["months"], row["total"]]}
            for row in reversed(result.monthly)
        ],
        "month_extremes": _month_extremes(result.monthly),
        "drawdowns": [_with_dates(row) for row in result.drawdowns],
        "no_trade": _no_trade(result),
        "instruments": [
            {**row, "is_few": row["n"] < FEWEST_FOR_WIN_RATE} for row in result.per_instrument
        ],
    }


def _tiles(
    figures: dict[str, Any], null_win_rate: float | None, currency: str
) -> list[dict[str, Any]]:
    """Out-of-sample first; the in-sample figure stands small below it."""
    has_outside = bool(figures["out_of_sample"])
    main = figures["out_of_sample"] if has_outside else figures["all"]
    inside = figures["in_sample"] if has_outside else {}
    is_short = main["n_bars"] < FEWEST_DAYS_FOR_SHARPE
    cost_note = "of gross gains"
    return [
        {
            "label": "Net return",
            "value": formats.delta(main["total_return"]),
            "note": _note("In sample", formats.pct_signed(inside.get("total_return"))),
        },
        {
            "label": "Sharpe ratio",
            "value": formats.too_few(main["n_bars"])
            if is_short
            else formats.ratio(main["sharpe_ratio"]),
            "note": _note(
                f"95% {_interval(main)} · in sample", formats.ratio(inside.get("sharpe_ratio"))
            ),
        },
        {
            "label": "Deepest drawdown",
            "value": formats.pct_signed(main["max_drawdown"]),
            "note": f"{formatting.number(main['longest_drawdown_bars'], 0)} bars under water",
        },
        {
            "label": "Win rate",
            "value": _win_rate(main),
            "note": _note(_win_interval(main) + "random entries", formats.pct(null_win_rate, 0)),
        },
        {
            "label": "Round trips",
            "value": formats.qty(main["n_round_trips"]),
            "note": f"turnover {formatting.number(main['turnover_per_year'], 1)}× a year",
        },
        {
            "label": "Costs paid",
            "value": formats.money(main["cost_total"], currency),
            "note": _note("", formats.pct(main["cost_share"], 0), cost_note),
        },
    ]


def _win_rate(segment: dict[str, Any]) -> SafeString:
    n = segment["n_round_trips"]
    return formats.pct(segment["win_rate"], 0) if n >= FEWEST_FOR_WIN_RATE else formats.too_few(n)


def _win_interval(segment: dict[str, Any]) -> str:
    """Write count and interval below the rate: a tile is too narrow for all on one line."""
    if segment["n_round_trips"] < FEWEST_FOR_WIN_RATE:
        return ""
    low, high = segment["win_rate_low"] * 100, segment["win_rate_high"] * 100
    n = formatting.number(segment["n_round_trips"], 0)
    return f"n={n}, 95% {formatting.number(low, 0)}–{formatting.number(high, 0)} · "


def _note(before: str, value: SafeString, after: str = "") -> SafeString:
    return format_html("{} {} {}", before, value, after)


def _interval(segment: dict[str, Any]) -> str:
    if segment.get("sharpe_low") is None:
        return "interval needs more bars"
    return (
        f"{formatting.ratio(segment['sharpe_low'])} to {formatting.ratio(segment['sharpe_high'])}"
    )


def _comparison(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Set the judged part beside the part before it and beside holding over the same bars."""
    name = "out_of_sample" if figures["out_of_sample"] else "all"
    inside = figures["in_sample"] if figures["out_of_sample"] else {}
    parts = (figures[name], inside, figures["benchmark"][name])
    lines = (
        ("Return", "total_return", "pct_signed"),
        ("Sharpe ratio", "sharpe_ratio", "ratio"),
        ("Deepest drawdown", "max_drawdown", "pct_signed"),
    )
    return [
        {"label": label, "cells": [_cell(part, key, kind) for part in parts]}
        for label, key, kind in lines
    ]


def _chart(backtest: Any) -> dict[str, Any]:
    curve = backtest.result.curve
    is_daily = backtest.timeframe == "1d"
    times = [_chart_time(seconds, is_daily) for seconds in curve["closed_at"]]
    names = [str(regime) for regime in Regime]
    series = [
        {"role": "strategy", "name": "Strategy", "points": _points(times, curve["equity"])},
        {"role": "benchmark", "name": "Buy and hold", "points": _points(times, curve["benchmark"])},
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


def _regimes(result: Any) -> list[dict[str, Any]]:
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
        "profit_factor": whole["profit_factor"],
        "expectancy_bps": whole["expectancy_bps"],
        "pnl": whole["pnl"],
        "open": held,
        "net": whole["final_equity"] - whole["opening_equity"],
    }


def _month_extremes(table: list[dict[str, Any]]) -> str:
    cells = [
        (value, f"{MONTHS[i]} {row['year']}")
        for row in table
        for i, value in enumerate(row["months"])
        if value is not None
    ]
    if not cells:
        return ""
    best, worst = max(cells), min(cells)
    n_up = sum(value > 0 for value, _ in cells)
    return (
        f"Best {best[1]} {formatting.signed_percent(best[0], 1)}, worst {worst[1]} "
        f"{formatting.signed_percent(worst[0], 1)}; {n_up} of {len(cells)} months gained."
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


def _metric_groups(figures: dict[str, Any]) -> list[dict[str, Any]]:
    segments = [figures[name] for name in ("out_of_sample", "in_sample", "all")]
    held = figures["benchmark"]["all"]
    return [
        {
            "title": title,
            "rows": [
                {
                    "label": label,
                    "cells": [_cell(part, key, kind) for part in segments],
                    "benchmark": _cell(held, key, kind) if key in held else formats.ratio(None),
                }
                for label, key, kind in lines
            ],
        }
        for title, lines in METRICS
    ]


def _cell(segment: dict[str, Any], key: str, kind: str) -> Any:
    if not segment:
        return ""
    if kind == "interval":
        return _interval(segment) if segment.get("sharpe_low") is not None else formats.ratio(None)
    if kind == "win_rate":
        return formats.win_rate(segment["n_wins"], segment["n_round_trips"])
    value = segment.get(key)
    if kind == "times":
        return (
            format_html("{}×", formats.ratio(value, 1))
            if value is not None
            else formats.ratio(None)
        )
    writers: dict[str, Any] = {
        "one": lambda v: formats.ratio(v, 1),
        "share": lambda v: formats.pct(v, 0),
    }
    return writers.get(kind, getattr(formats, kind, formats.qty))(value)


def _parameters(backtest: Any) -> list[dict[str, Any]]:
    spec = STRATEGIES.get(backtest.strategy_key)
    known = {p.key: p for p in spec.parameters} if spec else {}
    return [
        {
            "name": name,
            "value": value,
            "default": known[name].default if name in known else "",
            "is_default": name in known and known[name].default == value,
            "meaning": known[name].meaning if name in known else "",
        }
        for name, value in backtest.result.manifest["params"].items()
    ]


def _seconds(backtest: Any) -> float | None:
    if not (backtest.started_at and backtest.finished_at):
        return None
    return (backtest.finished_at - backtest.started_at).total_seconds()


def _ordinal(n: int) -> str:
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
