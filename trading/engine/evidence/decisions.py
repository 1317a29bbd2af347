"""What a rule, with the model of each year, decides on a set of instruments.

INPUT    a rule, prepared instruments and yearly gates
OUTPUT   signals, probabilities and round trips with the rule's own and with profit-blind exits
LOOKBACK value at i uses bars 0..i and gates fitted on earlier years
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trading.engine.evidence.gates import Gate, gate_probabilities
from trading.engine.evidence.instruments import EvidenceInstrument, prepare
from trading.engine.evidence.nulls import permuted
from trading.engine.evidence.rules import EvidenceRule, Setup
from trading.engine.evidence.trips import ExitPlan, Trips, joined, taken_trips
from trading.engine.kernels import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """One rule on one instrument, arrays of shape (n_bars,).

    ``signals`` is 1 where a flat book buys, the model's veto included; ``probabilities`` is NaN
    without a model; ``setup`` holds the rule's signals before the veto and its exits.
    """

    setup: Setup
    signals: IntArray
    probabilities: FloatArray


def decide(
    rule: EvidenceRule, instrument: EvidenceInstrument, gates: Mapping[int, Gate]
) -> Decisions:
    """Apply a rule and its yearly gates to one instrument.

    Parameters
    ----------
    rule : EvidenceRule
        Of the strategy under test.
    instrument : EvidenceInstrument
        Prepared.
    gates : mapping of int to Gate
        By year; empty for a rule without a model.

    Returns
    -------
    Decisions
        In a year without a gate, or on a bar without complete features, the rule decides alone.
    """
    setup = rule.setup(instrument)
    if not rule.has_model or not setup.signals.any():
        unknown = np.full(len(instrument.bars), np.nan)
        return Decisions(setup, setup.signals, unknown)
    probabilities, thresholds = gate_probabilities(instrument, gates, setup.signals)
    is_vetoed = probabilities < thresholds
    return Decisions(setup, setup.signals * (1 - is_vetoed), probabilities)


def decide_all(
    rule: EvidenceRule, instruments: Sequence[EvidenceInstrument], gates: Mapping[int, Gate]
) -> list[Decisions]:
    """Apply `decide` to each instrument."""
    return [decide(rule, instrument, gates) for instrument in instruments]


def exit_trips(instruments: Sequence[EvidenceInstrument], decisions: Sequence[Decisions]) -> Trips:
    """Return the round trips with the strategy's own exits."""
    return _trips(instruments, decisions, [each.setup.exits for each in decisions])


def blind_trips(instruments: Sequence[EvidenceInstrument], decisions: Sequence[Decisions]) -> Trips:
    """Return the round trips with exits that do not look at the trade's own profit."""
    return _trips(instruments, decisions, [each.setup.blind for each in decisions])


def permuted_instruments(
    instruments: Sequence[EvidenceInstrument], seed: int, window: int | None
) -> list[EvidenceInstrument]:
    """Shuffle the bars of each instrument inside windows and prepare them anew.

    Parameters
    ----------
    instruments : sequence of EvidenceInstrument
        To shuffle; each has its own stream of random numbers.
    seed : int
        Of the draw.
    window : int or None
        Bars of a window; None shuffles whole series.

    Returns
    -------
    list of EvidenceInstrument
        Same times, labels and cost presets.
    """
    return [
        prepare(
            permuted(each.bars, np.random.default_rng((seed, k)), window),
            asset_class=each.asset_class,
            preset=each.preset,
            symbol=each.symbol,
        )
        for k, each in enumerate(instruments)
    ]


def permuted_trips(
    rule: EvidenceRule,
    instruments: Sequence[EvidenceInstrument],
    gates: Mapping[int, Gate],
    seed: int,
    window: int | None,
) -> Trips:
    """Return the profit-blind round trips the same rule and gates make on permuted bars (N2)."""
    shuffled = permuted_instruments(instruments, seed, window)
    return blind_trips(shuffled, decide_all(rule, shuffled, gates))


def _trips(
    instruments: Sequence[EvidenceInstrument],
    decisions: Sequence[Decisions],
    plans: Sequence[ExitPlan],
) -> Trips:
    return joined(
        [
            taken_trips(k, instrument, each.signals, plan, each.probabilities)
            for k, (instrument, each, plan) in enumerate(
                zip(instruments, decisions, plans, strict=True)
            )
        ]
    )
