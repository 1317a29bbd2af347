"""Seeded random walks and typed-by-hand tapes for the engine's tests; no market data."""

import numpy as np

from marketdata.types import Bars

DAY_NS = 86_400 * 10**9


def random_walk(seed: int, n_bars: int, volatility: float = 0.02) -> Bars:
    """A geometric walk whose volatility doubles and halves in blocks, so that regimes change."""
    rng = np.random.default_rng(seed)
    scale = volatility * np.where((np.arange(n_bars) // 100) % 2, 2.0, 0.7)
    close = 100.0 * np.exp(np.cumsum(scale * rng.standard_normal(n_bars)))
    start = 100.0 * np.exp(0.002 * rng.standard_normal())
    before = np.concatenate(([start], close[:-1]))
    opened = before * np.exp(0.3 * scale * rng.standard_normal(n_bars))
    spread = np.abs(scale * rng.standard_normal(n_bars)) * 0.5
    high = np.maximum(opened, close) * (1.0 + spread)
    low = np.minimum(opened, close) / (1.0 + spread)
    volume = np.round(1e6 * np.exp(0.3 * rng.standard_normal(n_bars)))
    closed_at = np.arange(n_bars, dtype=np.int64) * DAY_NS
    return Bars("WALK", "1d", closed_at, opened, high, low, close, volume)


def tape(rows: list[tuple[float, float, float, float]], volume: float = 1e6) -> Bars:
    """Bars from typed (open, high, low, close) rows, one a day."""
    columns = np.array(rows, dtype=float).T
    n_bars = len(rows)
    closed_at = np.arange(n_bars, dtype=np.int64) * DAY_NS
    return Bars("TAPE", "1d", closed_at, *columns, np.full(n_bars, volume))
