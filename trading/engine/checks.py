"""The honesty panel: what a result must survive before anyone believes it.

INPUT    a finished run, its bars, a seeded generator
OUTPUT   rows with PASS / WARN / FAIL, numbers and a sentence, and one verdict
LOOKBACK the whole run
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from marketdata.types import Bars, FloatArray
from trading.engine import metrics
from trading.engine.backtest import BacktestRun
from trading.engine.backtest import run as backtest_run
from trading.engine.nulls import NullDraws, buy_and_hold, exceedance, random_entries
from trading.engine.state import start
from trading.engine.step import StepContext, step
from trading.engine.strategies.base import Features, StrategySpec
from trading.engine.types import Regime, RuleStatus

ENOUGH_TRADES = 30
TOO_FEW_TRADES = 10
N_BEST = 5
N_CUTS = 3
P_GOOD = 0.05
P_WEAK = 0.20


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check: what it found, in numbers and in a sentence."""

    key: str
    title: str
    status: RuleStatus
    sentence: str
    numbers: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Honesty:
    """All rows, the verdict, and the curves behind them (None where there was no trade)."""

    status: RuleStatus
    verdict: str
    rows: tuple[CheckRow, ...]
    nulls: NullDraws | None
    buy_and_hold: FloatArray


def honesty(
    run: BacktestRun, bars: Bars, rng: np.random.Generator, *, n_draws: int = 200
) -> Honesty:
    """Examine a finished run.

    Parameters
    ----------
    run : BacktestRun
        Any result of `backtest.run`.
    bars : Bars
        The bars it ran on.
    rng : numpy.random.Generator
        Seeded by the caller (``run.config.seed``): the same seed gives the same panel.
    n_draws : int
        Random-entry runs to compare with.

    Returns
    -------
    Honesty
        Rows in a fixed order: enough trades, random entries (win rate, Sharpe), buy-and-hold, cost
        break-even, costs, best trades removed, look-ahead, regimes.

    Notes
    -----
    Runs the strategy again on three truncated histories for the look-ahead row.
    """
    nulls = random_entries(run, bars, rng, n_draws=n_draws) if run.round_trips else None
    benchmark = buy_and_hold(run, bars)
    rows = (
        _enough_trades(run),
        _null_win_rate(run, nulls),
        _null_sharpe(run, nulls),
        _against_benchmark(run, benchmark),
        _break_even(run),
        _costs(run),
        _without_best(run),
        _look_ahead(run, bars, rng),
        _regimes(run),
    )
    status, verdict = _verdict(rows)
    return Honesty(status, verdict, rows, nulls, benchmark)


def _enough_trades(run: BacktestRun) -> CheckRow:
    n = len(run.round_trips)
    title = "Enough trades"
    if n >= ENOUGH_TRADES:
        status, judgment = RuleStatus.PASS, "enough to say something"
    elif n >= TOO_FEW_TRADES:
        status, judgment = RuleStatus.WARN, f"fewer than {ENOUGH_TRADES}: every figure is vague"
    else:
        status, judgment = RuleStatus.FAIL, f"fewer than {TOO_FEW_TRADES}: nothing can be concluded"
    return CheckRow("ENOUGH_TRADES", title, status, f"{n} trades, {judgment}.", {"n": float(n)})


def _null_win_rate(run: BacktestRun, nulls: NullDraws | None) -> CheckRow:
    key, title = "NULL_WIN_RATE", "Win rate against random entries"
    if nulls is None:
        return _no_trade(key, title)
    ours = run.metrics["win_rate"]
    median = float(np.median(nulls.win_rates))
    p = exceedance(ours, nulls.win_rates)
    low, high = run.metrics["win_rate_low"], run.metrics["win_rate_high"]
    sentence = (
        f"{ours:.1%} of {len(run.round_trips)} trades won (95 % interval {low:.1%} to {high:.1%}); "
        f"random entries of the same lengths win {median:.1%} (p = {p:.3f})."
    )
    numbers = {"win_rate": ours, "null_median": median, "p": p, "low": low, "high": high}
    return CheckRow(key, title, _by_p(p), sentence, numbers)


def _null_sharpe(run: BacktestRun, nulls: NullDraws | None) -> CheckRow:
    key, title = "NULL_SHARPE", "Sharpe ratio against random entries"
    if nulls is None:
        return _no_trade(key, title)
    ours = run.metrics["sharpe_ratio"]
    median, top = (float(q) for q in np.nanquantile(nulls.sharpe_ratios, (0.5, 0.95)))
    p = exceedance(ours, nulls.sharpe_ratios)
    sentence = (
        f"Sharpe {ours:.2f}; random entries reach {median:.2f} in the middle and {top:.2f} in one "
        f"of twenty (p = {p:.3f})."
    )
    numbers = {"sharpe_ratio": ours, "null_median": median, "null_95": top, "p": p}
    return CheckRow(key, title, _by_p(p), sentence, numbers)


def _against_benchmark(run: BacktestRun, benchmark: FloatArray) -> CheckRow:
    returns = metrics.simple_returns(benchmark, start=run.config.cash)
    theirs = metrics.sharpe_ratio(returns, run.bars_per_year)
    ours = run.metrics["sharpe_ratio"]
    total = float(benchmark[-1]) / run.config.cash - 1.0
    numbers = {
        "sharpe_ratio": ours,
        "benchmark_sharpe_ratio": theirs,
        "total_return": run.metrics["total_return"],
        "benchmark_total_return": total,
        "max_drawdown": run.metrics["max_drawdown"],
        "benchmark_max_drawdown": metrics.max_drawdown(benchmark, start=run.config.cash),
    }
    sentence = (
        f"Return {numbers['total_return']:+.1%} at Sharpe {ours:.2f} against {total:+.1%} at "
        f"{theirs:.2f} for buying and holding; deepest drawdown {numbers['max_drawdown']:.1%} "
        f"against {numbers['benchmark_max_drawdown']:.1%}."
    )
    if ours > theirs:
        status = RuleStatus.PASS
    elif run.metrics["max_drawdown"] > numbers["benchmark_max_drawdown"]:
        status = RuleStatus.WARN
    else:
        status = RuleStatus.FAIL
    return CheckRow("BUY_AND_HOLD", "Against buying and holding", status, sentence, numbers)


def _break_even(run: BacktestRun) -> CheckRow:
    key, title = "COST_BREAK_EVEN", "Cost it can bear"
    fills = _closed_fills_notional(run)
    if fills == 0.0:
        return _no_trade(key, title)
    pnl = sum(trip.pnl for trip in run.round_trips)
    commission = sum(trip.commission for trip in run.round_trips)
    paid_bps = commission / fills * 1e4 + run.config.slippage_bps
    limit_bps = pnl / fills * 1e4 + paid_bps
    numbers = {"break_even_bps": limit_bps, "paid_bps": paid_bps}
    sentence = (
        f"The trades pay {paid_bps:.1f} bps a side and break even at {limit_bps:.1f} bps a side."
    )
    if limit_bps <= paid_bps or limit_bps <= 0.0:
        status = RuleStatus.FAIL
    else:
        status = RuleStatus.PASS if limit_bps >= 2.0 * paid_bps else RuleStatus.WARN
    return CheckRow(key, title, status, sentence, numbers)


def _costs(run: BacktestRun) -> CheckRow:
    key, title = "COSTS", "Costs included"
    total = run.metrics["commission_total"]
    if run.config.costs.is_free:
        sentence = "No costs were charged; real trading is never free."
        return CheckRow(key, title, RuleStatus.WARN, sentence, {"commission_total": 0.0})
    sentence = f"Commission {total:,.2f} and slippage of {run.config.slippage_bps:g} bps charged."
    return CheckRow(key, title, RuleStatus.PASS, sentence, {"commission_total": total})


def _without_best(run: BacktestRun) -> CheckRow:
    key, title = "BEST_TRADES", f"Without its best {N_BEST} trades"
    pnls = sorted((trip.pnl for trip in run.round_trips), reverse=True)
    if not pnls:
        return _no_trade(key, title)
    total, rest = sum(pnls), sum(pnls[N_BEST:])
    numbers = {"pnl": total, "pnl_without": rest}
    sentence = f"All trades made {total:+,.2f}; without the best {N_BEST} it is {rest:+,.2f}."
    status = RuleStatus.PASS if rest > 0.0 else RuleStatus.WARN
    if total <= 0.0:
        status = RuleStatus.FAIL
    return CheckRow(key, title, status, sentence, numbers)


def _look_ahead(run: BacktestRun, bars: Bars, rng: np.random.Generator) -> CheckRow:
    key, title = "LOOK_AHEAD", "No look-ahead"
    lowest = run.first_bar + max((len(bars) - run.first_bar) // 4, 2)
    cuts = [int(cut) for cut in rng.integers(lowest, len(bars), size=N_CUTS)]
    changed = [cut for cut in cuts if not _is_prefix(run, bars, cut)]
    numbers = {"n_cuts": float(N_CUTS), "n_changed": float(len(changed))}
    if changed:
        sentence = (
            f"With history cut at bar {changed[0]} what was decided before changes: it sees ahead."
        )
        return CheckRow(key, title, RuleStatus.FAIL, sentence, numbers)
    sentence = f"Cutting the history at {N_CUTS} random bars changes no earlier decision."
    return CheckRow(key, title, RuleStatus.PASS, sentence, numbers)


def _is_prefix(run: BacktestRun, bars: Bars, cut: int) -> bool:
    """Tell whether the first ``cut`` bars alone give the same arrays, wish and trades."""
    known = bars.slice(0, cut)
    spec = run.spec
    if cut <= spec.warm_up(run.params):
        # Too short to run at all says nothing about looking ahead.
        return True
    whole, part = spec.prepare(bars, run.params), spec.prepare(known, run.params)
    return (
        _are_prefixes(whole, part)
        and _same_wish(whole, part, cut - 1, spec, run)
        and _same_trades(run, known, cut)
    )


def _are_prefixes(whole: Features, part: Features) -> bool:
    n = len(part.bars)
    same_arrays = all(
        np.array_equal(array[:n], part.arrays[name], equal_nan=True)
        for name, array in whole.arrays.items()
    )
    return same_arrays and bool(np.array_equal(whole.regimes.codes[:n], part.regimes.codes))


def _same_wish(
    whole: Features, part: Features, i: int, spec: StrategySpec, run: BacktestRun
) -> bool:
    # What is decided on the last known bar trades after it, so no comparison of trades sees it.
    context = StepContext(spec, run.config.costs, run.config.quantity_step, explains=False)
    state = start(run.config.cash)
    try:
        return step(part, i, state, context) == step(whole, i, state, context)
    except IndexError:
        return False


def _same_trades(run: BacktestRun, known: Bars, cut: int) -> bool:
    config = replace(run.config, progress=None, keeps_decisions=False)
    part = backtest_run(known, run.spec, run.params, config)
    known_fills = [fill for fill in run.fills if fill.bar < cut]
    if [(f.bar, f.side) for f in part.fills] != [(f.bar, f.side) for f in known_fills]:
        return False
    # Not to the last bit: a run that keeps its decisions takes the other of the two equal paths.
    return bool(np.allclose(part.equity, run.equity[: part.equity.shape[0]], rtol=1e-9, atol=0.0))


def _regimes(run: BacktestRun) -> CheckRow:
    counts = {str(regime): int(run.by_regime[regime]["n"]) for regime in Regime}
    few = [name for name, n in counts.items() if n < ENOUGH_TRADES]
    text = ", ".join(f"{name} {n}" for name, n in counts.items())
    numbers = {f"n_{name.lower()}": float(n) for name, n in counts.items()}
    if few:
        sentence = f"Trades by regime: {text}; too few to judge in {', '.join(few)}."
        return CheckRow("REGIMES", "Every regime seen", RuleStatus.WARN, sentence, numbers)
    sentence = f"Trades by regime: {text}."
    return CheckRow("REGIMES", "Every regime seen", RuleStatus.PASS, sentence, numbers)


def _verdict(rows: tuple[CheckRow, ...]) -> tuple[RuleStatus, str]:
    failed = [row.title.lower() for row in rows if row.status is RuleStatus.FAIL]
    warned = [row.title.lower() for row in rows if row.status is RuleStatus.WARN]
    if failed:
        names = ", ".join(failed)
        return RuleStatus.FAIL, f"Not believable yet: {len(failed)} of {len(rows)} fail ({names})."
    if warned:
        names = ", ".join(warned)
        return RuleStatus.WARN, f"Believable with reservations: look at {names}."
    return RuleStatus.PASS, f"Holds up: all {len(rows)} checks pass. The future may still differ."


def _by_p(p: float) -> RuleStatus:
    if p <= P_GOOD:
        return RuleStatus.PASS
    return RuleStatus.WARN if p <= P_WEAK else RuleStatus.FAIL


def _no_trade(key: str, title: str) -> CheckRow:
    return CheckRow(key, title, RuleStatus.FAIL, "No completed trade to judge.", {"n": 0.0})


def _closed_fills_notional(run: BacktestRun) -> float:
    opened = sum(trip.entry_notional for trip in run.round_trips)
    closed = sum(trip.quantity * trip.exit_price for trip in run.round_trips)
    total = opened + closed
    return total if math.isfinite(total) else 0.0
