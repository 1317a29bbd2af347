"""Every table of a finished backtest as CSV: raw figures, one line a row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.http import HttpResponse

from elson.common.errors import NotFound
from elson.common.listing import Column, csv_response
from trading.services.backtests.splits import split_figures
from trading.views.backtest_context import parameter_rows
from trading.views.backtest_costs import cost_rows
from trading.views.backtest_metrics import METRICS, SEGMENTS
from trading.views.backtest_overview import fold_rows, regime_rows
from trading.views.backtest_split import split_day
from trading.views.backtest_words import MONTHS

Rows = Iterable[Mapping[str, Any]]
Table = tuple[Sequence[str], Rows]
REGIME_COLUMNS = (
    "regime", "time_share", "n_bars", "n", "n_wins", "win_rate", "win_rate_low", "win_rate_high",
    "null_win_rate", "profit_factor", "expectancy_bps", "sharpe_ratio", "sharpe_low", "sharpe_high",
    "max_drawdown", "exposure", "pnl",
)  # fmt: skip
INSTRUMENT_COLUMNS = (
    "symbol", "first_at", "last_at", "n_bars", "n_orders", "n", "n_wins", "win_rate",
    "null_win_rate", "profit_factor", "cost_total", "open_pnl", "pnl", "contribution",
)  # fmt: skip
FOLD_COLUMNS = (
    "number", "first_at", "last_at", "n_bars", "total_return", "benchmark_return", "sharpe_ratio",
    "sharpe_low", "sharpe_high", "max_drawdown", "n_round_trips", "n_wins", "win_rate",
    "win_rate_low", "win_rate_high", "cost_total",
)  # fmt: skip
DRAWDOWN_COLUMNS = ("depth", "started_at", "trough_at", "recovered_at", "length_bars", "regime")
CURVE_COLUMNS = ("equity", "drawdown", "benchmark", "null_low", "null_median", "null_high")
COST_POINT_COLUMNS = ("factor", "cost_total", "sharpe_ratio", "total_return")
# The figures of an interval are two columns in a file.
IN_A_FILE = {"sharpe": ("sharpe_low", "sharpe_high")}


def table_response(backtest: Any, tab: str, query: Mapping[str, str]) -> HttpResponse:
    """Send one table of a tab, the tab's first one unless `table` names another.

    Raises NotFound for a table the tab does not have, SplitInvalid for a day that cannot split.
    """
    tables = TABLES.get(tab, {})
    name = query.get("table") or next(iter(tables), "")
    if name not in tables:
        raise NotFound("table", f"{tab}/{name}"[:80])
    columns, rows = tables[name](backtest, query)
    return csv_response(f"backtest-{backtest.pk}-{name}.csv", _columns(columns), rows)


def _columns(names: Sequence[str]) -> tuple[Column, ...]:
    return tuple((name, lambda row, name=name: row.get(name)) for name in names)


def _regimes(backtest: Any, query: Mapping[str, str]) -> Table:
    return REGIME_COLUMNS, regime_rows(backtest.result)


def _instruments(backtest: Any, query: Mapping[str, str]) -> Table:
    return INSTRUMENT_COLUMNS, backtest.result.per_instrument


def _folds(backtest: Any, query: Mapping[str, str]) -> Table:
    return FOLD_COLUMNS, fold_rows(backtest.result)


def _months(backtest: Any, query: Mapping[str, str]) -> Table:
    rows = [
        {
            "year": row["year"],
            **dict(zip(MONTHS, row["months"], strict=True)),
            "total": row["total"],
        }
        for row in reversed(backtest.result.monthly)
    ]
    return ("year", *MONTHS, "total"), rows


def _drawdowns(backtest: Any, query: Mapping[str, str]) -> Table:
    return DRAWDOWN_COLUMNS, backtest.result.drawdowns


def _reasons(backtest: Any, query: Mapping[str, str]) -> Table:
    counts = backtest.result.decisions.get("counts", [])
    return ("action", "blocked_by", "n", "last_reason"), counts


def _checks(backtest: Any, query: Mapping[str, str]) -> Table:
    return ("key", "status", "title", "sentence"), backtest.result.honesty["rows"]


def _curve(backtest: Any, query: Mapping[str, str]) -> Table:
    curve = backtest.result.curve
    names = [name for name in CURVE_COLUMNS if name in curve]
    rows = [
        {"closed_at": dt.datetime.fromtimestamp(seconds, tz=dt.UTC).isoformat()}
        | {name: curve[name][i] for name in names}
        for i, seconds in enumerate(curve["closed_at"])
    ]
    return ("closed_at", *names), rows


def _figures(backtest: Any, query: Mapping[str, str]) -> Table:
    figures = backtest.result.metrics
    parts = {name: figures[name] for name, _ in SEGMENTS}
    parts |= {"benchmark": figures["benchmark"]["all"]}
    return _by_part(parts)


def _split(backtest: Any, query: Mapping[str, str]) -> Table:
    found = split_figures(backtest.result, split_day(backtest.result, query.get("split", "")))
    inside, outside = found["in_sample"], found["out_of_sample"]
    return _by_part(
        {
            "in_sample": inside,
            "out_of_sample": outside,
            "benchmark_in_sample": inside["benchmark"],
            "benchmark_out_of_sample": outside["benchmark"],
        }
    )


def _by_part(parts: Mapping[str, Mapping[str, Any]]) -> Table:
    """One line a figure that any part has, in the order of the page, a column per part."""
    keys = ["first_at", "last_at", "n_bars", "n_wins"]
    keys += [
        name for _, lines in METRICS for _, key, _ in lines for name in IN_A_FILE.get(key, (key,))
    ]
    rows = [
        {"figure": key, **{name: part.get(key) for name, part in parts.items()}}
        for key in keys
        if any(key in part for part in parts.values())
    ]
    return ("figure", *parts), rows


def _costs(backtest: Any, query: Mapping[str, str]) -> Table:
    costs = backtest.result.costs
    rows = [
        {"part": row["key"], "paid": row["paid"], "share_of_gross_gains": row["share"]}
        for row in (cost_rows(costs) if costs else [])
    ]
    return ("part", "paid", "share_of_gross_gains"), rows


def _cost_points(backtest: Any, query: Mapping[str, str]) -> Table:
    return COST_POINT_COLUMNS, backtest.result.costs.get("curve", [])


def _parameters(backtest: Any, query: Mapping[str, str]) -> Table:
    return ("name", "value", "default", "meaning"), parameter_rows(backtest)


def _log(backtest: Any, query: Mapping[str, str]) -> Table:
    return ("at", "text"), backtest.log


# By tab, the table a tab's plain `?format=csv` means first.
TABLES: dict[str, dict[str, Callable[[Any, Mapping[str, str]], Table]]] = {
    "overview": {
        "regimes": _regimes,
        "instruments": _instruments,
        "folds": _folds,
        "months": _months,
        "drawdowns": _drawdowns,
        "reasons": _reasons,
        "checks": _checks,
        "equity": _curve,
    },
    "metrics": {"figures": _figures, "split": _split},
    "costs": {"costs": _costs, "multiples": _cost_points},
    "parameters": {"parameters": _parameters},
    "log": {"log": _log},
}
