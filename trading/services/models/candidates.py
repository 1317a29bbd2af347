"""Candidates of many instruments with features and outcomes: what a model learns from.

No database here: bars in, plain columns out. The definitions are the engine's, so a command on a
folder, a worker on the database and `verify_win_rates` learn from the same rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from marketdata.selectors import bars_hash
from marketdata.types import Bars
from trading.engine import hybrid
from trading.engine.costs import CostModel, commission_rates
from trading.engine.kernels import FloatArray
from trading.engine.learning.features import GATE_FEATURES, feature_table
from trading.engine.learning.labels import meta_labels
from trading.engine.regimes import regimes_of
from trading.engine.types import AssetClass

Column = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class TrainingBars:
    """Bars of one instrument and the line of the cost table it belongs to."""

    bars: Bars
    cost_class: AssetClass


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Resolved candidates, one row each, in order of their decision.

    `features` has the columns of GATE_FEATURES; times are nanoseconds UTC; `is_entry` tells the
    candidates the rule would buy from the wider net the model learns from.
    """

    features: FloatArray
    decided_at: Column
    resolved_at: Column
    net_return: Column
    regime_code: Column
    is_entry: Column

    def __len__(self) -> int:
        """Count the candidates."""
        return int(self.decided_at.shape[0])

    def rows(self, chosen: Column) -> Candidates:
        """Return some rows, by mask or by number."""
        return Candidates(*(getattr(self, field.name)[chosen] for field in fields(self)))


def candidates_of(item: TrainingBars) -> Candidates:
    """Return the resolved candidates of one instrument whose features are all known."""
    bars = item.bars
    regimes = regimes_of(bars)
    rates = commission_rates(CostModel(preset=item.cost_class), regimes.codes)
    inputs = hybrid.hybrid_inputs(bars)
    marks = [
        hybrid.candidates_nb(
            inputs.rsi, inputs.range_position, regimes.relative_codes, level, share
        )
        for level, share in (
            (hybrid.LEARNING_LEVEL, np.inf),
            (hybrid.ENTRY_LEVEL, hybrid.RANGE_SHARE),
        )
    ]
    tradable = hybrid.tradable_bars(bars, item.cost_class, rates, inputs.atr)
    features = feature_table(bars, regimes, rates).columns(GATE_FEATURES)
    is_usable = (marks[0] * tradable == 1) & np.isfinite(features).all(axis=1)
    labels = meta_labels(bars, np.flatnonzero(is_usable), rates)
    signal = labels.signal_bar
    return Candidates(
        features=features[signal],
        decided_at=bars.closed_at[signal],
        resolved_at=bars.closed_at[labels.exit_bar],
        net_return=labels.net_return,
        regime_code=regimes.relative_codes[signal],
        is_entry=marks[1][signal] == 1,
    )


def candidates_joined(parts: Sequence[Candidates]) -> Candidates:
    """Pool instruments in order of decision; ties keep the order given."""
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return Candidates(
            np.empty((0, len(GATE_FEATURES))), none, none, np.empty(0), none, none == 1
        )
    pooled = Candidates(
        *(
            np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Candidates)
        )
    )
    return pooled.rows(np.argsort(pooled.decided_at, kind="stable"))


def data_hash_of(items: Iterable[TrainingBars]) -> str:
    """Return one SHA-256 over all bars, whatever their order."""
    lines = sorted(f"{item.bars.symbol} {item.cost_class} {bars_hash(item.bars)}" for item in items)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
