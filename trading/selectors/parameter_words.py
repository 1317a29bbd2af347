"""Parameters of strategies in words: one word for one thing, whatever its name in code."""

from __future__ import annotations

from typing import Any

from elson.common import formatting
from trading.engine.adaptive import SWITCH
from trading.engine.schedule import EVERY_BARS, FROM, ON_DAYS, SKIP_MINUTES, UNTIL

NAMES = {
    # What a regime makes of a parameter is called as the parameter.
    "lookback_bars": "Trend bars",
    "entry_threshold": "Entry level",
    ON_DAYS: "Enters on",
    FROM: "Enters from",
    UNTIL: "Enters until",
    SKIP_MINUTES: "Minutes after the open",
    EVERY_BARS: "Bars between additions",
}
CHOICES = {
    "protection": {"close": "at the close", "resting": "resting orders"},
    "cost_class": {
        "EQUITY": "equity",
        "EQUITY_CLOSE": "equity, closes only",
        "ETF": "ETF",
        "INDEX": "index",
        "FX": "currency pair",
        "FX_EMERGING": "emerging currency pair",
        "COMMODITY": "commodity",
        "CRYPTO": "crypto",
    },
}


def parameter_label(key: str) -> str:
    """Return the name of a parameter as pages write it, also of one that no schema has.

    Examples
    --------
    >>> parameter_label("size_factor.HIGH"), parameter_label("size_factor.ADAPTIVE")
    ('Size factor in High', 'Size factor follows the regime')
    >>> parameter_label("entry_level"), parameter_label("entry_threshold.LOW")
    ('Entry level', 'Entry level in Low')
    """
    if key in NAMES:
        return NAMES[key]
    name, _, suffix = key.partition(".")
    words = NAMES.get(name) or formatting.label_of(name)
    if suffix == SWITCH:
        return f"{words} follows the regime"
    return f"{words} in {suffix.capitalize()}" if suffix else words


def choice_words(key: str, value: Any) -> Any:
    """Write a choice of a parameter in words; numbers stay as they are.

    Examples
    --------
    >>> choice_words("protection", "close"), choice_words("sizing", "all_in")
    ('at the close', 'all in')
    >>> choice_words("schedule.days", "MON FRI"), choice_words("entry_level", 15.0)
    ('Mon, Fri', 15.0)
    """
    if not isinstance(value, str):
        return value
    if key == ON_DAYS:
        return ", ".join(day.capitalize() for day in value.split())
    return CHOICES.get(key, {}).get(value) or formatting.value_words(value)


def parameter_text(key: str, value: Any) -> str:
    """Write a value of a parameter: numbers as people write them, choices in words.

    Examples
    --------
    >>> parameter_text("entry_level", 15.0), parameter_text("protection", "resting")
    ('15', 'resting orders')
    """
    if value is None:
        return formatting.MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return str(choice_words(key, value))
    return formatting.quantity(value, 6)
