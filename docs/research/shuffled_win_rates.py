"""Measure the win rate beside random entries and beside the same rule on shuffled bars.

    PYTHONPATH=. .venv/bin/python docs/research/shuffled_win_rates.py DIR [--runs 400]

DIR holds the development data, as for `watched_levels.py`. First every strategy that ships, with
its defaults and the costs of the instrument's class; then the same by regime, all instruments
together, on the bars as they are and shuffled. Then rules with exits of their own on random
walks, without drift and with 0.05 % a day: nothing is there to be found, so whatever share of them
falls below p = 0.05 beyond a twentieth is the comparison's error. Thirty shuffles give a p below
0.05 only where none of them did as well, which luck does once in 31.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from resting_protection import walk
from watched_levels import FEWEST, STRATEGY_KEYS, instruments

from marketdata.types import Bars, FloatArray
from trading.engine.backtest import BacktestConfig, BacktestRun, run
from trading.engine.checks.shuffles import WINDOW_BARS, shuffled_bars
from trading.engine.nulls import exceedance, permuted_bars, random_entries
from trading.engine.types import Regime
from trading.services.backtests.judgement import null_win_rates

# Rules without stops and targets: they leave by themselves.
OWN_EXITS = ("sma_cross", "rsi2_reversion", "donchian_breakout")
DRIFT = 0.0005
N_DRAWS = 100
HEAD = """\
| run | trades | win rate | random entries | p | shuffled bars | p |
|---|---|---|---|---|---|---|"""
N_REGIME_SHUFFLES = 10
REGIME_HEAD = """\
| rule and regime | trades | win rate | random entries | points more | shuffled: trades | win rate \
| random entries | points more |
|---|---|---|---|---|---|---|---|---|"""
LUCK_HEAD = """\
| rule | win rate | random entries | p < 0.05 | p > 0.95 | Sharpe, p < 0.05 | shuffled bars \
| p < 0.05 | p > 0.95 | Sharpe, p < 0.05 |
|---|---|---|---|---|---|---|---|---|---|"""


class Null(NamedTuple):
    """Median win rate of a null, and the share of it that does as well: win rate, Sharpe ratio."""

    win_rate: float
    p: float
    p_sharpe: float


def nulls_of(found: BacktestRun, bars: Bars, seed: int) -> tuple[Null, Null]:
    """Return random entries, then shuffled bars."""
    rate, sharpe = found.metrics["win_rate"], found.metrics["sharpe_ratio"]
    drawn = random_entries(found, bars, np.random.default_rng(seed), n_draws=N_DRAWS)
    rows = shuffled_bars(found, bars, np.random.default_rng(seed)).rows
    by_rate, by_sharpe = (row.numbers for row in rows)
    random = exceedance(rate, drawn.win_rates), exceedance(sharpe, drawn.sharpe_ratios)
    return (
        Null(float(np.median(drawn.win_rates)), *random),
        Null(by_rate["null_median"], by_rate["p"], by_sharpe["p"]),
    )


def real(data: Path) -> None:
    """Print a row for every strategy on every instrument it trades."""
    print(HEAD)
    series = list(instruments(data))
    for key in STRATEGY_KEYS:
        for bars, config in series:
            found = run(bars, key, {}, config)
            n_trades = len(found.round_trips)
            if n_trades < FEWEST:
                print(f"| {bars.symbol} {key} | {n_trades} | | | | | |")
                continue
            random, shuffled = nulls_of(found, bars, 1)
            print(
                f"| {bars.symbol} {key} | {n_trades} | {found.metrics['win_rate']:.1%} "
                f"| {random.win_rate:.1%} | {random.p:.3f} "
                f"| {shuffled.win_rate:.1%} | {shuffled.p:.3f} |"
            )


def by_regime(data: Path) -> None:
    """Print, all instruments pooled, how much more often a rule wins than random entries do.

    In each regime, on the bars as they are and on shuffled ones, random entries drawn on the same.
    """
    print(REGIME_HEAD)
    series = list(instruments(data))
    for key in STRATEGY_KEYS:
        real = {regime: np.zeros(3) for regime in Regime}
        shuffled = {regime: np.zeros(3) for regime in Regime}
        for bars, config in series:
            _count(real, bars, key, config)
            rng = np.random.default_rng(1)
            for _ in range(N_REGIME_SHUFFLES):
                _count(shuffled, permuted_bars(bars, rng, window=WINDOW_BARS), key, config)
        for regime in Regime:
            print(
                f"| `{key}` {regime.capitalize()} {cells(real[regime])} {cells(shuffled[regime])} |"
            )


def _count(
    totals: Mapping[Regime, FloatArray], bars: Bars, key: str, config: BacktestConfig
) -> None:
    """Add the trades of a run, those that won, and those that random entries would have won."""
    found = run(bars, key, {}, config)
    chances = null_win_rates(bars, found)
    for regime, total in totals.items():
        n, n_wins = found.by_regime[regime]["n"], found.by_regime[regime]["n_wins"]
        total += n, n_wins, n * (chances[regime] or 0.0)


def cells(total: FloatArray) -> str:
    """Write trades, win rate with its standard error, random entries and the difference."""
    n, n_wins, expected = total
    rate, chance = n_wins / n, expected / n
    error = float(np.sqrt(rate * (1.0 - rate) / n))
    return f"| {n:.0f} | {rate:.1%} ± {error:.1%} | {chance:.1%} | {100 * (rate - chance):+.1f}"


def rising(bars: Bars) -> Bars:
    """Return the bars with a drift."""
    factor = np.exp(DRIFT * np.arange(len(bars)))
    moved = {name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
    return replace(bars, **moved)


def luck(key: str, n_runs: int, *, rises: bool) -> None:
    """Print how often a rule on a walk is taken for skill, and for the want of it."""
    seen = []
    for seed in range(n_runs):
        bars = rising(walk(seed)) if rises else walk(seed)
        found = run(bars, key, {}, BacktestConfig())
        if len(found.round_trips) >= FEWEST:
            seen.append((found.metrics["win_rate"], *nulls_of(found, bars, seed)))
    rates, random, shuffled = zip(*seen, strict=True)
    told = " ".join(map(words, (random, shuffled)))
    name = f"{key}, rising" if rises else key
    print(f"| {name} ({len(seen)}) | {np.mean(rates):.1%} {told} |")


def words(found: Sequence[Null]) -> str:
    """Return the cells of one null over all walks."""
    win_rates, p, p_sharpe = np.array(found).T
    return (
        f"| {win_rates.mean():.1%} | {np.mean(p < 0.05):.1%} | {np.mean(p > 0.95):.1%} "
        f"| {np.mean(p_sharpe < 0.05):.1%}"
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=int, default=400)
    arguments = parser.parse_args()
    real(arguments.data)
    by_regime(arguments.data)
    print(LUCK_HEAD)
    for key in OWN_EXITS:
        for rises in (False, True):
            luck(key, arguments.runs, rises=rises)


if __name__ == "__main__":
    main()
