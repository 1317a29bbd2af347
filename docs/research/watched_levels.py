"""Measure the null model of runs whose stops and targets are watched at the close.

    PYTHONPATH=. .venv/bin/python docs/research/watched_levels.py DIR [--draws 1000] [--runs 200]

DIR holds the development data: `manifest.csv` and one CSV.GZ per instrument. First every strategy
that ships, with its defaults and the costs of the instrument's class, against random entries. Then
rules that *are* luck: they enter and leave by a coin on random walks. Whatever share of them falls
below p = 0.05 beyond a twentieth is the null model's error, because nothing is there to be found.
Run at an older revision it measures the null model of then.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from resting_protection import (
    ENTERS,
    LEAVES,
    LUCK_HEAD,
    RUN_HEAD,
    coin_spec,
    coins,
    compared,
    luck,
)

from marketdata.types import Bars
from trading.engine.backtest import BacktestConfig, run
from trading.engine.regimes import regimes_of
from trading.engine.state import StrategyState
from trading.engine.strategies.base import Features, Params, Proposal, StrategySpec
from trading.engine.types import AssetClass
from trading.services.backtests.files import bars_from_file

STRATEGY_KEYS = (
    "sma_cross",
    "rsi2_reversion",
    "donchian_breakout",
    "volatility_adaptive_trend",
    "hybrid",
)
SYMBOLS = ("SPX", "NASDAQ", "SPY", "AAPL", "MSFT", "AMD_C", "EURUSD", "XAUUSD", "BTCUSD")
READ_AT = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)
TARGET = 0.03
# Fewer trades say nothing.
FEWEST = 10


def instruments(data: Path) -> Iterator[tuple[Bars, BacktestConfig]]:
    """Read the instruments, each with the costs of its class."""
    rows = {row["symbol"]: row for row in csv.DictReader((data / "manifest.csv").open())}
    for symbol in SYMBOLS:
        row = rows[symbol]
        bars = bars_from_file(
            path=data / f"{symbol}.csv.gz",
            symbol=symbol,
            timeframe="1d",
            now=READ_AT,
            exec_price=row["exec_price"].upper(),
        )
        preset = AssetClass(row["asset_class"].upper())
        yield bars, BacktestConfig(cost_preset=preset)


def real(data: Path, n_draws: int) -> None:
    """Print a row for every strategy on every instrument it trades."""
    print(RUN_HEAD)
    series = list(instruments(data))
    for key in STRATEGY_KEYS:
        for bars, config in series:
            found = run(bars, key, {}, config)
            if len(found.round_trips) < FEWEST:
                print(f"| {bars.symbol} {key} | {len(found.round_trips)} | | | | | | |")
                continue
            print(compared(f"{bars.symbol} {key}", found, bars, n_draws))


def by_hand(seed: int, side: float, *, rests: bool) -> StrategySpec:
    """Return a rule without a table that enters and leaves by chance, with a near target."""

    def prepare(bars: Bars, params: Params) -> Features:
        rng = np.random.default_rng((seed, 1))
        coins = {"enters": rng.random(len(bars)), "leaves": rng.random(len(bars))}
        return Features(bars, params, regimes_of(bars), 0, coins)

    def decide(features: Features, i: int, state: StrategyState) -> Proposal:
        close = float(features.bars.close[i])
        if state.is_flat:
            is_in = bool(features.arrays["enters"][i] < ENTERS)
            return Proposal(
                0.5 * side * is_in,
                side,
                "ENTER",
                target_distance=TARGET * close,
                rests_protection=rests,
            )
        target = math.inf * side if state.target_price is None else state.target_price
        is_met = not rests and side * close > side * target
        is_in = not is_met and bool(features.arrays["leaves"][i] >= LEAVES)
        return Proposal(0.5 * side * is_in, side, "TARGET" if is_met else "COIN")

    return coin_spec(prepare, decide)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--draws", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=200)
    arguments = parser.parse_args()
    real(arguments.data, arguments.draws)
    print(LUCK_HEAD)
    coins("watched", arguments.runs, rests=False)
    luck("short, target 3 % rests", lambda seed: by_hand(seed, -1.0, rests=True), arguments.runs)
    luck(
        "rule without a table, target 3 % watched",
        lambda seed: by_hand(seed, 1.0, rests=False),
        arguments.runs,
    )


if __name__ == "__main__":
    main()
