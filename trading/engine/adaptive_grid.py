"""Adaptive parameters over the four regimes, as a form shows them.

INPUT    base values with a person's own values and switches
OUTPUT   a row per parameter: values in LOW to EXTREME, bounds, the rule in words
LOOKBACK none
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from trading.engine.adaptive import RULES, AdaptiveBase, regime_values
from trading.engine.types import RegimeCode


@dataclass(frozen=True, slots=True)
class GridRow:
    """One parameter over the four regimes: LOW, NORMAL, HIGH, EXTREME.

    `suggested` are the rule's values, `values` what counts, `is_own` where a person set it.
    `has_switch` tells whether adapting can be switched off, `is_switched_off` whether it is.
    """

    name: str
    base: float
    suggested: tuple[float, ...]
    values: tuple[float, ...]
    is_own: tuple[bool, ...]
    low: float
    high: float
    is_whole: bool
    why_up: str
    why_down: str
    has_switch: bool = False
    is_switched_off: bool = False

    @property
    def in_words(self) -> str:
        """Say what the regimes make of the base, and between what.

        Examples
        --------
        >>> grid(AdaptiveBase())[2].in_words
        'Lowered in HIGH (× 0.7) and EXTREME (× 0.35). Between 0 and 1.'
        """
        words = "The same in every regime until you set one apart"
        if self.has_switch:
            changed = [
                f"{verb} in {regimes}"
                for verb, sign in (("raised", 1.0), ("lowered", -1.0))
                if (regimes := self._moved(sign))
            ]
            words = "; ".join(changed)
        unit = " bars" if self.is_whole else ""
        return f"{words[:1].upper()}{words[1:]}. Between {self.low:g} and {self.high:g}{unit}."

    def _moved(self, sign: float) -> str:
        """Name the regimes whose factor raises (+1) or lowers (-1) the base."""
        found = [
            f"{RegimeCode(code).name} (× {factor:g})"
            for code, factor in enumerate(RULES[self.name].factors)
            if sign * (factor - 1.0) > 0.0
        ]
        return " and ".join(filter(None, (", ".join(found[:-1]), *found[-1:])))


def grid(base: AdaptiveBase) -> tuple[GridRow, ...]:
    """Lay all parameters out over the regimes.

    Parameters
    ----------
    base : AdaptiveBase
        Values of a NORMAL regime, own values and switches.

    Returns
    -------
    tuple of GridRow
        In the order of `adaptive.RULES`.

    Examples
    --------
    >>> grid(AdaptiveBase(own_values=(("size_factor", 2, 0.5),)))[2].values
    (1.0, 1.0, 0.5, 0.35)
    >>> grid(AdaptiveBase(switched_off=("size_factor",)))[2].values
    (1.0, 1.0, 1.0, 1.0)
    """
    values, _ = regime_values(base)
    suggested, _ = regime_values(replace(base, own_values=(), switched_off=()))
    own = {(name, code) for name, code, _ in base.own_values}
    return tuple(
        GridRow(
            name=name,
            base=float(getattr(base, name)),
            suggested=tuple(suggested[k].tolist()),
            values=tuple(values[k].tolist()),
            is_own=tuple((name, code) in own for code in range(4)),
            low=rule.low,
            high=rule.high,
            is_whole=rule.is_whole,
            why_up=rule.why_up,
            why_down=rule.why_down,
            has_switch=True,
            is_switched_off=name in base.switched_off,
        )
        for k, (name, rule) in enumerate(RULES.items())
    )
