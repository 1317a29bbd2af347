"""The one way from the engine's floats to exact amounts, and the one place that rounds them."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

# Smallest amount the tables hold; fractions below it are rounded half to even.
UNIT = Decimal("0.00000001")
# More than this cannot be stored (24 digits, 8 of them decimals) or is a slip of the finger.
LARGEST = Decimal(10) ** 12
ZERO = Decimal(0)


def amount_of(value: Decimal | float | int) -> Decimal:
    """Round to the smallest stored unit; floats are read by their shortest text."""
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return exact.quantize(UNIT, rounding=ROUND_HALF_EVEN)


def round_to_step(quantity: Decimal, step: Decimal) -> Decimal:
    """Round a quantity towards zero to a multiple of the instrument's step."""
    n_steps = (quantity / step).to_integral_value(rounding=ROUND_DOWN)
    return n_steps * step


def plain(value: Decimal) -> str:
    """Write a number for a sentence: thousands separated, no trailing zeros, two places or none."""
    text = f"{value:,.8f}".rstrip("0")
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(2, '0')}" if fraction else whole
