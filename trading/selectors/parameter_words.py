"""Parameters of strategies in words: one word for one thing, whatever its name in code."""

from __future__ import annotations

import re
from typing import Any

from elson.common import formatting
from trading.engine.adaptive import SWITCH
from trading.engine.schedule import EVERY_BARS, FROM, ON_DAYS, SKIP_MINUTES, UNTIL
from trading.engine.strategies.base import Parameter
from trading.selectors.parameter_shares import is_share, share_text, shares_in

NAMES = {
    # What a regime makes of a parameter is called as the parameter.
    "lookback_bars": "Trend bars",
    "entry_threshold": "Entry level",
    "take_atr": "Target ATR",
    "max_bars": "Holding bars",
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
LIMITS = {
    "max_position_weight": "Largest position",
    "max_gross_exposure": "Largest gross exposure",
    "max_daily_loss_ratio": "Daily loss",
    "max_order_notional": "Largest order",
    "max_open_orders": "Open orders",
    "max_orders_per_minute": "Orders per minute",
}
# What a run or a version pays, by the names of its row and of its manifest.
COSTS = {
    "commission_bps": "Commission, bp",
    "slippage_bps": "Slippage, bp",
    "has_regime_costs": "Usual costs of the market",
    "spread_bps": "Half spread, bp",
    "commission_per_unit": "Commission a unit",
    "commission_minimum": "Least commission",
    "range_share": "Share of the bar's range",
    "impact": "Impact",
    "has_usual_slippage": "Usual slippage and impact",
    "borrow_bps_per_day": "Borrow a day, bp",
    "financing_bps_per_year": "Financing a year, bp",
    "max_participation": "Share of the volume",
    "carries_rest": "Carries the rest",
}
# What stands beside a field where the schema's word is for machines: a pure number has none.
UNITS = {"ratio": ""}
FAULT = re.compile(r"parameter (?P<key>\S+) of \S+ is (?P<found>.+); it (?P<rule>must .+)")
SPACE_FAULT = re.compile(r"space of \S+, parameter (?P<key>\S+): (?P<rest>.+)")


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


def term_label(name: str) -> str:
    """Return the name of an own limit or cost as pages write it."""
    return LIMITS.get(name) or COSTS.get(name) or formatting.label_of(name)


def choice_words(key: str, value: Any) -> Any:
    """Write a choice of a parameter in words and a share in percent; other numbers stay.

    Examples
    --------
    >>> choice_words("protection", "close"), choice_words("sizing", "all_in")
    ('at the close', 'all in')
    >>> choice_words("schedule.days", "MON FRI"), choice_words("entry_level", 15.0)
    ('Mon, Fri', 15.0)
    >>> choice_words("max_weight", 0.95)
    '95%'
    """
    if not isinstance(value, str):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return share_text(value) if is_number and is_share(key) else value
    if key == ON_DAYS:
        return ", ".join(day.capitalize() for day in value.split())
    return CHOICES.get(key, {}).get(value) or formatting.value_words(value)


def parameter_text(key: str, value: Any) -> str:
    """Write a value of a parameter: numbers as people write them, choices in words.

    Examples
    --------
    >>> parameter_text("entry_level", 15.0), parameter_text("protection", "resting")
    ('15', 'resting orders')
    >>> parameter_text("no_trade_band", 0.1), parameter_text("veto_share.HIGH", 0.15)
    ('10%', '15%')
    """
    if value is None:
        return formatting.MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) or is_share(key):
        return str(choice_words(key, value))
    return formatting.quantity(value, 6)


def bounds_words(parameter: Parameter) -> str:
    """Say between what a number must lie, as it is written beside its field.

    Examples
    --------
    >>> bounds_words(Parameter("max_weight", "FLOAT", 0.95, "Largest share", 0.05, 1.0))
    '5% to 100%'
    >>> bounds_words(Parameter("fast", "INT", 20, "Bars", 1, 200))
    '1 to 200'
    """
    told = parameter.bounds_text
    return shares_in(told) if is_share(parameter.key) else told


def unit_words(parameter: Parameter) -> str:
    """Return what stands beside the field of a number; nothing where percent are typed."""
    return "" if is_share(parameter.key) else UNITS.get(parameter.unit, parameter.unit)


def fault_words(message: str) -> str:
    """Write what the engine says of a parameter as a page does, which names it at its field.

    Examples
    --------
    >>> fault_words("parameter fast of sma_cross is 999; it must be at most 200")
    '999 does not fit; it must be at most 200.'
    >>> fault_words("space of rsi2_reversion, parameter exit_bars: low 9 must not be above high 5")
    'Exit bars: low 9 must not be above high 5.'
    >>> fault_words("parameter max_weight of hybrid is 90; it must be at most 1")
    '90 is 9,000%; it must be at most 100%.'
    """
    if said := FAULT.fullmatch(message):
        found, rule = said["found"], said["rule"]
        if is_share(said["key"]) and (as_share := shares_in(found)) != found:
            return f"{found} is {as_share}; it {shares_in(rule)}."
        return f"{found} does not fit; it {rule}."
    if said := SPACE_FAULT.fullmatch(message):
        rest = shares_in(said["rest"]) if is_share(said["key"]) else said["rest"]
        return f"{parameter_label(said['key'])}: {rest}."
    return message
