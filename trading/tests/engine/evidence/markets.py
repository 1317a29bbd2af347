"""Small synthetic instruments for the evidence tests, prepared once."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from trading.engine.evidence.instruments import EvidenceInstrument, prepare
from trading.engine.types import AssetClass
from trading.tests.engine.walks import random_walk


@lru_cache(maxsize=8)
def market(seed: int = 0, n_bars: int = 2_200, *, closes_only: bool = False) -> EvidenceInstrument:
    """One equity on a random walk whose volatility comes in blocks."""
    bars = replace(random_walk(seed, n_bars), symbol=f"WALK{seed}")
    if closes_only:
        close = bars.close
        bars = replace(bars, open=close, high=close, low=close, exec_price="CLOSE")
    preset = AssetClass.EQUITY_CLOSE if closes_only else AssetClass.EQUITY
    return prepare(bars, asset_class="equity", preset=preset)


@lru_cache(maxsize=2)
def markets(n: int = 4, n_bars: int = 2_200) -> tuple[EvidenceInstrument, ...]:
    """Several such instruments, the last one of closes only."""
    return (
        *(market(seed, n_bars) for seed in range(n - 1)),
        market(n - 1, n_bars, closes_only=True),
    )


def ones(instrument: EvidenceInstrument) -> np.ndarray:
    """A signal on every bar."""
    return np.ones(len(instrument.bars), dtype=np.int64)
