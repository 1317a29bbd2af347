"""Words for names in code."""

from __future__ import annotations

import re
from typing import Any

ABBREVIATIONS = {"atr", "rsi", "sma"}
CODES = re.compile(r"\b(?:LOW|NORMAL|HIGH|EXTREME|UNKNOWN|CAUTIOUS|RESTRICTED|HALTED)\b")


def value_words(value: Any) -> Any:
    """Write a code such as `all_in` or `RESTRICTED` as words; numbers stay as they are."""
    if not isinstance(value, str):
        return value
    words = value.replace("_", " ")
    return words.capitalize() if value.isupper() else words


def label_of(name: str) -> str:
    """Words for a name in code: `stop_atr` is `Stop ATR`."""
    words = [word.upper() if word in ABBREVIATIONS else word for word in name.split("_")]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def in_words(text: str) -> str:
    """Write codes inside a stored sentence as words: `HIGH regime lowers it` is `High regime …`."""
    return CODES.sub(lambda found: found[0].capitalize(), text)
