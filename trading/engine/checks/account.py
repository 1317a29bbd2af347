"""The honesty panel of a portfolio: the checks of a run that make sense for a shared account.

INPUT    a finished portfolio run, what it was made from, a seeded generator
OUTPUT   rows with PASS / WARN / FAIL, numbers and a sentence, and one verdict
LOOKBACK the whole run
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from marketdata.types import Bars, FloatArray
from trading.engine.allocation import Allocation
from trading.engine.checks import chance, charges, panel
from trading.engine.checks.chance import Trials
from trading.engine.checks.panel import Honesty
from trading.engine.checks.row import CheckRow, no_trade, not_applicable
from trading.engine.nulls import charged_rates
from trading.engine.portfolio_backtest import PortfolioRun, run_portfolio
from trading.engine.shared_account import Leg
from trading.engine.types import RuleStatus

FACTORS = (0.0, 1.0, 2.0, 3.0)
N_CUTS = 2


def portfolio_honesty(
    run: PortfolioRun,
    legs: Sequence[Leg],
    allocation: Allocation,
    rng: np.random.Generator,
    *,
    null_win_rate: float | None = None,
    trials: Trials | None = None,
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
    null_win_rate : float or None
        Expected win rate of random entries with the same instruments, regimes and lengths.
    trials : Trials or None
        What was tried before; None for nothing but this run.

    Returns
    -------
    Honesty
        Rows in a fixed order; random-entry paths and shuffled bars are not drawn for portfolios.
    """
    account = run.account
    benchmark = hold_equally(run, legs)
    curve = _cost_curve(run, legs, allocation)
    rows = (
        panel.enough_trades(account),
        _win_rate(run, null_win_rate),
        panel.against_benchmark(account, benchmark),
        chance.deflated_sharpe(account, trials or Trials()),
        charges.break_even(account, curve),
        charges.costs_included(account),
        panel.without_best(account),
        _look_ahead(run, legs, allocation, rng),
        panel.regimes(account),
    )
    status, words = panel.verdict(rows)
    return Honesty(status, words, rows, None, benchmark, curve)


def hold_equally(run: PortfolioRun, legs: Sequence[Leg]) -> FloatArray:
    """Compute the equity of giving each instrument the same cash and buying on its second bar.

    Returns
    -------
    float64, shape (n_ticks,)
        Currency; purchases pay the run's costs, nothing is ever sold or rebalanced.
    """
    account = run.account
    rates, worse = charged_rates(account, np.array([-1]))
    cash = account.config.cash / len(legs)
    total = np.zeros(account.equity.shape[0])
    for leg in legs:
        bars = leg.bars
        price = float(bars.exec_prices[1]) * (1.0 + worse) * (1.0 + float(rates[0]))
        value = cash / price * bars.close
        value[0] = cash
        ticks = np.searchsorted(bars.closed_at, account.closed_at, "right") - 1
        total += np.where(ticks >= 0, value[np.maximum(ticks, 0)], cash)
    return total


def _win_rate(run: PortfolioRun, expected: float | None) -> CheckRow:
    key, title = "NULL_WIN_RATE", "Win rate against random entries"
    figures = run.account.metrics
    if expected is None or not run.account.round_trips:
        return no_trade(key, title)
    ours, low, high = (figures[k] for k in ("win_rate", "win_rate_low", "win_rate_high"))
    sentence = (
        f"{ours:.1%} of {len(run.account.round_trips)} trades won (95 % interval {low:.1%} to "
        f"{high:.1%}); random entries of the same lengths win {expected:.1%}."
    )
    if low > expected:
        status = RuleStatus.PASS
    else:
        status = RuleStatus.WARN if ours > expected else RuleStatus.FAIL
    numbers = {"win_rate": ours, "null_median": expected, "low": low, "high": high}
    return CheckRow(key, title, status, sentence, numbers)


def _cost_curve(
    run: PortfolioRun, legs: Sequence[Leg], allocation: Allocation
) -> tuple[charges.CostPoint, ...]:
    account = run.account
    if not account.fills or account.config.costs.is_free:
        return ()
    points = []
    for factor in FACTORS:
        again = account
        if factor != 1.0:
            config = charges.scaled_config(account.config, factor)
            scaled = [
                replace(leg, costs=leg.costs.scaled(factor) if leg.costs else None) for leg in legs
            ]
            again = run_portfolio(scaled, config, allocation).account
        points.append(charges.point_of(again, factor))
    return tuple(points)


def _look_ahead(
    run: PortfolioRun, legs: Sequence[Leg], allocation: Allocation, rng: np.random.Generator
) -> CheckRow:
    key, title = "LOOK_AHEAD", "No look-ahead"
    account = run.account
    clock = account.closed_at
    cuts = [int(cut) for cut in rng.integers(clock.shape[0] // 2, clock.shape[0], size=N_CUTS)]
    changed, n_judged = [], 0
    for cut in cuts:
        known = [replace(leg, bars=_before(leg, int(clock[cut]))) for leg in legs]
        if any(len(leg.bars) < 2 or _is_short(run, leg) for leg in known):
            continue
        n_judged += 1
        config = replace(account.config, progress=None)
        part = run_portfolio(known, config, allocation).account
        n = min(cut, part.equity.shape[0])
        if not np.allclose(part.equity[:n], account.equity[:n], rtol=1e-9, atol=0.0):
            changed.append(cut)
    if not n_judged:
        return not_applicable(key, title, "Too little history is shared to cut it.")
    numbers = {"n_cuts": float(n_judged), "n_changed": float(len(changed))}
    if changed:
        sentence = f"With history cut at {changed[0]} of the clock what was earned before changes."
        return CheckRow(key, title, RuleStatus.FAIL, sentence, numbers)
    sentence = f"Cutting all histories at {n_judged} random moments changes nothing before them."
    return CheckRow(key, title, RuleStatus.PASS, sentence, numbers)


def _before(leg: Leg, moment: int) -> Bars:
    stop = int(np.searchsorted(leg.bars.closed_at, moment, "left"))
    return leg.bars.slice(0, stop) if stop else leg.bars.slice(0, 1)


def _is_short(run: PortfolioRun, leg: Leg) -> bool:
    return len(leg.bars) <= run.account.spec.warm_up(run.account.params)
