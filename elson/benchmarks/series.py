"""The made-up price series of the benches: seeded, so every contender and machine gets the same."""

from __future__ import annotations

import numpy as np

from marketdata.types import Bars

DAY_NS = 86_400 * 10**9
VOLATILITY = 0.01
FIRST_DAY = 10_000  # 1997; a peer dies of bars at the epoch itself


def geometric_walk(seed: int, n_bars: int) -> Bars:
    """Return daily bars whose closes are a geometric random walk with 1 % volatility a day."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(VOLATILITY * rng.standard_normal(n_bars)))
    before = np.concatenate(([100.0], close[:-1]))
    opened = before * np.exp(0.2 * VOLATILITY * rng.standard_normal(n_bars))
    spread = 0.5 * VOLATILITY * np.abs(rng.standard_normal((2, n_bars)))
    high = np.maximum(opened, close) * (1.0 + spread[0])
    low = np.minimum(opened, close) / (1.0 + spread[1])
    volume = np.round(1e6 * np.exp(0.3 * rng.standard_normal(n_bars)))
    closed_at = (FIRST_DAY + np.arange(n_bars, dtype=np.int64)) * DAY_NS
    return Bars("WALK", "1d", closed_at, opened, high, low, close, volume)
