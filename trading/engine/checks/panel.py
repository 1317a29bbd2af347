"""The honesty panel: what a result must survive before anyone believes it.

INPUT    a finished run, its bars, a seeded generator, what was tried before
OUTPUT   rows with PASS / WARN / FAIL, numbers and a sentence, and one verdict
LOOKBACK the whole run
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from marketdata.types import Bars, FloatArray
from trading.engine import metrics
from trading.engine.backtest import BacktestRun
from trading.engine.checks import chance, charges, leaks, shuffles, stability
from trading.engine.checks.chance import Trials
from trading.engine.checks.charges import CostPoint
from trading.engine.checks.row import CheckRow, no_trade
from trading.engine.checks.shuffles import Shuffles
from trading.engine.counts import counted
from trading.engine.effective import EffectiveTrades, effective_trades, whole
from trading.engine.enough import FEWEST_FOR_WIN_RATE
from trading.engine.months import compounded, month_returns
from trading.engine.nulls import NullDraws, buy_and_hold, random_entries
from trading.engine.types import Regime, RuleStatus

ENOUGH_TRADES = 30
N_BEST = 5
# Words that keep their capital inside a sentence.
NAMES = ("Sharpe",)


@dataclass(frozen=True, slots=True, eq=False)
class Honesty:
    """All rows, the verdict, and the curves behind them (None or empty without a trade)."""

    status: RuleStatus
    verdict: str
    rows: tuple[CheckRow, ...]
    nulls: NullDraws | None
    buy_and_hold: FloatArray
    cost_curve: tuple[CostPoint, ...] = ()
    shuffled: Shuffles = shuffles.NONE


def honesty(
    run: BacktestRun,
    bars: Bars,
    rng: np.random.Generator,
    *,
    n_draws: int = 200,
    trials: Trials | None = None,
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
    trials : Trials or None
        What was tried before; None for nothing but this run.

    Returns
    -------
    Honesty
        Rows in a fixed order: enough trades, random entries and shuffled bars (win rate and Sharpe
        each), buy-and-hold, deflated Sharpe, overfitting, cost break-even, costs, best trades
        removed,
        neighboring parameters, look-ahead, shuffled future, warm-up, regimes.

    Notes
    -----
    Runs the strategy again some fifty times (shuffled bars, neighbors, costs, cut histories);
    below two seconds for 8,000 bars of a strategy with a compiled rule.
    """
    trials = trials or Trials()
    nulls = random_entries(run, bars, rng, n_draws=n_draws) if run.round_trips else None
    benchmark = buy_and_hold(run, bars)
    curve = charges.cost_curve(run, bars)
    shuffled = shuffles.shuffled_bars(run, bars, rng)
    rows = (
        enough_trades(run),
        chance.null_win_rate(run, nulls),
        chance.null_sharpe(run, nulls),
        *shuffled.rows,
        against_benchmark(run, benchmark),
        chance.deflated_sharpe(run, trials),
        chance.overfitting(trials),
        charges.break_even(run, curve),
        charges.costs_included(run),
        without_best(run),
        stability.neighborhood(run, bars),
        leaks.look_ahead(run, bars, rng),
        leaks.shuffled_future(run, bars, rng),
        leaks.warm_up(run, bars),
        regimes(run),
    )
    status, words = verdict(rows)
    return Honesty(status, words, rows, nulls, benchmark, curve, shuffled)


def enough_trades(run: BacktestRun) -> CheckRow:
    """Count the trades by what they are worth; below 30 independent ones every figure is vague."""
    found = effective_trades(run.round_trips)
    n_independent = whole(found.value)
    words = counted(found.n, "trade")
    if n_independent < found.n:
        ones = "one" if n_independent == 1 else "ones"
        words += f" that tell as much as {n_independent} independent {ones}, {_alike(found)}"
    if n_independent >= ENOUGH_TRADES:
        status, judgment = RuleStatus.PASS, "enough to say something"
    elif n_independent >= FEWEST_FOR_WIN_RATE:
        status, judgment = RuleStatus.WARN, f"fewer than {ENOUGH_TRADES}: every figure is vague"
    else:
        judgment = f"fewer than {FEWEST_FOR_WIN_RATE}: nothing can be concluded"
        status = RuleStatus.FAIL
    numbers = {"n": float(found.n), "n_effective": found.value}
    return CheckRow("ENOUGH_TRADES", "Enough trades", status, f"{words}, {judgment}.", numbers)


def _alike(found: EffectiveTrades) -> str:
    if found.by_overlap < found.by_returns:
        return "for some are held at the same time"
    return "for one ends much like the one before"


def against_benchmark(run: BacktestRun, benchmark: FloatArray) -> CheckRow:
    """Compare return, Sharpe ratio and drawdown with holding."""
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


def without_best(run: BacktestRun) -> CheckRow:
    """Take the best trades, or the best month, away; a result that hangs on them is luck."""
    key, title = "BEST_TRADES", f"Without its best {N_BEST} trades or its best month"
    pnls = sorted((trip.pnl for trip in run.round_trips), reverse=True)
    if not pnls:
        return no_trade(key, title)
    total, rest = sum(pnls), sum(pnls[N_BEST:])
    months = month_returns(run.closed_at, run.equity, run.config.cash)
    best = max(months, key=lambda month: month.value)
    whole = compounded(month.value for month in months)
    others = compounded(month.value for month in months if month is not best)
    numbers = {
        "pnl": total,
        "pnl_without": rest,
        "total_return": whole,
        "best_month_return": best.value,
        "return_without_best_month": others,
    }
    sentence = (
        f"All trades made {total:+,.2f}; without the best {N_BEST} it is {rest:+,.2f}. The account "
        f"returned {whole:+.1%}; without its best month, {best.name}, it is {others:+.1%}."
    )
    status = RuleStatus.PASS if rest > 0.0 and others > 0.0 else RuleStatus.WARN
    if total <= 0.0:
        status = RuleStatus.FAIL
    return CheckRow(key, title, status, sentence, numbers)


def regimes(run: BacktestRun) -> CheckRow:
    """Count the trades of each regime; few of them say nothing about it."""
    counts = {str(regime): int(run.by_regime[regime]["n"]) for regime in Regime}
    few = [name.capitalize() for name, n in counts.items() if n < ENOUGH_TRADES]
    text = ", ".join(f"{name.capitalize()} {n}" for name, n in counts.items())
    numbers = {f"n_{name.lower()}": float(n) for name, n in counts.items()}
    if few:
        sentence = f"Trades by regime: {text}; too few to judge in {', '.join(few)}."
        return CheckRow("REGIMES", "Every regime seen", RuleStatus.WARN, sentence, numbers)
    sentence = f"Trades by regime: {text}."
    return CheckRow("REGIMES", "Every regime seen", RuleStatus.PASS, sentence, numbers)


def in_sentence(title: str) -> str:
    """Write the title of a check inside a sentence.

    Examples
    --------
    >>> in_sentence("Enough trades"), in_sentence("Sharpe ratio against shuffled bars")
    ('enough trades', 'Sharpe ratio against shuffled bars')
    """
    return title if title.startswith(NAMES) else title[:1].lower() + title[1:]


def verdict(rows: Sequence[CheckRow]) -> tuple[RuleStatus, str]:
    """Sum the rows up in one status and one sentence; a row that says nothing does not count."""
    failed = [in_sentence(row.title) for row in rows if row.status is RuleStatus.FAIL]
    warned = [in_sentence(row.title) for row in rows if row.status is RuleStatus.WARN]
    if failed:
        names = ", ".join(failed)
        return RuleStatus.FAIL, f"Not believable yet: {len(failed)} of {len(rows)} fail ({names})."
    if warned:
        names = ", ".join(warned)
        return RuleStatus.WARN, f"Believable with reservations: look at {names}."
    n_judged = sum(row.status is not RuleStatus.NOT_APPLICABLE for row in rows)
    return RuleStatus.PASS, f"Holds up: all {n_judged} checks pass. The future may still differ."
