"""The report of a verification as tables a person reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from elson.common.formatting import has_no_loss
from trading.engine.counts import counted

WIN_HEADS = (
    "", "n", "months", "win %", "95 % by month", "null %", "excess pp", "95 % by month",
    "PF", "bps", "2x bps", "avg win", "avg loss", "break-even %", "worst",
)  # fmt: skip
REGIMES = ("LOW", "NORMAL", "HIGH", "EXTREME")


def report_text(report: Mapping[str, Any]) -> str:
    """Write every table of a report."""
    blind = report["profit_blind"]
    parts = [
        _head(report),
        _titled("Regime at the signal (percentile)", _win_table(report["regimes"], report["all"])),
        f"Spread over the regimes: {_number(report['spread_pp'], 1)} pp",
        _titled(
            "Profit-blind exit (close > SMA5, or 10 bars; a rule's own if it is blind)",
            _win_table(blind["regimes"], blind["all"]),
        ),
        _titled("N2: bars permuted inside 63-bar windows", _permutation_table(blind["n2"])),
        _titled("Regime by absolute volatility (15 / 25 / 40 %)",
                _win_table(report["absolute_regimes"])),
        _titled("By asset class", _win_table(report["by_class"])),
        _titled("By period", _win_table(report["by_period"])),
        _portfolio(report["portfolio"]),
        _luck(report["luck"]),
        _calibration(report["calibration"], report["model"]),
        _titled("Controls", _control_table(report["controls"])),
        _titled("Goals", _goal_table(report["goals"])),
        _too_few(report["regimes"], report["goals"]),
        _verdict(report["missed"]),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def missed_text(report: Mapping[str, Any]) -> str:
    """Name each missed must with its distance, one line each."""
    lines = {line["name"]: line for line in report["goals"]}
    return "\n".join(
        f"missed: {name} is {_found(lines[name])}, must be "
        f"{lines[name]['relation']} {_value(lines[name]['must'], lines[name]['unit'])}"
        for name in report["missed"]
    )


def _head(report: Mapping[str, Any]) -> str:
    data, training = report["data"], report["train_data"]
    learned = f"learned on {training['name']} only" if training else "walk-forward within the data"
    return (
        f"{report['strategy']} under {report['protocol']}: "
        f"{counted(data['n_instruments'], 'instrument')}, "
        f"{data['n_bars']:,} bars, {data['first_date']} to {data['last_date']}; {learned}\n"
        f"data {data['sha256'][:12]}, code {report['code']['revision'] or 'unversioned'}"
    )


def _win_table(rows: Mapping[str, Any], total: Mapping[str, Any] | None = None) -> str:
    lines = [_win_line(name, row) for name, row in rows.items()]
    if total is not None:
        lines.append(_win_line("all", total))
    return _aligned([list(WIN_HEADS), *lines])


def _win_line(name: str, row: Mapping[str, Any]) -> list[str]:
    if not row["n"]:
        return [name, "0", *[""] * (len(WIN_HEADS) - 2)]
    return [
        name,
        f"{row['n']:,}",
        f"{row['months']:,}",
        _share(row["win_rate"]),
        _bounds(row["ci"]),
        _share(row["null_win_rate"]),
        _share(row["excess"], sign=True),
        _bounds(row["excess_ci"]),
        "no loss" if has_no_loss(row) else _number(row["profit_factor"], 2),
        _number(row["expectancy_bps"], 1),
        _number(row["expectancy_2x_bps"], 1),
        _number(row["avg_win_bps"], 0),
        _number(row["avg_loss_bps"], 0),
        _share(row["break_even_win_rate"]),
        _number(row["worst_bps"], 0),
    ]


def _permutation_table(row: Mapping[str, Any]) -> str:
    lines = [["", "n", "win %", "null %", "excess pp", "p", "p by rank"]]
    for name in ("HIGH", "EXTREME", "pooled"):
        part = row[name]
        lines.append(
            [
                name,
                f"{part['n']:,}",
                _share(part["win_rate"]),
                _share(part["null_win_rate"]),
                _share(part["excess"], sign=True),
                _number(part["p"], 4),
                _number(part["p_rank"], 3),
            ]
        )
    return f"{_aligned(lines)}\n{row['n_draws']} permutations"


def _portfolio(row: Mapping[str, Any]) -> str:
    held = row["always_long"]
    if held is None:
        return "Portfolio: no trade"
    return (
        f"Portfolio at 10 % volatility: Sharpe {_number(row['sharpe_ratio'], 2)}, "
        f"{_share(row['annual_return'])} % a year, drawdown {_share(row['max_drawdown'])} %; "
        f"always long at equal risk: Sharpe {_number(held['sharpe_ratio'], 2)}, "
        f"drawdown {_share(held['max_drawdown'])} %"
    )


def _luck(row: Mapping[str, Any]) -> str:
    return (
        f"Luck: {row['n_trials']:,} configurations tried; probabilistic Sharpe "
        f"{_number(row['psr'], 3)}, deflated {_number(row['dsr'], 3)}, probability of "
        f"overfitting {_number(row['pbo'], 2)}"
    )


def _calibration(row: Mapping[str, Any] | None, model: Mapping[str, Any] | None) -> str:
    if row is None or model is None:
        return ""
    lines = [["probability", "n", "predicted %", "won %", "95 % (Wilson)"]]
    lines += [
        [
            f"{part['low']:.1f} to {part['high']:.1f}",
            f"{part['n']:,}",
            _share(part["mean_probability"]),
            _share(part["win_rate"]),
            _bounds(part["interval"]),
        ]
        for part in row["bins"]
        if part["n"]
    ]
    title = (
        f"Calibration of P(win) on {row['n']:,} candidates: error {_number(row['ece'], 4)} up to "
        f"0.75, {_number(row['ece_all'], 4)} over all; the model vetoed {model['n_vetoed']:,} of "
        f"{model['n_candidates']:,} candidates"
    )
    return _titled(title, _aligned(lines))


def _control_table(rows: Mapping[str, Any]) -> str:
    lines = [["", "", "measured"]]
    for name in ("truncated_history", "shuffled_prices", "planted_edge"):
        row = rows[name]
        if name == "truncated_history":
            text = f"{row['n_changed']:,} of {row['n_compared']:,} decisions changed"
        else:
            text = f"excess {_share(row['excess'], sign=True)} pp, p {_number(row['p'], 4)}"
        reason = row.get("reason")
        mark = "pass" if row["passed"] else ("not judged" if reason else "FAIL")
        lines.append([name.replace("_", " "), mark, reason or text])
    return _aligned(lines)


def _goal_table(goals: Sequence[Mapping[str, Any]]) -> str:
    lines = [["goal", "value", "must", "", "stretch", ""]]
    for goal in goals:
        unit, relation = goal["unit"], goal["relation"]
        lines.append(
            [
                goal["name"],
                goal.get("reason") or _value(goal["value"], unit),
                "" if goal["must"] is None else f"{relation} {_value(goal['must'], unit)}",
                _mark(goal["met"]),
                "" if goal["stretch"] is None else f"{relation} {_value(goal['stretch'], unit)}",
                _mark(goal["met_stretch"]),
            ]
        )
    return _aligned(lines)


def _too_few(regimes: Mapping[str, Any], goals: Sequence[Mapping[str, Any]]) -> str:
    """Say whose figures rest on fewer trades than the protocol asks for, whatever they are."""
    least = next(goal["must"] for goal in goals if goal["name"] == "trades_in_smallest_regime")
    few = [f"{name} {row['n']:,}" for name, row in regimes.items() if row["n"] < least]
    if not few:
        return ""
    return (
        f"Too few trades to judge these regimes by, whatever their figures: {', '.join(few)}; "
        f"the protocol asks for {least:g} in each."
    )


def _verdict(missed: Sequence[str]) -> str:
    if not missed:
        return "Every must is met."
    return f"{len(missed)} must{'s' if len(missed) > 1 else ''} missed: {', '.join(missed)}."


def _mark(is_met: bool | None) -> str:
    return "" if is_met is None else ("met" if is_met else "MISSED")


def _found(goal: Mapping[str, Any]) -> str:
    """Write what was found, or that it is unknown and why."""
    text, reason = _value(goal["value"], goal["unit"]), goal.get("reason")
    return f"{text} ({reason})" if reason else text


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    if unit == "ratio":
        return f"{value * 100:.1f} %"
    return f"{value:.4g}{f' {unit}' if unit else ''}"


def _share(value: float | None, *, sign: bool = False) -> str:
    if value is None:
        return "–"
    return f"{value * 100:+.1f}" if sign else f"{value * 100:.1f}"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _bounds(bounds: Sequence[float | None]) -> str:
    return f"{_share(bounds[0])} to {_share(bounds[1])}"


def _titled(title: str, table: str) -> str:
    return f"{title}\n{table}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
