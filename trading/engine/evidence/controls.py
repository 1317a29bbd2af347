"""Three controls that must come out as they should, or no figure counts.

INPUT    the rule, the instruments and the gates of the run
OUTPUT   what each control measured and whether it passed
LOOKBACK everything given

1. *truncated history*: everything is cut at a year's end and done again, models included; no
   decision before the cut may differ.
2. *shuffled prices*: bars shuffled over the whole series; no excess over N2 may be found.
3. *planted edge*: on the same shuffled bars every signal is followed by a rise; it must be found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from trading.engine.counts import counted
from trading.engine.evidence.decisions import (
    blind_trips,
    decide_all,
    permuted_instruments,
    permuted_trips,
)
from trading.engine.evidence.gates import Gate, learning_set, yearly_gates
from trading.engine.evidence.instruments import EvidenceInstrument, prepare
from trading.engine.evidence.intervals import exceeding_probability
from trading.engine.evidence.nulls import WINDOW_BARS
from trading.engine.evidence.rules import EvidenceRule
from trading.engine.evidence.tables import pooled
from trading.engine.evidence.trips import Trips
from trading.engine.kernels import FloatArray, IntArray

N_CONTROL_DRAWS = 10
# Shuffled prices must not look better than one run in two hundred of the null.
SHUFFLED_LEAST_P = 0.005
PLANTED_MOST_P = 0.01
# The planted rise after each entry, in ATRs, for a trade of `SHORT_TRADE_BARS`.
PLANTED_ATR = 2.0
SHORT_TRADE_BARS = 4.0
CUT_SHARE = 0.7
SHUFFLE_SEED = 9_001
Control = dict[str, object]


def truncated_history(
    rule: EvidenceRule,
    instruments: Sequence[EvidenceInstrument],
    training: Sequence[EvidenceInstrument],
    gates: Mapping[int, Gate],
) -> Control:
    """Do everything again without the last years and compare the decisions before them.

    Parameters
    ----------
    rule, instruments, gates
        Of the run.
    training : sequence of EvidenceInstrument
        What the gates learned from.

    Returns
    -------
    dict
        ``passed, reason, n_compared, n_changed, cut_year``; passes when no decision changed and at
        least one was compared. ``reason`` says why nothing could be judged, None where it was.
    """
    cut_year = _cut_year(instruments)
    short = [_until(each, cut_year) for each in instruments]
    learned = [_until(each, cut_year) for each in training]
    kept = [k for k, each in enumerate(short) if each is not None]
    again: dict[int, Gate] = {}
    if rule.has_model:
        past = learning_set([each for each in learned if each is not None])
        again = yearly_gates(past, [year for year in gates if year <= cut_year])
    whole = decide_all(rule, [instruments[k] for k in kept], gates)
    cut = decide_all(rule, [each for each in short if each is not None], again)
    n_compared = n_changed = 0
    for full, part in zip(whole, cut, strict=True):
        n_bars = part.signals.shape[0]
        n_compared += int(part.signals.sum() + part.setup.signals.sum())
        n_changed += int((full.signals[:n_bars] != part.signals).sum())
        n_changed += int((full.setup.signals[:n_bars] != part.setup.signals).sum())
        n_changed += _n_differing(full.probabilities[:n_bars], part.probabilities)
    return {
        "passed": n_changed == 0 and n_compared > 0,
        "reason": None if n_compared else f"no signal before the end of {cut_year} to compare",
        "cut_year": cut_year,
        "n_compared": n_compared,
        "n_changed": n_changed,
    }


def shuffled_prices(
    rule: EvidenceRule, instruments: Sequence[EvidenceInstrument], gates: Mapping[int, Gate]
) -> Control:
    """Look for an excess where there is none.

    Returns
    -------
    dict
        ``passed, reason, n, win_rate, null_win_rate, excess, p, best_p``; passes with p >= 0.005.
        ``best_p`` is what a rule that always won would have had.
    """
    shuffled = permuted_instruments(instruments, SHUFFLE_SEED, None)
    found = blind_trips(shuffled, decide_all(rule, shuffled, gates))
    row = _against_permutations(rule, shuffled, gates, found)
    p = row["p"]
    reason = _too_little(row) if p is None else None
    return {"passed": isinstance(p, float) and p >= SHUFFLED_LEAST_P, "reason": reason, **row}


def planted_edge(
    rule: EvidenceRule, instruments: Sequence[EvidenceInstrument], gates: Mapping[int, Gate]
) -> Control:
    """Look for an edge where one was put: a rise after each signal on shuffled prices.

    Returns
    -------
    dict
        ``passed, reason, n, win_rate, null_win_rate, excess, p, best_p, planted_atr``; passes with
        p <= 0.01.
    """
    shuffled = permuted_instruments(instruments, SHUFFLE_SEED, None)
    decisions = decide_all(rule, shuffled, gates)
    taken = blind_trips(shuffled, decisions)
    planted = [
        _planted(instrument, taken.signal[taken.instrument == k], _typical_length(taken))
        for k, instrument in enumerate(shuffled)
    ]
    # The signals of the unplanted bars are known to be where the rises follow.
    followed = [replace(each, setup=rule.setup(instrument)) for each, instrument in zip(
        decisions, planted, strict=True
    )]  # fmt: skip
    found = blind_trips(planted, followed)
    row = _against_permutations(rule, planted, gates, found)
    p = row["p"]
    is_found = isinstance(p, float) and p <= PLANTED_MOST_P
    return {
        "passed": is_found,
        "reason": None if is_found else _too_little(row),
        "planted_atr": PLANTED_ATR,
        **row,
    }


def _against_permutations(
    rule: EvidenceRule,
    instruments: Sequence[EvidenceInstrument],
    gates: Mapping[int, Gate],
    found: Trips,
) -> Control:
    drawn = np.array(
        [
            _pooled_rate(permuted_trips(rule, instruments, gates, SHUFFLE_SEED + k, WINDOW_BARS))
            for k in range(1, N_CONTROL_DRAWS + 1)
        ]
    )
    rate = _pooled_rate(found)
    p = exceeding_probability(rate, drawn)
    if not np.isfinite(p):
        return {"n": int(pooled(found).sum()), "win_rate": None, "null_win_rate": None,
                "excess": None, "p": None, "best_p": None}  # fmt: skip
    return {
        "n": int(pooled(found).sum()),
        "win_rate": rate,
        "null_win_rate": float(np.nanmean(drawn)),
        "excess": float(rate - np.nanmean(drawn)),
        "p": p,
        "best_p": exceeding_probability(1.0, drawn),
    }


def _too_little(row: Control) -> str | None:
    """Say that a control had too few round trips to judge by; None where it had enough."""
    n = cast(int, row["n"])
    if n == 0:
        return "no round trip in HIGH or EXTREME"
    if row["p"] is None:
        return "hardly a permutation has a round trip in HIGH or EXTREME"
    # Not even a rule that always won would have stood out from so few.
    if cast(float, row["best_p"]) > PLANTED_MOST_P:
        trips = counted(n, "round trip")
        return f"{trips} in HIGH and EXTREME, too few to tell an edge from luck"
    return None


def _pooled_rate(trips: Trips) -> float:
    wins = trips.wins[pooled(trips)]
    return float(wins.mean()) if wins.size else np.nan


def _cut_year(instruments: Sequence[EvidenceInstrument]) -> int:
    years = np.concatenate([each.years[each.codes >= 0] for each in instruments])
    return int(np.quantile(years, CUT_SHARE)) if years.size else 0


def _until(instrument: EvidenceInstrument, year: int) -> EvidenceInstrument | None:
    n_bars = int(np.searchsorted(instrument.years, year, side="right"))
    if n_bars < 2:
        return None
    return prepare(
        instrument.bars.slice(0, n_bars),
        asset_class=instrument.asset_class,
        preset=instrument.preset,
        symbol=instrument.symbol,
    )


def _n_differing(left: FloatArray, right: FloatArray) -> int:
    return int((~((left == right) | (np.isnan(left) & np.isnan(right)))).sum())


def _typical_length(trips: Trips) -> float:
    return float(np.median(trips.exit - trips.signal)) if len(trips) else 1.0


def _planted(
    instrument: EvidenceInstrument, signals: IntArray, n_bars_held: float
) -> EvidenceInstrument:
    """Lift the bar after each entry by `PLANTED_ATR` times the root of the bars a trade is held.

    The move of a random walk grows with that root, so short and long trades get the same edge.
    """
    bars, atr = instrument.bars, instrument.inputs.atr
    rise = np.zeros(len(bars))
    rows = signals[np.isfinite(atr[signals]) & (signals < len(bars) - 3)]
    lift = PLANTED_ATR * np.sqrt(n_bars_held / SHORT_TRADE_BARS)
    rise[rows + 2] = np.log1p(lift * atr[rows] / bars.close[rows])
    # Within bar t + 2 only the close and the high rise; every later price keeps the level.
    level = np.exp(np.cumsum(rise))
    before = np.exp(np.cumsum(rise) - rise)
    is_close_only = bars.exec_price == "CLOSE" and np.array_equal(bars.high, bars.low)
    lifted = replace(
        bars,
        open=bars.open * (level if is_close_only else before),
        high=bars.high * level,
        low=bars.low * (level if is_close_only else before),
        close=bars.close * level,
    )
    return prepare(
        lifted,
        asset_class=instrument.asset_class,
        preset=instrument.preset,
        symbol=instrument.symbol,
    )
