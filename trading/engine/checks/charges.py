"""What costs do to the result: what was paid, what it can bear, and the result at other costs.

INPUT    a finished run and its bars
OUTPUT   rows: break-even, costs included; the curve of results at multiples of the costs
LOOKBACK the whole run
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from marketdata.types import Bars
from trading.engine.backtest import BacktestConfig, BacktestRun, is_compiled
from trading.engine.backtest import run as backtest_run
from trading.engine.checks.row import CheckRow, no_trade
from trading.engine.types import RuleStatus

FACTORS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
FEW_FACTORS = (0.0, 1.0, 2.0, 3.0)
# Bars beyond which a run without a compiled rule is repeated at fewer multiples.
MANY_STEPPED_BARS = 3_000


@dataclass(frozen=True, slots=True)
class CostPoint:
    """The run again at a multiple of its costs: fractions and a ratio."""

    factor: float
    total_return: float
    sharpe_ratio: float
    cost_total: float


def cost_curve(run: BacktestRun, bars: Bars) -> tuple[CostPoint, ...]:
    """Repeat the run at 0 to 3 times its costs; empty without a trade or without a cost."""
    if not run.fills or run.config.costs.is_free:
        return ()
    is_quick = len(bars) <= MANY_STEPPED_BARS or is_compiled(bars, run.spec, run.params, run.config)
    factors = FACTORS if is_quick else FEW_FACTORS
    return tuple(_point(run, bars, factor) for factor in factors)


def break_even(run: BacktestRun, curve: tuple[CostPoint, ...]) -> CheckRow:
    """Compare what the trades paid a side with what would have left nothing."""
    key, title = "COST_BREAK_EVEN", "Cost it can bear"
    traded = _closed_fills_notional(run)
    if traded == 0.0:
        return no_trade(key, title)
    pnl = sum(trip.pnl for trip in run.round_trips)
    paid_bps = run.costs.paid_bps
    limit_bps = pnl / traded * 1e4 + paid_bps
    numbers = {"break_even_bps": limit_bps, "paid_bps": paid_bps}
    sentence = (
        f"The trades pay {paid_bps:.1f} bps a side and break even at {limit_bps:.1f} bps a side"
    )
    if at_twice := next((point for point in curve if point.factor == 2.0), None):
        numbers["return_at_twice"] = at_twice.total_return
        sentence += f"; at twice the costs the run returns {at_twice.total_return:+.1%}"
    if limit_bps <= paid_bps or limit_bps <= 0.0:
        status = RuleStatus.FAIL
    else:
        status = RuleStatus.PASS if limit_bps >= 2.0 * paid_bps else RuleStatus.WARN
    return CheckRow(key, title, status, f"{sentence}.", numbers)


def costs_included(run: BacktestRun) -> CheckRow:
    """Say what was charged; trading for free is a warning."""
    key, title = "COSTS", "Costs included"
    total = run.costs.total
    numbers = {"cost_total": total, "commission_total": run.metrics["commission_total"]}
    # Instruments of an account may have costs of their own where the account has none. What a
    # position costs while it is held says nothing about what it cost to trade it.
    if run.config.costs.is_free and not run.costs.paid_bps:
        sentence = "Trading cost nothing; real trading is never free."
        return CheckRow(key, title, RuleStatus.WARN, sentence, numbers)
    named = [
        f"{name} {value:,.2f}"
        for name, value in run.costs.as_dict().items()
        if value > 0.0 and name != "total"
    ]
    words = ", ".join(named).replace("preset", "spread and fees") or "nothing was traded"
    return CheckRow(key, title, RuleStatus.PASS, f"Costs of {total:,.2f}: {words}.", numbers)


def _point(run: BacktestRun, bars: Bars, factor: float) -> CostPoint:
    again = run
    if factor != 1.0:
        again = backtest_run(bars, run.spec, run.params, scaled_config(run.config, factor))
    return point_of(again, factor)


def point_of(again: BacktestRun, factor: float) -> CostPoint:
    """Return what a rerun at a multiple of the costs found."""
    return CostPoint(
        factor=factor,
        total_return=again.metrics["total_return"],
        sharpe_ratio=again.metrics["sharpe_ratio"],
        cost_total=again.costs.total,
    )


def scaled_config(config: BacktestConfig, factor: float) -> BacktestConfig:
    """Return the settings with every cost multiplied, for a silent rerun."""
    return replace(
        config,
        commission_bps=0.0,
        slippage_bps=0.0,
        cost_preset=None,
        cost_model=config.costs.scaled(factor),
        keeps_decisions=False,
        progress=None,
        observe=None,
    )


def _closed_fills_notional(run: BacktestRun) -> float:
    total = sum(trip.traded_notional for trip in run.round_trips)
    return total if math.isfinite(total) else 0.0
