"""What a repeated search proposes, in words: each gate with what was found and what is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from elson.common import formatting
from trading.selectors.parameter_shares import shares_in

DIFFER = "parameters differ"
PROBABILITIES = ("deflated Sharpe ratio", "probability of overfitting")
SIGNS = ((">= ", "at least "), ("> ", "above "), ("< ", "below "))


def gate_rows(gates: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return label, value and what was wanted of each gate.

    Examples
    --------
    >>> gate_rows([{"name": "deflated Sharpe ratio", "value": 0.97, "must": ">= 0.95",
    ...             "is_met": True}])[0]["must"]
    'at least 95%'
    """
    return [_row(gate) for gate in gates]


def _row(gate: Mapping[str, Any]) -> dict[str, Any]:
    name, value, must = gate["name"], gate["value"], gate["must"]
    if name == DIFFER:
        text, must = "yes" if gate["is_met"] else "no", "from those in use"
    elif name in PROBABILITIES:
        text, must = formatting.percent(value, 0), shares_in(must)
    else:
        text = formatting.ratio(value)
    for sign, words in SIGNS:
        must = must.replace(sign, words)
    label = name[:1].upper() + name[1:]
    return {"label": label, "value": text, "must": must, "is_met": gate["is_met"]}
