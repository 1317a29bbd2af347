"""Measure the null model of runs whose stops and targets rest: real indices, and luck itself.

    PYTHONPATH=. .venv/bin/python docs/research/resting_protection.py [--draws 1000] [--runs 400]

First the two embedded indices under both adaptive strategies, with their defaults and the costs of
an index, against random entries. Then rules that *are* luck: they enter and leave by a coin on
random walks, with stop, target or both resting. Whatever share of them falls below p = 0.05 is the
null model's error, because nothing is there to be found.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from marketdata.providers.embedded import EmbeddedProvider
from marketdata.types import Bars
from trading.engine import rules
from trading.engine.backtest import BacktestConfig, BacktestRun, run
from trading.engine.market import DAY_NS
from trading.engine.nulls import NullDraws, exceedance, random_entries
from trading.engine.portfolio_backtest import run_portfolio
from trading.engine.portfolio_nulls import random_accounts
from trading.engine.regimes import regimes_of
from trading.engine.shared_account import Leg
from trading.engine.state import StrategyState
from trading.engine.strategies.base import Features, Narrative, Params, Proposal, StrategySpec
from trading.engine.strategies.tables import propose
from trading.engine.types import AssetClass

STRATEGIES = ("volatility_adaptive_trend", "hybrid")
CONFIG = BacktestConfig(cost_preset=AssetClass.INDEX)
# Distances of stop and target as shares of the price; None for none.
COINS = {"stop 3 %": (0.03, None), "target 3 %": (None, 0.03), "stop and target": (0.03, 0.05)}
# Chances of a bar to enter when flat and to leave when long.
ENTERS, LEAVES = 0.1, 0.05
RUN_HEAD = """\
| run | trades | win rate | null | p | Sharpe | null | p |
|---|---|---|---|---|---|---|---|"""
LUCK_HEAD = """\
| rule | win rate | null | win rate, p < 0.05 | mean p | Sharpe, p < 0.05 | mean p |
|---|---|---|---|---|---|---|"""


def indices() -> Iterator[Bars]:
    """Read the two series that the package arch carries."""
    for offer in EmbeddedProvider().offers():
        if offer.spec.symbol in ("SPX", "NASDAQ"):
            raw = offer.load(lambda done, of: None)
            columns = (raw.open, raw.high, raw.low, raw.close, raw.volume)
            yield Bars(offer.spec.symbol, "1d", raw.stamps * 10**9, *columns)


def judged(title: str, found: BacktestRun, nulls: NullDraws) -> str:
    """Return a Markdown row: our figures beside those of the draws."""
    rate, sharpe = found.metrics["win_rate"], found.metrics["sharpe_ratio"]
    return (
        f"| {title} | {len(found.round_trips)} | {rate:.1%} | {np.median(nulls.win_rates):.1%} "
        f"| {exceedance(rate, nulls.win_rates):.3f} | {sharpe:.2f} "
        f"| {np.median(nulls.sharpe_ratios):.2f} | {exceedance(sharpe, nulls.sharpe_ratios):.3f} |"
    )


def compared(title: str, found: BacktestRun, bars: Bars, n_draws: int) -> str:
    """Return the row of a run on one series."""
    nulls = random_entries(found, bars, np.random.default_rng(1), n_draws=n_draws)
    return judged(title, found, nulls)


def real(n_draws: int) -> None:
    """Print the rows of the indices, one by one and as an account."""
    print(RUN_HEAD)
    series = list(indices())
    for key in STRATEGIES:
        params = {"protection": "resting"}
        for bars in series:
            found = run(bars, key, params, CONFIG)
            print(compared(f"{bars.symbol} {key}", found, bars, n_draws))
        legs = [Leg(bars, key, params) for bars in series]
        account = run_portfolio(legs, CONFIG)
        nulls = random_accounts(account, legs, np.random.default_rng(1), n_draws=n_draws)
        print(judged(f"both {key}", account.account, nulls))


def coin(
    stop: float | None, target: float | None, seed: int, *, rests: bool = True
) -> StrategySpec:
    """Return a rule that enters and leaves by chance; stop and target rest, or are watched."""

    def prepare(bars: Bars, params: Params) -> Features:
        rng = np.random.default_rng((seed, 1))
        n_bars = len(bars)
        rows = np.full((rules.N_COLUMNS, n_bars), np.nan).T
        enters, leaves = rng.random(n_bars) < ENTERS, rng.random(n_bars) < LEAVES
        rows[:, rules.SIGNALS] = rules.ENTER_DIP * enters + rules.LEAVE_DIP * leaves
        rows[:, rules.TREND_WEIGHT] = rows[:, rules.DIP_WEIGHT] = 0.5
        rows[:, rules.HOLDING_LIMIT] = rows[:, rules.COST_RATE] = 0.0
        for column, share in ((rules.STOP_DISTANCE, stop), (rules.TARGET_DISTANCE, target)):
            if share is not None:
                rows[:, column] = share * bars.close
        table = rules.RuleTable(rows, rests_protection=rests)
        return Features(bars, params, regimes_of(bars), 0, {}, table)

    return coin_spec(prepare, propose)


def coin_spec(
    prepare: Callable[[Bars, Params], Features],
    decide: Callable[[Features, int, StrategyState], Proposal],
) -> StrategySpec:
    """Return a strategy without parameters, warm-up or words."""
    return StrategySpec(
        key="coin", name="Coin", summary="", when_it_fails="", parameters=(),
        warm_up=lambda params: 0, prepare=prepare, decide=decide,
        narrate=lambda *seen: Narrative("", ""),
    )  # fmt: skip


def walk(seed: int, n_bars: int = 1_000) -> Bars:
    """Return a random walk of 1.5 % a day whose bars are made of eight moves each."""
    rng = np.random.default_rng((seed, 2))
    steps = rng.standard_normal((n_bars, 8)) * 0.015 / np.sqrt(8.0)
    inside = 100.0 * np.exp(np.cumsum(steps.ravel()) - 0.5 * 0.015**2 / 8.0 * np.arange(n_bars * 8))
    inside = inside.reshape(n_bars, 8)
    opened = np.concatenate(([100.0], inside[:-1, -1]))
    path = np.column_stack((opened, inside))
    closed_at = np.arange(n_bars, dtype=np.int64) * DAY_NS
    extremes = path.max(axis=1), path.min(axis=1)
    return Bars("WALK", "1d", closed_at, opened, *extremes, inside[:, -1], np.ones(n_bars))


def luck(title: str, rule: Callable[[int], StrategySpec], n_runs: int) -> None:
    """Print how often a rule that is luck is taken for skill."""
    seen = []
    for seed in range(n_runs):
        bars = walk(seed)
        found = run(bars, rule(seed), {}, BacktestConfig())
        nulls = random_entries(found, bars, np.random.default_rng(seed), n_draws=100)
        rate, sharpe = found.metrics["win_rate"], found.metrics["sharpe_ratio"]
        by_rate = exceedance(rate, nulls.win_rates)
        by_sharpe = exceedance(sharpe, nulls.sharpe_ratios)
        seen.append((rate, np.median(nulls.win_rates), by_rate, by_sharpe))
    rates, medians, by_rate, by_sharpe = np.array(seen).T
    print(
        f"| {title} | {rates.mean():.1%} | {medians.mean():.1%} | {np.mean(by_rate < 0.05):.1%}"
        f" | {by_rate.mean():.3f} | {np.mean(by_sharpe < 0.05):.1%} | {by_sharpe.mean():.3f} |"
    )


def coins(way: str, n_runs: int, *, rests: bool) -> None:
    """Print a row for a stop, a target and both, which rest or are watched."""
    for name, (stop, target) in COINS.items():
        luck(f"{name} {way}", partial(coin, stop, target, rests=rests), n_runs)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=400)
    arguments = parser.parse_args()
    real(arguments.draws)
    print(LUCK_HEAD)
    coins("rests", arguments.runs, rests=True)


if __name__ == "__main__":
    main()
