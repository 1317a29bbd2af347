"""Compare our indicators with TA-Lib and, on request, write the golden numbers of the tests.

Run it in the environment of the peers, which `make bench` makes:

    PYTHONPATH=. .venv-bench/bin/python docs/research/talib_equality.py [FILE.csv ...]
    PYTHONPATH=. .venv-bench/bin/python docs/research/talib_equality.py --golden OUT.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import talib
from vectorbt_equality import bars_of

from marketdata.types import Bars
from trading.engine import indicators
from trading.tests.engine.walks import random_walk

SEED, N_BARS = 7, 300
EVERY = 10  # bars between golden values


def main() -> None:
    """Print the largest difference of each indicator over all files and walks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--golden", type=Path)
    options = parser.parse_args()
    if options.golden:
        options.golden.write_text(json.dumps(golden(), indent=1) + "\n")
        return
    all_bars = [bars_of(path) for path in options.files]
    all_bars += [random_walk(seed, 2_000) for seed in range(5)]
    print(f"{sum(len(bars) for bars in all_bars):,} bars of {len(all_bars)} series")
    print("| indicator | first value | largest difference, absolute | relative |")
    print("|---|---|---|---|")
    for name in peers(all_bars[0]):
        absolute, relative, same_start = 0.0, 0.0, True
        for bars in all_bars:
            expected, found = peers(bars)[name], ours(bars)[name]
            same_start &= first_of(expected) == first_of(found)
            both = np.isfinite(expected)
            difference = np.abs(found[both] - expected[both])
            absolute = max(absolute, float(difference.max()))
            scale = np.maximum(np.abs(expected[both]), 1e-12)
            relative = max(relative, float((difference / scale).max()))
        print(f"| {name} | {'same bar' if same_start else 'OTHER BAR'} | {absolute:.1e} | "
              f"{relative:.1e} |")  # fmt: skip


def peers(bars: Bars) -> dict[str, np.ndarray]:
    """Compute every indicator with TA-Lib."""
    high, low, close = bars.high, bars.low, bars.close
    upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0)
    return {
        "sma_20": talib.SMA(close, 20),
        "ema_20": talib.EMA(close, 20),
        "rsi_14": talib.RSI(close, 14),
        "rsi_2": talib.RSI(close, 2),
        "atr_14": talib.ATR(high, low, close, 14),
        "adx_14": talib.ADX(high, low, close, 14),
        "adx_5": talib.ADX(high, low, close, 5),
        "bollinger_upper_20": upper,
        "bollinger_middle_20": middle,
        "bollinger_lower_20": lower,
        "rolling_max_20": talib.MAX(high, 20),
        "rolling_min_20": talib.MIN(low, 20),
    }


def ours(bars: Bars) -> dict[str, np.ndarray]:
    """Compute the same with the engine."""
    high, low, close = bars.high, bars.low, bars.close
    bands = indicators.bollinger(close, 20, 2.0)
    return {
        "sma_20": indicators.sma(close, 20),
        "ema_20": indicators.ema(close, 20),
        "rsi_14": indicators.rsi(close, 14),
        "rsi_2": indicators.rsi(close, 2),
        "atr_14": indicators.atr(high, low, close, 14),
        "adx_14": indicators.adx(high, low, close, 14),
        "adx_5": indicators.adx(high, low, close, 5),
        "bollinger_upper_20": bands.upper,
        "bollinger_middle_20": bands.middle,
        "bollinger_lower_20": bands.lower,
        "rolling_max_20": indicators.rolling_max(high, 20),
        "rolling_min_20": indicators.rolling_min(low, 20),
    }


def first_of(values: np.ndarray) -> int:
    """Return the first bar with a value."""
    return int(np.argmax(np.isfinite(values)))


def golden() -> dict[str, object]:
    """Compute the numbers stored with the tests: one seeded walk only."""
    bars = random_walk(SEED, N_BARS)
    rows = {}
    for name, values in peers(bars).items():
        first = first_of(values)
        kept = {first, N_BARS - 1, *range(first, N_BARS, EVERY)}
        rows[name] = {"first": first, "values": {str(i): float(values[i]) for i in sorted(kept)}}
    return {
        "peer": f"TA-Lib {talib.__version__}",
        "seed": SEED,
        "n_bars": N_BARS,
        "indicators": rows,
    }


if __name__ == "__main__":
    main()
