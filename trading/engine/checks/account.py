"""The honesty panel of a portfolio: the checks of a run that make sense for a shared account.

INPUT    a finished portfolio run, what it was made from, a seeded generator
OUTPUT   rows with PASS / WARN / FAIL, numbers and a sentence, and one verdict
LOOKBACK the whole run
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from marketdata.types import Bars, FloatArray
from trading.engine.allocation import Allocation
from trading.engine.checks import chance, charges, panel
from trading.engine.checks.chance import Trials
from trading.engine.checks.panel import Honesty
from trading.engine.checks.row import CheckRow, by_p, no_trade, not_applicable
from trading.engine.checks.stability import N_SHUFFLES, WINDOW_BARS
from trading.engine.nulls import exceedance
from trading.engine.portfolio_backtest import PortfolioRun, run_portfolio
from trading.engine.portfolio_nulls import instrument_rates, permuted_legs, random_accounts
from trading.engine.shared_account import Leg
from trading.engine.types import OrderSide, RuleStatus

FACTORS = (0.0, 1.0, 2.0, 3.0)
# Bars of single instruments all shuffles of a short run may take together.
STEPPED_BARS = 60_000
FEWEST_BARS = 120
N_CUTS = 2
Progress = Callable[[float], None]


def portfolio_honesty(
    run: PortfolioRun,
    legs: Sequence[Leg],
    allocation: Allocation,
    rng: np.random.Generator,
    *,
    n_draws: int = 200,
    trials: Trials | None = None,
    progress: Progress | None = None,
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
        Told the share of the reruns that is done, in [0, 1]; may raise to stop.

    Returns
    -------
    Honesty
        Rows in a fixed order: enough trades, random entries (win rate, Sharpe), shuffled bars,
        buy-and-hold, deflated Sharpe, overfitting, cost break-even, costs, best trades removed,
        look-ahead, regimes.
    """
    account = run.account
    has_longs_only = all(trip.side is OrderSide.BUY for trip in account.round_trips)
    nulls = None
    if account.round_trips and has_longs_only:
        nulls = random_accounts(run, legs, rng, n_draws=n_draws, gross_cap=allocation.gross_cap)
    tell = progress or _ignore
    shuffled_row, shuffled = _shuffled_bars(run, legs, allocation, rng, tell)
    benchmark = hold_equally(run, legs)
    curve = _cost_curve(run, legs, allocation)
    rows = (
        panel.enough_trades(account),
        chance.null_win_rate(account, nulls),
        chance.null_sharpe(account, nulls),
        shuffled_row,
        panel.against_benchmark(account, benchmark),
        chance.deflated_sharpe(account, trials or Trials()),
        chance.overfitting(trials or Trials()),
        charges.break_even(account, curve),
        charges.costs_included(account),
        panel.without_best(account),
        _look_ahead(run, legs, allocation, rng),
        panel.regimes(account),
    )
    status, words = panel.verdict(rows)
    return Honesty(status, words, rows, nulls, benchmark, curve, shuffled)


def _ignore(share: float) -> None:
    """Tell nobody."""


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


def _shuffled_bars(
    run: PortfolioRun,
    legs: Sequence[Leg],
    allocation: Allocation,
    rng: np.random.Generator,
    tell: Progress,
) -> tuple[CheckRow, FloatArray]:
    """Compare with the same account on prices whose days are shuffled within 63-tick windows."""
    key, title = "NULL_BARS", "Sharpe ratio against shuffled bars"
    account = run.account
    if not account.round_trips:
        return no_trade(key, title), np.empty(0)
    known = _latest(run, legs)
    span = f" on the last {_n_ticks(known):,} bars" if known is not legs else ""
    config = replace(account.config, progress=None)
    ours = run_portfolio(known, config, allocation).account.metrics["sharpe_ratio"]
    if not math.isfinite(ours):
        return not_applicable(key, title, f"No Sharpe ratio{span} to compare."), np.empty(0)
    found = np.empty(N_SHUFFLES)
    for k in range(N_SHUFFLES):
        tell(k / N_SHUFFLES)
        again = run_portfolio(permuted_legs(known, rng, window=WINDOW_BARS), config, allocation)
        found[k] = again.account.metrics["sharpe_ratio"]
    # A shuffle in which nothing was traded earned nothing.
    draws = np.where(np.isfinite(found), found, 0.0)
    p, median = exceedance(ours, draws), float(np.median(draws))
    sentence = (
        f"Sharpe {ours:.2f}{span}; on {N_SHUFFLES} shuffles of the days within {WINDOW_BARS}-bar "
        f"windows, the same for all instruments, the rule reaches {median:.2f} in the middle "
        f"(p = {p:.3f})."
    )
    numbers = {"sharpe_ratio": ours, "null_median": median, "p": p, "n": float(N_SHUFFLES)}
    return CheckRow(key, title, by_p(p), sentence, numbers), draws


def _latest(run: PortfolioRun, legs: Sequence[Leg]) -> Sequence[Leg]:
    """Keep the last bars, so that all shuffles together step about as often as half the run."""
    n_steps = sum(len(leg.bars) for leg in legs)
    warm_up = run.account.spec.warm_up(run.account.params)
    budget = max(STEPPED_BARS, n_steps // 2)
    n_bars = max(budget // (N_SHUFFLES * len(legs)), 2 * warm_up, FEWEST_BARS)
    if n_bars >= max(len(leg.bars) for leg in legs):
        return legs
    clock = run.account.closed_at
    moment = int(clock[max(clock.shape[0] - n_bars, 0)])
    kept = []
    for leg in legs:
        first = int(np.searchsorted(leg.bars.closed_at, moment, "left"))
        part = leg.bars.slice(min(first, len(leg.bars) - 1), len(leg.bars))
        if len(part) > warm_up and len(part) > 1:
            kept.append(replace(leg, bars=part))
    return kept or legs


def _n_ticks(legs: Sequence[Leg]) -> int:
    return int(np.unique(np.concatenate([leg.bars.closed_at for leg in legs])).shape[0])


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
