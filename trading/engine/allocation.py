"""How one cash account is divided among the instruments of a portfolio.

INPUT    a rule, own weights, caps
OUTPUT   checked settings that `portfolio_backtest` reads
LOOKBACK none
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """

    rule: AllocationRule = AllocationRule.EQUAL_WEIGHT
    weights: Mapping[str, float] = field(default_factory=dict)
    max_positions: int | None = None
    gross_cap: float = 1.0

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
