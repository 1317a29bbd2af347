"""One run of protocol vol-robustness-v1: decisions, nulls, tables, controls, goals.

INPUT    prepared instruments, a rule, perhaps other instruments to learn from
OUTPUT   the report as plain values
LOOKBACK the models of a year have seen earlier years only; the tables use everything
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from trading.engine import hybrid
from trading.engine.errors import ConfigInvalid, InsufficientBars
from trading.engine.evidence import controls, tables
from trading.engine.evidence.decisions import (
    Decisions,
    blind_trips,
    decide,
    decide_all,
    exit_trips,
    permuted_trips,
)
from trading.engine.evidence.gates import Gate, learning_set, yearly_gates
from trading.engine.evidence.goals import goal_lines, missed_names
from trading.engine.evidence.instruments import EvidenceInstrument
from trading.engine.evidence.nulls import WINDOW_BARS, RandomEntries, random_entries
from trading.engine.evidence.portfolio import (
    WEEKDAYS_PER_YEAR,
    DailyResults,
    always_long_days,
    figures,
    strategy_days,
)
from trading.engine.evidence.rules import EvidenceRule, HybridChoice, hybrid_setup, rule_get
from trading.engine.evidence.trips import Trips, outcomes
from trading.engine.kernels import FloatArray
from trading.engine.learning.calibration import calibration_bins, expected_calibration_error
from trading.engine.learning.models import ModelKind
from trading.engine.luck import deflated_sharpe_ratio, overfitting, probabilistic_sharpe_ratio

PROTOCOL = "vol-robustness-v1"
PROTOCOLS = (PROTOCOL,)
SEED = 20_240_601
CALIBRATED_TO = 0.75
N_BINS = 10
N_OVERFITTING_BLOCKS = 16
CALIBRATION_GOALS = frozenset({"calibration_error_to_075", "calibration_error_all"})

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class TrialCount:
    """Configurations ever evaluated, and the spread of their yearly Sharpe ratios."""

    n_trials: int
    sharpe_std: float


@dataclass(frozen=True, slots=True)
class Effort:
    """How many draws a run makes; the protocol's own numbers are the defaults."""

    n_random: int = 500
    n_permutations: int = 30


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    rule: EvidenceRule
    instruments: Sequence[EvidenceInstrument]
    training: Sequence[EvidenceInstrument]
    gates: Mapping[int, Gate]
    decisions: Sequence[Decisions]
    effort: Effort


def silent(share: float, text: str) -> None:
    """Show no progress."""


def verify(
    instruments: Sequence[EvidenceInstrument],
    strategy_key: str,
    *,
    trials: TrialCount,
    training: Sequence[EvidenceInstrument] | None = None,
    effort: Effort | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Test a strategy under the protocol.

    Parameters
    ----------
    instruments : sequence of EvidenceInstrument
        Under test; at least one with a known regime.
    strategy_key : str
        Of a strategy with default parameters.
    trials : TrialCount
        For the deflated Sharpe ratio.
    training : sequence of EvidenceInstrument or None
        Whom the models learn from; None walks forward within ``instruments``.
    effort : Effort or None
        Draws; None makes the protocol's.
    progress : callable
        Takes the share done in [0, 1] and what is being done.

    Returns
    -------
    dict
        Plain values: regimes, spread_pp, all, profit_blind, absolute_regimes, by_class, by_period,
        portfolio, calibration, luck, controls, goals, missed. The same input gives the same values.

    Raises
    ------
    ConfigInvalid
        For a strategy that the protocol cannot test, or that signals no trade at all.
    InsufficientBars
        If no instrument has a bar with a known regime.
    """
    rule = rule_get(strategy_key)
    if not any((each.codes >= 0).any() for each in instruments):
        raise InsufficientBars("no instrument has the 253 bars that a regime needs")
    progress(0.0, "Learning")
    run = _decided(rule, instruments, training or instruments, effort or Effort())
    if not _traded(run):
        scope = f"; it trades only {rule.scope}" if rule.scope else ""
        raise ConfigInvalid(
            f"strategy {strategy_key!r} signals no trade on these instruments{scope}"
        )
    progress(0.05, "Null of random entries")
    report = _tables(run)
    report["profit_blind"]["n2"] = _permutations(run, progress)
    progress(0.60, "Portfolio")
    trips = exit_trips(instruments, run.decisions)
    days = strategy_days(instruments, trips, rule.most_positions)
    report["portfolio"] = _portfolio(run, days)
    report["calibration"] = _calibration(run)
    report["model"] = _model(run)
    progress(0.63, "Luck")
    report["luck"] = _luck(run, days, trials)
    report["controls"] = _controls(run, progress)
    without = frozenset() if rule.has_model else CALIBRATION_GOALS
    report["goals"] = goal_lines(report, without=without)
    report["missed"] = missed_names(report["goals"])
    progress(1.0, "Done")
    return report


def _decided(
    rule: EvidenceRule,
    instruments: Sequence[EvidenceInstrument],
    training: Sequence[EvidenceInstrument],
    effort: Effort,
) -> _Run:
    gates: Mapping[int, Gate] = {}
    if rule.has_model:
        years = np.unique(np.concatenate([each.years for each in instruments]))
        gates = yearly_gates(learning_set(training), years.tolist())
    return _Run(rule, instruments, training, gates, decide_all(rule, instruments, gates), effort)


def _tables(run: _Run) -> dict[str, Any]:
    trips = exit_trips(run.instruments, run.decisions)
    entries = _random_entries(run, is_blind=False)
    blind = blind_trips(run.instruments, run.decisions)
    n_draws = run.effort.n_random
    draws = {"seed": SEED, "n_draws": n_draws}
    regimes = tables.regime_table(trips, trips.code, entries, **draws)
    return {
        "regimes": regimes,
        "spread_pp": tables.spread_pp(regimes),
        "smallest_n": min(row["n"] for row in regimes.values()),
        "all": tables.win_row(trips, entries, **draws),
        "absolute_regimes": tables.regime_table(trips, trips.absolute_code, entries, **draws),
        "by_class": tables.split_table(
            trips, tables.class_labels(run.instruments, trips), entries, **draws
        ),
        "by_period": tables.split_table(trips, tables.period_labels(trips), entries, **draws),
        "profit_blind": _blind_tables(run, blind, draws),
    }


def _blind_tables(run: _Run, blind: Trips, draws: dict[str, int]) -> dict[str, Any]:
    entries = _random_entries(run, is_blind=True)
    regimes = tables.regime_table(blind, blind.code, entries, **draws)
    return {
        "regimes": regimes,
        "spread_pp": tables.spread_pp(regimes),
        "all": tables.win_row(blind, entries, **draws),
    }


def _random_entries(run: _Run, *, is_blind: bool) -> RandomEntries:
    plans = {
        id(instrument): each.setup.blind if is_blind else each.setup.exits
        for instrument, each in zip(run.instruments, run.decisions, strict=True)
    }
    return random_entries(run.instruments, lambda instrument: plans[id(instrument)])


def _traded(run: _Run) -> list[EvidenceInstrument]:
    """Return the instruments the rule ever signals on; the others cannot change a null."""
    return [
        instrument
        for instrument, each in zip(run.instruments, run.decisions, strict=True)
        if each.setup.signals.any()
    ]


def _permutations(run: _Run, progress: Progress) -> dict[str, Any]:
    kept = _traded(run)
    blind = blind_trips(run.instruments, run.decisions)
    n_draws = run.effort.n_permutations
    draws = []
    for k in range(n_draws):
        progress(0.10 + 0.50 * k / n_draws, f"Permutation {k + 1} of {n_draws}")
        draws.append(permuted_trips(run.rule, kept, run.gates, SEED + k, WINDOW_BARS))
    return tables.permutation_row(blind, draws)


def _portfolio(run: _Run, days: DailyResults) -> dict[str, Any]:
    if not days.days.size:
        return {"sharpe_ratio": None, "always_long": None}
    held = always_long_days(_traded(run), int(days.days[0]), int(days.days[-1]))
    return _plain(figures(days)) | {"always_long": _plain(figures(held))}


def _calibration(run: _Run) -> dict[str, Any] | None:
    """Compare P(win) with what came of every candidate, vetoed ones included."""
    if not run.rule.has_model:
        return None
    chances, won = [], []
    for instrument, each in zip(run.instruments, run.decisions, strict=True):
        played = outcomes(instrument, each.setup.signals, each.setup.blind)
        rows = (played.exit_bars >= 0) & np.isfinite(each.probabilities)
        chances.append(each.probabilities[rows])
        won.append(played.net[rows] > 0.0)
    probabilities, wins = np.concatenate(chances), np.concatenate(won)
    if not probabilities.size:
        return {"n": 0, "ece": None, "ece_all": None, "bins": []}
    is_below = probabilities <= CALIBRATED_TO
    bins = calibration_bins(probabilities, wins, N_BINS)
    return {
        "n": int(probabilities.size),
        "n_to_075": int(is_below.sum()),
        "ece": _number(
            expected_calibration_error(probabilities, wins, N_BINS, most=CALIBRATED_TO)
            if is_below.any()
            else math.nan
        ),
        "ece_all": _number(expected_calibration_error(probabilities, wins, N_BINS)),
        "bins": [_plain(each) for each in bins],
    }


def _model(run: _Run) -> dict[str, Any] | None:
    if not run.rule.has_model:
        return None
    n_signals = sum(int(each.setup.signals.sum()) for each in run.decisions)
    n_kept = sum(int(each.signals.sum()) for each in run.decisions)
    return {
        "kind": str(ModelKind.LOGISTIC),
        "features": list(hybrid.FEATURE_NAMES),
        "n_candidates": n_signals,
        "n_vetoed": n_signals - n_kept,
        "gates": [
            {
                "year": gate.year,
                "n_train": gate.model.n_train,
                "n_calibration": gate.model.n_calibration,
                "base_rate": gate.model.base_rate,
                "threshold": gate.threshold,
            }
            for gate in run.gates.values()
        ],
    }


def _luck(run: _Run, days: DailyResults, trials: TrialCount) -> dict[str, Any]:
    row: dict[str, Any] = {"n_trials": trials.n_trials, "psr": None, "dsr": None, "pbo": None}
    if days.returns.size < 2 * N_OVERFITTING_BLOCKS or not days.returns.any():
        return row
    std = trials.sharpe_std / math.sqrt(WEEKDAYS_PER_YEAR)
    row["psr"] = _number(probabilistic_sharpe_ratio(days.returns))
    row["dsr"] = _number(deflated_sharpe_ratio(days.returns, trials.n_trials, std))
    if run.rule.has_model:
        family = _family_returns(run, days)
        row["pbo"] = _number(overfitting(family, N_OVERFITTING_BLOCKS).probability)
        row["pbo_configurations"] = family.shape[1]
    return row


def _family_returns(run: _Run, days: DailyResults) -> FloatArray:
    """Return daily results of the rule's neighbors, shape (n_days, n_configurations)."""
    kept = _traded(run)
    columns = []
    for level, take, limit in product((5.0, 10.0, 15.0), (0.1, 0.25, 0.5), (20, 40)):
        choice = HybridChoice(entry_level=level, take_atr=(take,) * 4, max_bars=(limit,) * 4)
        neighbor = replace(run.rule, setup=partial(hybrid_setup, choice=choice))
        decided = [decide(neighbor, instrument, run.gates) for instrument in kept]
        other = strategy_days(kept, exit_trips(kept, decided), run.rule.most_positions)
        columns.append(_on(other, days))
    return np.column_stack(columns)


def _on(results: DailyResults, days: DailyResults) -> FloatArray:
    out = np.zeros(days.days.shape[0])
    rows = results.days - days.days[0]
    inside = (rows >= 0) & (rows < out.shape[0])
    out[rows[inside]] = results.returns[inside]
    return out


def _controls(run: _Run, progress: Progress) -> dict[str, Any]:
    kept = _traded(run)
    progress(0.65, "Control: truncated history")
    truncated = controls.truncated_history(run.rule, run.instruments, run.training, run.gates)
    progress(0.70, "Control: shuffled prices")
    shuffled = controls.shuffled_prices(run.rule, kept, run.gates)
    progress(0.85, "Control: planted edge")
    planted = controls.planted_edge(run.rule, kept, run.gates)
    found = {"truncated_history": truncated, "shuffled_prices": shuffled, "planted_edge": planted}
    return found | {"n_passed": sum(bool(each["passed"]) for each in found.values())}


def _plain(values: Any) -> dict[str, Any]:
    return {
        name: _number(value) if isinstance(value, float) else value
        for name, value in asdict(values).items()
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
