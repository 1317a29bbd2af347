"""What a decision says of itself: parameters as they stood, the arithmetic, the sentence.

Frozen messages with plain JSON out; nothing here computes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from trading.engine.types import DecisionAction, Regime, RuleStatus

Scalar = float | int | str | bool | None


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule's outcome: what was found, what is allowed, and a sentence that says both.

    `unit` is "money", "ratio", "count" or "units"; `limit` None means the rule is switched off.
    """

    rule: str
    status: RuleStatus
    value: float
    limit: float | None
    unit: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ParameterNow:
    """One parameter as it stands at a bar: its base, its value now, its bounds and why."""

    name: str
    base: Scalar
    now: Scalar
    low: float | None
    high: float | None
    because: str

    def to_dict(self) -> dict[str, Scalar]:
        """Return plain JSON values."""
        return {
            "base": self.base,
            "now": self.now,
            "low": self.low,
            "high": self.high,
            "because": self.because,
        }


@dataclass(frozen=True, slots=True)
class SizingLine:
    """One line of the sizing arithmetic; `value` is the number, `text` how it came about."""

    label: str
    value: float
    text: str

    def to_dict(self) -> dict[str, Scalar]:
        """Return plain JSON values."""
        return {"label": self.label, "value": self.value, "text": self.text}


@dataclass(frozen=True, slots=True)
class Decision:
    """Explain what was decided at the close of one bar; stored as it is and never changed.

    `signal` lies in [-1, 1]; `target_weight` is a share of equity; `target_quantity` is signed
    units. `regime` is that of the bar, by which costs and trades are counted; what adaptive
    parameters follow is slower to fall, and stands among the parameters where it differs.
    `blocked_by` names what kept a wanted trade from happening, or is None; `rules` are all that
    were asked, those that passed too.
    """

    action: DecisionAction
    bar: int
    decided_at: int
    symbol: str
    strategy_key: str
    close: float
    regime: Regime | None
    signal: float
    target_weight: float
    target_quantity: float
    reason: str
    would_change: str
    blocked_by: str | None = None
    inputs: Mapping[str, float | None] = field(default_factory=dict)
    parameters: tuple[ParameterNow, ...] = ()
    sizing: tuple[SizingLine, ...] = ()
    rules: tuple[RuleResult, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON values, parameters keyed by name."""
        return {
            "action": str(self.action),
            "bar": self.bar,
            "decided_at": self.decided_at,
            "symbol": self.symbol,
            "strategy_key": self.strategy_key,
            "close": self.close,
            "regime": None if self.regime is None else str(self.regime),
            "signal": self.signal,
            "target_weight": self.target_weight,
            "target_quantity": self.target_quantity,
            "reason": self.reason,
            "would_change": self.would_change,
            "blocked_by": self.blocked_by,
            "inputs": dict(self.inputs),
            "parameters": {line.name: line.to_dict() for line in self.parameters},
            "sizing": [line.to_dict() for line in self.sizing],
            "rules": [rule_dict(rule) for rule in self.rules],
        }


def rule_dict(rule: RuleResult) -> dict[str, Scalar]:
    """Return plain JSON values of one rule; a value that is no number is None."""
    plain = asdict(rule) | {"status": str(rule.status)}
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in plain.items()
    }
