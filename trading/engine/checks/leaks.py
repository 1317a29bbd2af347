"""Whether a strategy knows what it cannot know, or hangs on where its history begins.

INPUT    a finished run, its bars, a seeded generator
OUTPUT   rows: truncated history, shuffled future, other starts of the history
LOOKBACK the whole run
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from marketdata.types import Bars
from trading.engine.backtest import BacktestRun, is_compiled
from trading.engine.backtest import run as backtest_run
from trading.engine.checks.held import held_states
from trading.engine.checks.row import CheckRow, not_applicable
from trading.engine.counts import counted
from trading.engine.nulls import permuted_bars
from trading.engine.planning import StepContext
from trading.engine.rules import RuleTable
from trading.engine.state import StrategyState
from trading.engine.step import step
from trading.engine.strategies.base import Features, Params, StrategySpec
from trading.engine.types import RuleStatus

# Cuts at which decisions are compared: what looks one bar ahead shows on the last bar alone, and
# only where that bar makes a difference. Trades are compared at the first few, because each is a
# run of its own.
N_CUTS = 16
N_TRADED = 3
FUTURE_BARS = 250
N_BLOCKS = 4
BLOCK_BARS = 20
# Bars before a cut that are decided again: what follows from the arrays alone is compared there.
JUDGED_BARS = 4
# Histories before a judged bar, in multiples of the declared warm-up, and the longest in bars.
WARM_UP_MULTIPLES = (1, 2, 4, 8)
LONGEST_BARS = 1_300
# Key and title of the rows.
LOOK_AHEAD = ("LOOK_AHEAD", "No look-ahead")
SHUFFLED_FUTURE = ("SHUFFLED_FUTURE", "Blind to a shuffled future")
WARM_UP = ("WARM_UP", "Enough warm-up")
TOO_SHORT = "Too little history lies behind the warm-up to cut it."


@dataclass(frozen=True, eq=False)
class Rule:
    """A strategy on one series, as far as its single decisions go."""

    spec: StrategySpec
    params: Params
    context: StepContext
    bars: Bars
    cash: float

    @cached_property
    def features(self) -> Features:
        """The causal arrays of the whole series."""
        return self.spec.prepare(self.bars, self.params)

    @property
    def warm_up(self) -> int:
        """Bars the strategy declares."""
        return self.spec.warm_up(self.params)


def rule_of(run: BacktestRun, bars: Bars) -> Rule:
    """Take the rule out of a finished run."""
    config = run.config
    context = StepContext(
        run.spec, config.costs, config.quantity_step, explains=False, limits=config.limits
    )
    return Rule(run.spec, run.params, context, bars, run.config.cash)


def look_ahead(run: BacktestRun, bars: Bars, rng: np.random.Generator) -> CheckRow:
    """Cut the history at random bars: nothing decided before may change."""
    rule = rule_of(run, bars)
    cuts = _cuts(rule, run.first_bar, rng)
    if not cuts:
        return not_applicable(*LOOK_AHEAD, TOO_SHORT)
    # Trades of a slow run are compared once: the steps before each cut are compared anyway.
    n_traded = N_TRADED if is_compiled(bars, run.spec, run.params, run.config) else 1
    changed = [
        cut
        for k, cut in enumerate(cuts)
        if not agrees(rule, bars.slice(0, cut), cut)
        or (k < n_traded and not _same_trades(run, bars.slice(0, cut), cut))
    ]
    return look_ahead_row(len(cuts), changed)


def look_ahead_row(n_cuts: int, changed: Sequence[int]) -> CheckRow:
    """Judge by the bars at which a cut changed what was decided before."""
    numbers = {"n_cuts": float(n_cuts), "n_changed": float(len(changed))}
    if changed:
        sentence = (
            f"With history cut at bar {changed[0]} what was decided before changes: it sees ahead."
        )
        return CheckRow(*LOOK_AHEAD, RuleStatus.FAIL, sentence, numbers)
    sentence = f"Cutting the history at {n_cuts} random bars changes no earlier decision."
    return CheckRow(*LOOK_AHEAD, RuleStatus.PASS, sentence, numbers)


def shuffled_future(run: BacktestRun, bars: Bars, rng: np.random.Generator) -> CheckRow:
    """Shuffle what follows random bars: nothing decided before may change."""
    changed, rule = [], rule_of(run, bars)
    cuts = _cuts(rule, run.first_bar, rng, n_after=BLOCK_BARS)
    if not cuts:
        return not_applicable(*SHUFFLED_FUTURE, TOO_SHORT)
    for cut in cuts:
        stop = min(cut + FUTURE_BARS, len(bars))
        other = permuted_bars(bars.slice(0, stop), rng, first=cut, window=FUTURE_BARS)
        if not agrees(rule, other, cut):
            changed.append(cut)
    return shuffled_future_row(len(cuts), changed)


def shuffled_future_row(n_cuts: int, changed: Sequence[int]) -> CheckRow:
    """Judge by the bars after which other prices changed what was decided before."""
    numbers = {"n_cuts": float(n_cuts), "n_changed": float(len(changed))}
    if changed:
        sentence = f"Other prices after bar {changed[0]} change what was decided before it."
        return CheckRow(*SHUFFLED_FUTURE, RuleStatus.FAIL, sentence, numbers)
    sentence = f"Shuffling the prices after {n_cuts} random bars changes no earlier decision."
    return CheckRow(*SHUFFLED_FUTURE, RuleStatus.PASS, sentence, numbers)


def agrees(rule: Rule, other: Bars, cut: int) -> bool:
    """Tell whether bars equal up to ``cut`` give the same arrays, rows and wishes on the last.

    ``cut`` lies behind the warm-up.
    """
    part = rule.spec.prepare(other, rule.params)
    judged = range(max(cut - JUDGED_BARS, 1), cut)
    return _are_equal(rule.features, part, cut) and all(
        _same_wish(part, i, state, rule)
        for i in judged
        for state in held_states(rule.features, i, rule.cash)
    )


def _cuts(rule: Rule, first_bar: int, rng: np.random.Generator, n_after: int = 0) -> list[int]:
    """Draw bars behind the warm-up, from a quarter of what is left on; none of too little.

    ``n_after`` bars at least follow each.
    """
    return cuts_between(max(first_bar, rule.warm_up + 1), len(rule.bars) - n_after, rng)


def cuts_between(begin: int, end: int, rng: np.random.Generator) -> list[int]:
    """Draw `N_CUTS` indices below ``end``, from a quarter of the way behind ``begin`` on.

    None of too little: something must have been decided before a cut.
    """
    lowest = begin + max((end - begin) // 4, 2)
    if lowest >= end:
        return []
    return [int(cut) for cut in rng.integers(lowest, end, size=N_CUTS)]


def _are_equal(whole: Features, part: Features, n: int) -> bool:
    same_arrays = all(
        np.array_equal(array[:n], part.arrays[name][:n], equal_nan=True)
        for name, array in whole.arrays.items()
    )
    same_codes = all(
        np.array_equal(getattr(whole.regimes, name)[:n], getattr(part.regimes, name)[:n])
        for name in ("codes", "settled_codes")
    )
    return same_arrays and same_codes and _same_rows(whole.table, part.table, n)


def _same_rows(whole: RuleTable | None, part: RuleTable | None, n: int) -> bool:
    if whole is None or part is None:
        return whole is part
    terms = [field.name for field in fields(RuleTable) if field.name != "rows"]
    return all(getattr(whole, name) == getattr(part, name) for name in terms) and np.array_equal(
        whole.rows[:n], part.rows[:n], equal_nan=True
    )


def _same_wish(part: Features, i: int, state: StrategyState, rule: Rule) -> bool:
    # What is decided on the last known bar trades after it, so no comparison of trades sees it.
    try:
        return step(part, i, state, rule.context) == step(rule.features, i, state, rule.context)
    except IndexError:
        return False


def _same_trades(run: BacktestRun, known: Bars, cut: int) -> bool:
    config = replace(run.config, progress=None, observe=None, keeps_decisions=False)
    try:
        part = backtest_run(known, run.spec, run.params, config)
    except IndexError:
        return False
    ours = [(fill.bar, fill.side) for fill in run.fills if fill.bar < cut]
    if [(fill.bar, fill.side) for fill in part.fills if fill.bar < cut] != ours:
        return False
    n = cut - run.first_bar
    # Not to the last bit: a run that keeps its decisions takes the other of the two equal paths.
    return bool(np.allclose(part.equity[:n], run.equity[:n], rtol=1e-9, atol=0.0))


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Lengths of history, declared one first, and the share of decisions that differ with each."""

    lengths: tuple[int, ...]
    shares: tuple[float, ...]

    @property
    def settled(self) -> int | None:
        """Length from which on no decision differs; None where the longest is not enough."""
        return next((n for k, n in enumerate(self.lengths) if not any(self.shares[k:])), None)


def warm_up(run: BacktestRun, bars: Bars) -> CheckRow:
    """Start the history later: after the warm-up the decisions must be those of all history."""
    rule = rule_of(run, bars)
    found = warm_up_of(rule)
    if found is None:
        declared = counted(max(rule.warm_up, 1), "bar")
        why = f"{counted(len(bars), 'bar')} are too few to start {declared} of warm-up later."
        return not_applicable(*WARM_UP, why)
    return warm_up_row([found])


def warm_up_of(rule: Rule) -> WarmUp | None:
    """Compare decisions after histories of several lengths; None for a series too short for it."""
    n_bars, declared = len(rule.bars), max(rule.warm_up, 1)
    longest = max(LONGEST_BARS, declared)
    lengths = sorted({min(declared * m, longest) for m in WARM_UP_MULTIPLES} | {longest})
    lengths = [n for n in lengths if n < n_bars - N_BLOCKS * BLOCK_BARS]
    if not lengths:
        return None
    blocks = _blocks(lengths[-1], n_bars)
    known = {i: _wishes(rule, rule.features, i) for first in blocks for i in _block(first)}
    shares = tuple(_changed_share(rule, n, blocks, known) for n in lengths)
    return WarmUp(tuple(lengths), shares)


def warm_up_row(found: Sequence[WarmUp]) -> CheckRow:
    """Judge what one instrument or several found; each counts alike in the shares."""
    declared, longest = max(one.lengths[0] for one in found), max(one.lengths[-1] for one in found)
    changed = sum(one.shares[0] for one in found) / len(found)
    still = sum(one.shares[-1] for one in found) / len(found)
    known = [one.settled for one in found if one.settled is not None]
    settled = max(known) if len(known) == len(found) else None
    numbers = {
        "warm_up_bars": float(declared),
        "changed_share": changed,
        "changed_share_longest": still,
        "settled_bars": math.nan if settled is None else float(settled),
    }
    if all(one.settled == one.lengths[0] for one in found):
        status, words = RuleStatus.PASS, "every decision is that of the whole history"
    elif settled is not None:
        status = RuleStatus.WARN
        words = f"{changed:.1%} of decisions differ; from {counted(settled, 'bar')} on none does"
    else:
        status = RuleStatus.FAIL
        words = (
            f"{changed:.1%} of decisions differ, and {still:.1%} still after "
            f"{longest:,} bars: they hang on where the history begins"
        )
    return CheckRow(
        *WARM_UP, status, f"After {counted(declared, 'bar')} of warm-up {words}.", numbers
    )


def _blocks(longest: int, n_bars: int) -> list[int]:
    firsts = np.linspace(longest, n_bars - BLOCK_BARS, N_BLOCKS).astype(np.int64)
    return sorted({int(first) for first in firsts})


def _block(first: int) -> range:
    return range(first, first + BLOCK_BARS)


def _changed_share(
    rule: Rule, length: int, blocks: list[int], known: Mapping[int, Sequence[str]]
) -> float:
    """Return the share of decisions that differ with only ``length`` bars before them."""
    n_judged, n_changed = 0, 0
    for first in blocks:
        begin = first - length
        part = rule.spec.prepare(rule.bars.slice(begin, first + BLOCK_BARS), rule.params)
        for i in _block(first):
            wishes = _wishes(rule, part, i - begin, known_at=i)
            n_changed += sum(a != b for a, b in zip(known[i], wishes, strict=True))
            n_judged += len(wishes)
    return n_changed / n_judged


def _wishes(rule: Rule, features: Features, i: int, known_at: int | None = None) -> list[str]:
    """Return what is wanted at bar ``i`` under each state that a rule knows.

    Stop, target and limit are those that these features would have set. How long a position has
    been held is no matter of theirs: it comes from the whole history, at its bar ``known_at``.
    """
    states = held_states(features, i, rule.cash)
    if known_at is not None:
        ages = [state.bars_held for state in held_states(rule.features, known_at, rule.cash)]
        states = tuple(
            state.changed(bars_held=age) for state, age in zip(states, ages, strict=True)
        )
    return [_wish(features, i, state, rule) for state in states]


def _wish(features: Features, i: int, state: StrategyState, rule: Rule) -> str:
    try:
        intent = step(features, i, state, rule.context).order_intent
    except IndexError:
        return "READS_AHEAD"
    if intent is None:
        return ""
    # To sell a part because the size follows the market is not to leave.
    return f"{intent.side} ALL" if intent.closes_position else str(intent.side)
