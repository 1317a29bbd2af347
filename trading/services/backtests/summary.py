"""The command's answer: one JSON object, or the same as text for people."""

from __future__ import annotations

from typing import Any

from elson.common.formatting import (
    basis_points,
    number,
    percent,
    profit_factor,
    ratio,
    signed_number,
    signed_percent,
    too_few,
    win_rate,
)
from trading.engine.enough import FEWEST_FOR_WIN_RATE, shortfall
from trading.engine.strategies import STRATEGIES, Parameter
from trading.selectors.luck import shuffled_win_rate
from trading.services.backtests.experiment import ExperimentOutcome
from trading.services.backtests.judgement import ALL
from trading.services.backtests.statistics import iso, plain
from trading.services.backtests.words import reason_words


def summary_values(outcome: ExperimentOutcome, *, lists_orders: bool = False) -> dict[str, Any]:
    """Return the object the command prints; undefined figures are null."""
    figures = outcome.metrics["all"]
    values = {
        "strategy": outcome.manifest["settings"]["strategy"],
        "symbol": outcome.manifest["data"]["symbol"],
        "timeframe": outcome.manifest["data"]["timeframe"],
        "n_bars": outcome.manifest["data"]["n_bars"],
        "orders": figures["n_orders"],
        "round_trips": figures["n_round_trips"],
        "final_equity": figures["final_equity"],
        "total_return": figures["total_return"],
        "max_drawdown": figures["max_drawdown"],
        "sharpe_ratio": figures["sharpe_ratio"],
        "win_rate": figures["win_rate"],
        "win_rate_ci": [figures["win_rate_low"], figures["win_rate_high"]],
        "null_win_rate": outcome.honesty["null_win_rates"][ALL],
        "profit_factor": figures["profit_factor"],
        "n_losses": figures["n_losses"],
        "expectancy_bps": figures["expectancy_bps"],
        "open_position": outcome.metrics["open_position"],
        "by_regime": outcome.by_regime,
        "costs": outcome.costs,
        "per_instrument": outcome.per_instrument,
        "in_sample": outcome.metrics["in_sample"],
        "out_of_sample": outcome.metrics["out_of_sample"],
        "benchmark": outcome.metrics["benchmark"],
        "honesty": outcome.honesty,
        "manifest": outcome.manifest,
    }
    if lists_orders:
        values["order_list"] = _orders(outcome)
    return plain(values)


def _orders(outcome: ExperimentOutcome) -> list[dict[str, Any]]:
    run = outcome.run
    return [
        {
            "filled_at": iso(fill.filled_at),
            "symbol": fill.symbol,
            "side": str(fill.side),
            "quantity": fill.quantity,
            "price": fill.price,
            "commission": fill.commission,
            "reason": reason,
        }
        for fill, reason in zip(run.fills, run.fill_reasons, strict=True)
    ]


# --- text ---------------------------------------------------------------------------------------


def summary_text(outcome: ExperimentOutcome) -> str:
    """Return the answer for people: what was run, how it did where, and whether to believe it."""
    blocks = [
        _identity(outcome),
        _segments(outcome),
        _regimes(outcome),
        _costs(outcome),
        _verdict(outcome),
    ]
    if outcome.per_instrument:
        blocks.insert(2, _instruments(outcome))
    elif not outcome.metrics["all"]["n_orders"]:
        blocks.insert(2, _why_no_trade(outcome))
    return "\n\n".join(blocks)


def strategy_list_text() -> str:
    """Describe every strategy and its parameters with bounds, and say which were left out."""
    blocks = []
    for spec in STRATEGIES.values():
        rows = [
            ["  " + p.key, _bounds(p), f"default {p.default}", p.meaning] for p in spec.parameters
        ]
        table = f"\n{_aligned(rows, 'llll')}" if rows else ""
        blocks.append(f"{spec.key}: {spec.name}. {spec.summary}{table}")
    blocks += [f"left out: {name}: {why}" for name, why in STRATEGIES.left_out().items()]
    return "\n\n".join(blocks)


def _bounds(parameter: Parameter) -> str:
    if parameter.choices:
        return " or ".join(parameter.choices)
    return parameter.bounds_text or "any number"


def _identity(outcome: ExperimentOutcome) -> str:
    told = outcome.manifest
    asked, found, code = told["settings"], told["data"], told["code"]
    params = ", ".join(f"{name} {value}" for name, value in told["params"].items())
    costs = f"commission {basis_points(asked['commission_bps'])}, "
    costs += f"slippage {basis_points(asked['slippage_bps'])} a side"
    return "\n".join(
        (
            f"{STRATEGIES[asked['strategy']].name} on {found['symbol']} {found['timeframe']}, "
            f"{found['n_bars']:,} bars from {found['first_at'][:10]} to {found['last_at'][:10]}",
            f"{params}",
            f"cash {number(asked['cash'])}, {costs}, seed {told['seed']}, "
            f"data {found['sha256'][:12]}, code {code['revision'] or code['version']}",
        )
    )


def _segments(outcome: ExperimentOutcome) -> str:
    spans = ["all", "in_sample", "out_of_sample"]
    spans = [name for name in spans if outcome.metrics[name]]
    parts = [outcome.metrics[name] for name in spans]
    held = outcome.metrics["benchmark"]["all"]
    heads = {"all": "whole span", "in_sample": "in sample", "out_of_sample": "out of sample"}
    rows = [
        ["", *(heads[name] for name in spans), "buy and hold"],
        [
            "Return",
            *(signed_percent(p["total_return"]) for p in parts),
            signed_percent(held["total_return"]),
        ],
        ["Final equity", *(number(p["final_equity"]) for p in parts), ""],
        ["Sharpe ratio", *(_sharpe(p, p) for p in parts), _sharpe(held, parts[0])],
        ["  95 % interval", *(_interval(p["sharpe_low"], p["sharpe_high"]) for p in parts), ""],
        [
            "Max drawdown",
            *(percent(p["max_drawdown"]) for p in parts),
            percent(held["max_drawdown"]),
        ],
        ["Orders", *(number(p["n_orders"], 0) for p in parts), ""],
        ["Round trips", *(number(p["n_round_trips"], 0) for p in parts), ""],
        ["Win rate", *(_rate(p) for p in parts), ""],
        ["Profit factor", *(profit_factor(p) for p in parts), ""],
        ["Expectancy a trade", *(basis_points(p["expectancy_bps"]) for p in parts), ""],
        ["Costs paid", *(number(p["cost_total"]) for p in parts), ""],
        ["Time invested", *(percent(p["exposure"], 0) for p in parts), ""],
    ]
    return _aligned(rows, "l" + "r" * (len(parts) + 1))


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None else f"{ratio(low)} to {ratio(high)}"


def _rate(part: dict[str, Any]) -> str:
    return win_rate(part["n_wins"], part["n_round_trips"])


def _sharpe(figures: dict[str, Any], counted: dict[str, Any]) -> str:
    """Write the Sharpe ratio of a part, or that the bars counted for it are too few."""
    n = shortfall(counted, "sharpe_ratio")
    return ratio(figures["sharpe_ratio"]) if n is None else too_few(n)


def _regimes(outcome: ExperimentOutcome) -> str:
    rows = [
        [
            "Regime",
            "time",
            "trades",
            "win rate (95 %)",
            "random",
            "profit factor",
            "a trade",
            "net P&L",
        ]
    ]
    for name, row in outcome.by_regime.items():
        is_few = row["n"] < FEWEST_FOR_WIN_RATE
        rows.append(
            [
                name.capitalize(),
                percent(row["time_share"], 0),
                number(row["n"], 0),
                too_few(row["n"]) if is_few else win_rate(row["n_wins"], row["n"]),
                percent(row["null_win_rate"], 0),
                "—" if is_few else profit_factor(row),
                "—" if is_few else basis_points(row["expectancy_bps"]),
                signed_number(row["pnl"]),
            ]
        )
    null = outcome.honesty["null_win_rates"][ALL]
    note = "Random: how often a trade of the same length, begun at any bar of the regime, wins."
    if null is not None:
        note += f" All trades: {percent(null, 1)}."
    if (shuffled := shuffled_win_rate(outcome.honesty)) is not None:
        note += (
            f"\nIt does not play the rule's own exits; on shuffled bars: {percent(shuffled, 1)}."
        )
    return _aligned(rows, "lrrrrrrr") + "\n" + note


def _instruments(outcome: ExperimentOutcome) -> str:
    rows = [["Instrument", "bars", "trades", "win rate (95 %)", "open P&L", "costs", "net P&L"]]
    for row in outcome.per_instrument:
        is_few = row["n"] < FEWEST_FOR_WIN_RATE
        rows.append(
            [
                row["symbol"],
                number(row["n_bars"], 0),
                number(row["n"], 0),
                too_few(row["n"]) if is_few else win_rate(row["n_wins"], row["n"]),
                signed_number(row["open_pnl"]),
                number(row["cost_total"]),
                signed_number(row["pnl"]),
            ]
        )
    return _aligned(rows, "lrrrrrr")


def _costs(outcome: ExperimentOutcome) -> str:
    costs = outcome.costs
    if not costs["parts"]["total"]:
        return "No costs were charged."
    named = {"preset": "spread and fees", "spread": "half spread"}
    rows = [
        [named.get(name, name).capitalize(), number(value), percent(costs["shares_of_gross"][name])]
        for name, value in costs["parts"].items()
        if value
    ]
    points = [
        f"×{point['factor']:g} {signed_percent(point['total_return'], 1)}"
        for point in costs["curve"]
    ]
    table = _aligned([["Costs", "paid", "of gross gains"], *rows], "lrr")
    return table + ("\nReturn at multiples of the costs: " + ", ".join(points) if points else "")


def _why_no_trade(outcome: ExperimentOutcome) -> str:
    counted = outcome.decisions["counts"]
    rows = [
        ["  " + number(item["n"], 0), reason_words(item), item["last_reason"]] for item in counted
    ]
    head = f"No trades in {number(outcome.decisions['n_bars'], 0)} bars:"
    return head + "\n" + _aligned(rows, "rll")


def _verdict(outcome: ExperimentOutcome) -> str:
    marks = {"PASS": "✓", "WARN": "⚠", "FAIL": "✕", "NOT_APPLICABLE": "·"}
    rows = [
        [f"  {marks[r['status']]} {r['title']}", r["sentence"]] for r in outcome.honesty["rows"]
    ]
    return outcome.honesty["verdict"] + "\n" + _aligned(rows, "ll")


def _aligned(rows: list[list[str]], sides: str) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(sides))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if side == "r" else cell.ljust(width)
            for cell, width, side in zip(row, widths, sides, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
