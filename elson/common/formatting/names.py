"""Words for names in code."""

from __future__ import annotations

ABBREVIATIONS = {"atr", "rsi", "sma"}


def label_of(name: str) -> str:
    """Words for a name in code: `stop_atr` is `Stop ATR`."""
    words = [word.upper() if word in ABBREVIATIONS else word for word in name.split("_")]
    text = " ".join(words)
    return text[:1].upper() + text[1:]
