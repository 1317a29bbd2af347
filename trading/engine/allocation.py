"""How one cash account is divided among the instruments of a portfolio.

INPUT    a rule, own weights, caps
OUTPUT   checked settings that `portfolio_backtest` reads
LOOKBACK none
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from trading.engine.errors import ConfigInvalid


class AllocationRule(StrEnum):
    """How the account's equity is divided among the instruments."""

    EQUAL_WEIGHT = "EQUAL_WEIGHT"
    EQUAL_RISK = "EQUAL_RISK"
    FIXED_WEIGHT = "FIXED_WEIGHT"


@dataclass(frozen=True, slots=True)
class Allocation:
    """The share of equity each instrument's strategy may use.

    Attributes
    ----------
    rule : AllocationRule
        EQUAL_WEIGHT: ``gross_cap`` divided by the slots. EQUAL_RISK: the same in proportion to
        1 / volatility at the close. FIXED_WEIGHT: `weights`.
    weights : mapping
        Symbol to share of equity, each >= 0, summing to at most ``gross_cap``.
    max_positions : int or None
        Positions at once, the number of slots; None for one slot per instrument. When more
        instruments want to enter than slots are free, the first by symbol do.
    gross_cap : float
        Largest sum of position values over equity when buying, in (0, 1].
    n_slots : int or None
        Parts of equal and risk weights; None for `max_positions`, but at most one per instrument.
    """

    rule: AllocationRule = AllocationRule.EQUAL_WEIGHT
    weights: Mapping[str, float] = field(default_factory=dict)
    max_positions: int | None = None
    gross_cap: float = 1.0
    n_slots: int | None = None

    def __post_init__(self) -> None:
        """Refuse caps and weights that cannot be meant."""
        if not 0.0 < self.gross_cap <= 1.0:
            raise ConfigInvalid(f"gross_cap {self.gross_cap} must lie in (0, 1]")
        if self.max_positions is not None and self.max_positions < 1:
            raise ConfigInvalid(f"max_positions {self.max_positions} must be at least 1")
        if any(not weight >= 0.0 for weight in self.weights.values()):
            raise ConfigInvalid(f"weights {dict(self.weights)} must not be negative")
        total = math.fsum(self.weights.values())
        if total > self.gross_cap * (1.0 + 1e-9):
            raise ConfigInvalid(f"weights sum to {total:g}, above gross_cap {self.gross_cap:g}")

    def slots(self, n_instruments: int) -> int:
        """Return in how many parts the account is divided among so many instruments."""
        return self.n_slots or min(self.max_positions or n_instruments, n_instruments)

    def kept(self, symbols: Collection[str], n_instruments: int) -> Allocation:
        """Return the same shares for some of so many instruments; those of the others stay cash.

        Examples
        --------
        >>> Allocation().kept({"A"}, 2).slots(1)
        2
        """
        weights = {symbol: self.weights[symbol] for symbol in self.weights if symbol in symbols}
        return replace(self, weights=weights, n_slots=self.slots(n_instruments))
