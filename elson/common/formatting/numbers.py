"""Numbers and money as text, equal to Intl in the browser."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from math import isfinite, sqrt
from typing import Any, Final

from babel.numbers import format_currency, format_decimal, format_percent

from elson.common.formatting.reader import MINUS, MISSING, babel_locale, current, symbols

# Powers of ten and what stands for them, as browsers write them.
COMPACT: Final[dict[str, tuple[tuple[int, str], ...]]] = {
    "en-US": ((3, "K"), (6, "M"), (9, "B"), (12, "T")),
    "en-GB": ((3, "k"), (6, "m"), (9, "bn"), (12, "tn")),
    "de-DE": ((6, "\u00a0Mio."), (9, "\u00a0Mrd."), (12, "\u00a0Bio.")),
    "fr-FR": ((3, "\u00a0k"), (6, "\u00a0M"), (9, "\u00a0Md"), (12, "\u00a0Bn")),
    "ja-JP": ((4, "万"), (8, "億"), (12, "兆")),
}

Number = Decimal | float | int | None


def number(value: Number, places: int = 2) -> str:
    """Plain decimal with a fixed number of places: `1,234.50`."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    return _minus(_fixed(_round(exact, places), places))


def money(value: Number, currency: str = "USD", places: int = 2) -> str:
    """Amount with the currency symbol where the locale puts it: `$100,000.00`, `100.000,00 $`."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    rounded = _round(exact, places)
    pattern = _currency_pattern(current().locale, places)
    text = format_currency(
        abs(rounded),
        currency,
        format=pattern,
        locale=babel_locale(current().locale),
        currency_digits=False,
        decimal_quantization=False,
    )
    return MINUS + text if rounded < 0 else text


def signed_money(value: Number, currency: str = "USD", places: int = 2) -> str:
    """Profit or change: always signed, zero without a sign: `+$1,204.10`, `−$7.00`, `$0.00`."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    rounded = _round(exact, places)
    return _sign(rounded) + money(abs(rounded), currency, places)


def percent(value: Number, places: int = 2) -> str:
    """Fraction as percent: 0.204 with one place is `20.4%`, `20,4 %`."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    rounded = _round(exact * 100, places)
    text = format_percent(
        abs(rounded) / 100,
        format=_percent_pattern(current().locale, places),
        locale=babel_locale(current().locale),
        decimal_quantization=False,
    )
    return MINUS + text if rounded < 0 else text


def signed_percent(value: Number, places: int = 2) -> str:
    """Return as percent, always signed; zero without a sign."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    rounded = _round(exact * 100, places)
    return _sign(rounded) + percent(abs(rounded) / 100, places)


def signed_number(value: Number, places: int = 2) -> str:
    """Plain decimal, always signed; zero without a sign."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    rounded = _round(exact, places)
    return _sign(rounded) + number(abs(rounded), places)


def price(value: Number, tick: Number = None) -> str:
    """Price with the decimals of the instrument's tick, 2 to 8, never an exponent."""
    return number(value, price_places(tick))


def price_places(tick: Number = None) -> int:
    """How many decimals a price with this tick shows: at least 2, at most 8."""
    exact = _exact(tick)
    if exact is None or exact <= 0:
        return 2
    exponent = exact.normalize().as_tuple().exponent
    return min(8, max(2, -exponent if isinstance(exponent, int) else 2))


def quantity(value: Number, precision: int = 8) -> str:
    """Units held or ordered: up to the given precision, trailing zeros cut."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    rounded = _round(exact, precision)
    places = max(0, -_exponent(rounded.normalize()))
    return _minus(_fixed(rounded, places))


def ratio(value: Number, places: int = 2) -> str:
    """Sharpe and its kind."""
    return number(value, places)


def profit_factor(figures: Mapping[str, Any]) -> str:
    """Profit factor of stored figures: `1.54`, or `no loss`."""
    return "no loss" if has_no_loss(figures) else ratio(figures.get("profit_factor"))


def has_no_loss(figures: Mapping[str, Any]) -> bool:
    """Tell whether a profit factor is null because no trade lost: JSON knows no infinity.

    Without a win and a loss it is null as well.
    """
    return figures.get("profit_factor") is None and bool(figures.get("win_rate"))


def basis_points(value: Number, places: int = 1) -> str:
    """Cost already counted in basis points: `7.2 bp`."""
    text = number(value, places)
    return text if text == MISSING else f"{text}\u00a0bp"


def probability(value: Number) -> str:
    """Probability with two places that never claims certainty: `<0.01`, `0.78`, `>0.99`."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    if exact < Decimal("0.01"):
        return "<" + number(Decimal("0.01"))
    if exact > Decimal("0.99"):
        return ">" + number(Decimal("0.99"))
    return number(exact)


def share(value: Number) -> str:
    """Share of cases counted, as a percentage that never claims certainty: `<0.1%`, `11.3%`."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    if exact < Decimal("0.001"):
        return "<" + percent(Decimal("0.001"), 1)
    if exact > Decimal("0.999"):
        return ">" + percent(Decimal("0.999"), 1)
    return percent(exact, 1)


def big(value: Number, places: int = 1) -> str:
    """Compact size for tiles and axes: `1.2M`, `1,2 Mio.`; below 1,000 the plain number."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    if abs(exact) < 1000:
        return quantity(exact, places)
    steps = COMPACT[current().locale]
    largest = next((i for i in reversed(range(len(steps))) if abs(exact) >= 10 ** steps[i][0]), -1)
    # Rounding may reach the next step: 999,950 is 1M, not 1000K.
    for i in range(largest, len(steps)):
        exponent, suffix = steps[i] if i >= 0 else (0, "")
        scaled = _round(exact.scaleb(-exponent), places)
        is_last = i + 1 >= len(steps)
        if is_last or abs(scaled).scaleb(exponent) < 10 ** steps[i + 1][0]:
            break
    text = quantity(scaled, places)
    return (
        text if abs(scaled) >= 10_000 else text.replace(symbols(current().locale)[1], "")
    ) + suffix


def win_rate(wins: int | None, n: int | None) -> str:
    """Share of winners with the 95 % Wilson interval: `56% (42–69), n=48`; too few below 10."""
    if wins is None or not n:
        return MISSING
    if n < 10:
        return too_few(n)
    low, high = wilson_interval(wins, n)
    share = percent(Decimal(wins) / n, 0)
    return f"{share} ({number(low * 100, 0)}–{number(high * 100, 0)}), n={number(n, 0)}"


def wilson_interval(wins: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson score interval of a proportion, as fractions in [0, 1]."""
    share = wins / n
    denominator = 1 + z * z / n
    middle = (share + z * z / (2 * n)) / denominator
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / denominator
    return max(0.0, middle - half), min(1.0, middle + half)


def too_few(n: int) -> str:
    """Say that a statistic has too little data."""
    return f"too few ({n})"


def _exact(value: Number) -> Decimal | None:
    """Convert to Decimal; floats by their shortest text, NaN and infinity as missing."""
    if value is None:
        return None
    if isinstance(value, float):
        return Decimal(repr(float(value))) if isfinite(value) else None
    try:
        exact = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        return None
    return exact if exact.is_finite() else None


def _round(value: Decimal, places: int) -> Decimal:
    # Half away from zero, which is what Intl.NumberFormat does ("halfExpand").
    rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return rounded if rounded else abs(rounded)


def _fixed(value: Decimal, places: int) -> str:
    pattern = "#,##0" + ("." + "0" * places if places else "")
    return format_decimal(
        value, format=pattern, locale=babel_locale(current().locale), decimal_quantization=False
    )


def _sign(rounded: Decimal) -> str:
    return "+" if rounded > 0 else MINUS if rounded < 0 else ""


def _minus(text: str) -> str:
    return text.replace("-", MINUS)


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


@lru_cache(maxsize=256)
def _currency_pattern(locale: str, places: int) -> str:
    standard = babel_locale(locale).currency_formats["standard"].pattern.split(";")[0]
    return re.sub(r"0\.00", "0" + ("." + "0" * places if places else ""), standard)


@lru_cache(maxsize=256)
def _percent_pattern(locale: str, places: int) -> str:
    standard = babel_locale(locale).percent_formats[None].pattern.split(";")[0]
    return re.sub(r"0(?=[^0]*$)", "0" + ("." + "0" * places if places else ""), standard, count=1)
