"""What luck explains: random entries, the number of trials, how the parameters were chosen.

INPUT    a finished run, draws of the null model, what is known of earlier trials
OUTPUT   rows: win rate and Sharpe ratio against random entries, deflated Sharpe, overfitting
LOOKBACK the whole run
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trading.engine import metrics
from trading.engine.backtest import BacktestRun
from trading.engine.checks.row import CheckRow, by_p, no_trade, not_applicable
from trading.engine.counts import counted
from trading.engine.errors import EngineError
from trading.engine.luck import deflated_sharpe_ratio
from trading.engine.nulls import NullDraws, exceedance
from trading.engine.random_trades import LeaveBy
from trading.engine.types import OrderSide, RuleStatus

DSR_GOOD = 0.95
DSR_WEAK = 0.80
PBO_GOOD = 0.20
PBO_WEAK = 0.50
# What random entries are like, by what ends them.
ALIKE = {
    LeaveBy.LENGTHS: "of the same lengths",
    LeaveBy.RESTING: "with the same resting stops and targets",
    LeaveBy.WATCHED: "that leave by the same stops and targets, watched at the close,",
    LeaveBy.UNKNOWN: (
        "of the same lengths (which stops and targets this rule watches is not known)"
    ),
    LeaveBy.MIXED: (
        "that leave as the trades of their instrument do, by the same stops and targets or after "
        "the same lengths,"
    ),
}


@dataclass(frozen=True, slots=True)
class Trials:
    """What was tried before this run.

    Attributes
    ----------
    n_trials : int
        Trials of this strategy on this instrument ever made, this one included, >= 1.
    sharpe_std : float
        Standard deviation of their Sharpe ratios, per bar, >= 0.
    overfitting : float or None
        Probability of backtest overfitting of the study the parameters come from; None without one.
    """

    n_trials: int = 1
    sharpe_std: float = 0.0
    overfitting: float | None = None


def null_win_rate(run: BacktestRun, nulls: NullDraws | None) -> CheckRow:
    """Set the win rate beside that of random entries; the row gives the figures and does not count.

    Random entries leave by levels and after the lengths of the trades, not by the exits of the
    rule, and one that sells once the price has recovered wins more often for that alone. The win
    rate on shuffled bars is the judge (`shuffles`).
    """
    key, title = "NULL_WIN_RATE", "Win rate against random entries"
    if nulls is None:
        return _no_draws(run, key, title)
    ours = run.metrics["win_rate"]
    median = float(np.median(nulls.win_rates))
    p = exceedance(ours, nulls.win_rates)
    low, high = run.metrics["win_rate_low"], run.metrics["win_rate_high"]
    trades = counted(len(run.round_trips), "trade")
    sentence = (
        f"{ours:.1%} of {trades} won (95 % interval {low:.1%} to {high:.1%}); "
        f"random entries {ALIKE[nulls.leave_by]} win {median:.1%} (p = {p:.3f}). "
        "They do not play the rule's own exits; the line on shuffled bars does, and counts."
    )
    numbers = {"win_rate": ours, "null_median": median, "p": p, "low": low, "high": high}
    return CheckRow(key, title, RuleStatus.NOT_APPLICABLE, sentence, numbers)


def null_sharpe(run: BacktestRun, nulls: NullDraws | None) -> CheckRow:
    """Judge the Sharpe ratio by that of random entries of the same lengths or levels."""
    key, title = "NULL_SHARPE", "Sharpe ratio against random entries"
    if nulls is None:
        return _no_draws(run, key, title)
    ours = run.metrics["sharpe_ratio"]
    if not math.isfinite(ours):
        return not_applicable(key, title, "The equity never moved: there is no Sharpe ratio.")
    # Draws in which nothing moved earned nothing.
    draws = np.nan_to_num(nulls.sharpe_ratios, nan=0.0)
    median, top = (float(q) for q in np.quantile(draws, (0.5, 0.95)))
    p = exceedance(ours, draws)
    sentence = (
        f"Sharpe {ours:.2f}; random entries {ALIKE[nulls.leave_by]} reach {median:.2f} in the "
        f"middle and {top:.2f} in one of twenty (p = {p:.3f})."
    )
    numbers = {"sharpe_ratio": ours, "null_median": median, "null_95": top, "p": p}
    return CheckRow(key, title, by_p(p), sentence, numbers)


def _no_draws(run: BacktestRun, key: str, title: str) -> CheckRow:
    """Say why there is nothing to compare with."""
    if not run.round_trips:
        return no_trade(key, title)
    n_short = sum(trip.side is OrderSide.SELL for trip in run.round_trips)
    why = (
        f"{n_short} of {len(run.round_trips)} trades are short; accounts of random entries are "
        "drawn for long trades only."
    )
    return not_applicable(key, title, why)


def deflated_sharpe(run: BacktestRun, trials: Trials) -> CheckRow:
    """Judge the Sharpe ratio by the best that as many worthless trials would have reached."""
    key, title = "DEFLATED_SHARPE", "Deflated Sharpe ratio"
    if not run.round_trips:
        return no_trade(key, title)
    returns = metrics.simple_returns(run.equity, start=run.config.cash)
    try:
        value = deflated_sharpe_ratio(returns, trials.n_trials, trials.sharpe_std)
    except EngineError as error:
        return not_applicable(key, title, f"Not defined: {error}.")
    plural = "s" if trials.n_trials != 1 else ""
    sentence = (
        f"Probability {value:.1%} that the Sharpe ratio is more than luck, counting "
        f"{trials.n_trials:,} trial{plural} of this strategy on this instrument."
    )
    numbers = {"deflated_sharpe_ratio": value, "n_trials": float(trials.n_trials)}
    if value >= DSR_GOOD:
        status = RuleStatus.PASS
    else:
        status = RuleStatus.WARN if value >= DSR_WEAK else RuleStatus.FAIL
    return CheckRow(key, title, status, sentence, numbers)


def overfitting(trials: Trials) -> CheckRow:
    """Show how often the choice of parameters failed out of sample in its study."""
    key, title = "OVERFITTING", "Probability of backtest overfitting"
    value = trials.overfitting
    if value is None:
        why = "Not applicable: the parameters were given, not chosen by a study."
        return not_applicable(key, title, why)
    sentence = (
        f"In {value:.0%} of the splits of its study the best trial fell below the median outside "
        "the part it was chosen on."
    )
    if value <= PBO_GOOD:
        status = RuleStatus.PASS
    else:
        status = RuleStatus.WARN if value <= PBO_WEAK else RuleStatus.FAIL
    return CheckRow(key, title, status, sentence, {"overfitting": value})
