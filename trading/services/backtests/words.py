"""What codes of the engine mean to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BLOCKS = {
    "WARM_UP": "warming up: too few bars for the rule",
    "NO_TRADE_BAND": "the wanted weight differed too little",
    "QUANTITY_STEP": "the size rounded down to no unit",
    "CASH": "cash allowed no more",
    "NO_EQUITY": "no equity was left",
    "NO_SLOT": "every place of the portfolio was taken",
    "NO_SIZE": "its size was zero",
    "BREAKER": "the circuit breaker allowed nothing",
    "SIZE_LIMIT": "its own limits left no room",
    "LOSS_LIMIT": "its own daily loss was used up",
}


def reason_words(counted: Mapping[str, Any]) -> str:
    """Say why a decision led to no trade."""
    if counted["blocked_by"]:
        return BLOCKS.get(
            counted["blocked_by"], str(counted["blocked_by"]).replace("_", " ").lower()
        )
    return "the rule wanted no position"
