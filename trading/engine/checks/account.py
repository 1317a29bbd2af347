"""The honesty panel of a portfolio: the checks of a run that make sense for a shared account.

INPUT    a finished portfolio run, what it was made from, a seeded generator
OUTPUT   rows with PASS / WARN / FAIL, numbers and a sentence, and one verdict
LOOKBACK the whole run
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from marketdata.types import FloatArray
from trading.engine.allocation import Allocation
from trading.engine.checks import account_leaks as leaks
from trading.engine.checks import account_stability as stability
from trading.engine.checks import chance, charges, panel, shuffles
from trading.engine.checks.account_reruns import Progress
from trading.engine.checks.chance import Trials
from trading.engine.checks.panel import Honesty
from trading.engine.checks.row import CheckRow
from trading.engine.portfolio_backtest import PortfolioRun, run_portfolio
from trading.engine.portfolio_nulls import instrument_rates, random_accounts
from trading.engine.shared_account import Leg
from trading.engine.types import OrderSide

FACTORS = (0.0, 1.0, 2.0, 3.0)
# The checks that run the account again, in order, and the share of the time each is done by.
STAGES = {
    "Shuffled bars": 0.35,
    "Costs": 0.55,
    "Neighboring parameters": 0.85,
    "No look-ahead": 0.92,
    "Shuffled future": 0.98,
    "Warm-up": 1.0,
}
Report = Callable[[float, str], None]


def portfolio_honesty(
    run: PortfolioRun,
    legs: Sequence[Leg],
    allocation: Allocation,
    rng: np.random.Generator,
    *,
    n_draws: int = 200,
    trials: Trials | None = None,
    progress: Report | None = None,
) -> Honesty:
    """Examine a finished portfolio run.

    Parameters
    ----------
    run : PortfolioRun
        Any result of `run_portfolio`.
    legs : sequence of Leg
        What it was made from.
    allocation : Allocation
        With which rule.
    rng : numpy.random.Generator
        Seeded by the caller.
    n_draws : int
        Random-entry accounts to compare with.
    trials : Trials or None
        What was tried before; None for nothing but this run.
    progress : callable or None
        Told the share of the reruns that is done, in [0, 1], and the name of the check that is
        running; may raise to stop.

    Returns
    -------
    Honesty
        Rows in a fixed order: enough trades, random entries and shuffled bars (win rate and Sharpe
        each), buy-and-hold, deflated Sharpe, overfitting, cost break-even, costs, best trades
        removed,
        neighboring parameters, look-ahead, shuffled future, warm-up, regimes: those of a single
        instrument.

    Notes
    -----
    Runs the account again some seventy times: `account_reruns` bounds what the shuffles and the
    neighbors (at most 40) may take; the costs take three whole runs, a cut history and a shuffled
    future at most one each.
    """
    account = run.account
    has_longs_only = all(trip.side is OrderSide.BUY for trip in account.round_trips)
    nulls = None
    if account.round_trips and has_longs_only:
        nulls = random_accounts(run, legs, rng, n_draws=n_draws, gross_cap=allocation.gross_cap)
    told = progress or _ignore
    shuffled = shuffles.shuffled_account(run, legs, allocation, rng, _stage(told, "Shuffled bars"))
    benchmark = hold_equally(run, legs)
    curve = _cost_curve(run, legs, allocation, _stage(told, "Costs"))
    rows = (
        panel.enough_trades(account),
        chance.null_win_rate(account, nulls),
        chance.null_sharpe(account, nulls),
        *shuffled.rows,
        panel.against_benchmark(account, benchmark),
        chance.deflated_sharpe(account, trials or Trials()),
        chance.overfitting(trials or Trials()),
        charges.break_even(account, curve),
        charges.costs_included(account),
        panel.without_best(account),
        *_rerun_rows(run, legs, allocation, rng, told),
        panel.regimes(account),
    )
    status, words = panel.verdict(rows)
    return Honesty(status, words, rows, nulls, benchmark, curve, shuffled)


def _rerun_rows(
    run: PortfolioRun,
    legs: Sequence[Leg],
    allocation: Allocation,
    rng: np.random.Generator,
    told: Report,
) -> tuple[CheckRow, ...]:
    return (
        stability.neighborhood(run, legs, allocation, _stage(told, "Neighboring parameters")),
        leaks.look_ahead(run, legs, allocation, rng, _stage(told, "No look-ahead")),
        leaks.shuffled_future(run, legs, allocation, rng, _stage(told, "Shuffled future")),
        leaks.warm_up(run, legs, _stage(told, "Warm-up")),
    )


def _ignore(share: float, words: str) -> None:
    """Tell nobody."""


def _stage(told: Report, words: str) -> Progress:
    """Return what tells of one check's share as a share of all."""
    ends = [0.0, *STAGES.values()]
    k = list(STAGES).index(words)
    return lambda share: told(ends[k] + share * (ends[k + 1] - ends[k]), words)


def hold_equally(run: PortfolioRun, legs: Sequence[Leg]) -> FloatArray:
    """Compute the equity of giving each instrument the same cash and buying on its second bar.

    Returns
    -------
    float64, shape (n_ticks,)
        Currency; purchases pay each instrument's costs, nothing is ever sold or rebalanced.
    """
    account = run.account
    cash = account.config.cash / len(legs)
    total = np.zeros(account.equity.shape[0])
    rows = {row.symbol: row for row in run.instruments}
    for leg in legs:
        bars = leg.bars
        rates, worse = instrument_rates(rows[bars.symbol], run, legs)
        price = float(bars.exec_prices[1]) * (1.0 + worse) * (1.0 + float(rates[0]))
        value = cash / price * bars.close
        value[0] = cash
        ticks = np.searchsorted(bars.closed_at, account.closed_at, "right") - 1
        total += np.where(ticks >= 0, value[np.maximum(ticks, 0)], cash)
    return total


def _cost_curve(
    run: PortfolioRun, legs: Sequence[Leg], allocation: Allocation, tell: Progress
) -> tuple[charges.CostPoint, ...]:
    account = run.account
    own = account.config.costs
    if not account.fills or all((leg.costs or own).is_free for leg in legs):
        return ()
    points = []
    for k, factor in enumerate(FACTORS):
        tell(k / len(FACTORS))
        again = account
        if factor != 1.0:
            config = charges.scaled_config(account.config, factor)
            scaled = [
                replace(leg, costs=leg.costs.scaled(factor) if leg.costs else None) for leg in legs
            ]
            again = run_portfolio(scaled, config, allocation).account
        points.append(charges.point_of(again, factor))
    return tuple(points)
