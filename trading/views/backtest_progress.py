"""What a page shows of a backtest that waits, runs, or has ended without a result."""

from __future__ import annotations

import datetime as dt
from typing import Any

from elson.common import formatting
from trading.selectors.backtests import PHASES, queue_position


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
        "so_far": equity_so_far(backtest),
    }


def equity_so_far(backtest: Any) -> dict[str, Any] | None:
    """Return chart and sentence of the bars that have run; None before there are two points."""
    told = backtest.so_far
    if len(told.get("equity", ())) < 2:
        return None
    currency = backtest.instrument.currency
    days = [_day(seconds) for seconds in told["closed_at"]]
    times = days if backtest.timeframe == "1d" else told["closed_at"]
    first, last = (formatting.money(told["equity"][i], currency) for i in (0, -1))
    points = list(zip(times, told["equity"], strict=True))
    series = {"role": "strategy", "name": "Equity so far", "points": points}
    return {
        "chart": {"currency": currency, "series": [series]},
        "summary": f"{first} on {days[0]}, {last} on {days[-1]}; "
        f"{formatting.number(told['n_bars'], 0)} bars have run. Not judged yet.",
    }


def _day(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).date().isoformat()


def _ordinal(n: int) -> str:
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
