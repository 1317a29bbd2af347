"""Whether a strategy knows what it cannot know, or hangs on where its history begins.

INPUT    a finished run, its bars, a seeded generator
OUTPUT   rows: truncated history, shuffled future, other starts of the history
LOOKBACK the whole run
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from marketdata.types import Bars
from trading.engine.backtest import BacktestRun, is_compiled
from trading.engine.backtest import run as backtest_run
from trading.engine.checks.row import CheckRow, not_applicable
from trading.engine.nulls import permuted_bars
from trading.engine.planning import StepContext
from trading.engine.state import StrategyState, start
from trading.engine.step import StepOutcome, step
from trading.engine.strategies.base import Features
from trading.engine.types import RuleStatus

N_CUTS = 3
FUTURE_BARS = 250
N_BLOCKS = 4
BLOCK_BARS = 20
# Histories before a judged bar, in multiples of the declared warm-up, and the longest in bars.
WARM_UP_MULTIPLES = (1, 2, 4, 8)
LONGEST_BARS = 1_300


def look_ahead(run: BacktestRun, bars: Bars, rng: np.random.Generator) -> CheckRow:
    """Cut the history at random bars: nothing decided before may change."""
    key, title = "LOOK_AHEAD", "No look-ahead"
    cuts = _cuts(run, bars, rng)
    # Trades of a slow run are compared once: the steps before each cut are compared anyway.
    n_traded = N_CUTS if is_compiled(bars, run.spec, run.params, run.config) else 1
    changed = [
        cut
        for k, cut in enumerate(cuts)
        if not _agrees(run, bars, bars.slice(0, cut), cut)
        or (k < n_traded and not _same_trades(run, bars.slice(0, cut), cut))
    ]
    numbers = {"n_cuts": float(N_CUTS), "n_changed": float(len(changed))}
    if changed:
        sentence = (
            f"With history cut at bar {changed[0]} what was decided before changes: it sees ahead."
        )
        return CheckRow(key, title, RuleStatus.FAIL, sentence, numbers)
    sentence = f"Cutting the history at {N_CUTS} random bars changes no earlier decision."
    return CheckRow(key, title, RuleStatus.PASS, sentence, numbers)


def shuffled_future(run: BacktestRun, bars: Bars, rng: np.random.Generator) -> CheckRow:
    """Shuffle what follows random bars: nothing decided before may change."""
    key, title = "SHUFFLED_FUTURE", "Blind to a shuffled future"
    changed = []
    for cut in _cuts(run, bars, rng):
        stop = min(cut + FUTURE_BARS, len(bars))
        other = permuted_bars(bars.slice(0, stop), rng, first=cut, window=FUTURE_BARS)
        if not _agrees(run, bars, other, cut):
            changed.append(cut)
    numbers = {"n_cuts": float(N_CUTS), "n_changed": float(len(changed))}
    if changed:
        sentence = f"Other prices after bar {changed[0]} change what was decided before it."
        return CheckRow(key, title, RuleStatus.FAIL, sentence, numbers)
    sentence = f"Shuffling the prices after {N_CUTS} random bars changes no earlier decision."
    return CheckRow(key, title, RuleStatus.PASS, sentence, numbers)


def warm_up(run: BacktestRun, bars: Bars) -> CheckRow:
    """Start the history later: after the warm-up the decisions must be those of all history."""
    key, title = "WARM_UP", "Enough warm-up"
    declared = max(run.spec.warm_up(run.params), 1)
    lengths = sorted({min(declared * m, LONGEST_BARS) for m in WARM_UP_MULTIPLES} | {LONGEST_BARS})
    lengths = [n for n in lengths if n >= declared and n < len(bars) - N_BLOCKS * BLOCK_BARS]
    if not lengths:
        why = f"{len(bars):,} bars are too few to start {declared} bars of warm-up later."
        return not_applicable(key, title, why)
    whole = run.spec.prepare(bars, run.params)
    blocks = _blocks(lengths[-1], len(bars))
    shares = [_changed_share(run, bars, whole, n, blocks) for n in lengths]
    settled = next((n for k, n in enumerate(lengths) if not any(shares[k:])), None)
    numbers = {
        "warm_up_bars": float(declared),
        "changed_share": shares[0],
        "changed_share_longest": shares[-1],
        "settled_bars": math.nan if settled is None else float(settled),
    }
    if settled == lengths[0]:
        status, words = RuleStatus.PASS, "every decision is that of the whole history"
    elif settled is not None:
        status = RuleStatus.WARN
        words = f"{shares[0]:.1%} of decisions differ; from {settled:,} bars on none does"
    else:
        status = RuleStatus.FAIL
        words = (
            f"{shares[0]:.1%} of decisions differ, and {shares[-1]:.1%} still after "
            f"{lengths[-1]:,} bars: they hang on where the history begins"
        )
    return CheckRow(key, title, status, f"After {declared:,} bars of warm-up {words}.", numbers)


def _cuts(run: BacktestRun, bars: Bars, rng: np.random.Generator) -> list[int]:
    lowest = run.first_bar + max((len(bars) - run.first_bar) // 4, 2)
    lowest = min(lowest, len(bars) - 1)
    return [int(cut) for cut in rng.integers(lowest, len(bars), size=N_CUTS)]


def _agrees(run: BacktestRun, bars: Bars, other: Bars, cut: int) -> bool:
    """Tell whether bars equal up to ``cut`` give the same arrays and wishes on the last."""
    spec = run.spec
    if cut <= spec.warm_up(run.params):
        # Too short to run at all says nothing about looking ahead.
        return True
    whole, part = spec.prepare(bars, run.params), spec.prepare(other, run.params)
    judged = range(max(cut - BLOCK_BARS, 1), cut)
    return _are_equal(whole, part, cut) and all(
        _same_wish(whole, part, i, state, run) for i in judged for state in _states(whole, i, run)
    )


def _are_equal(whole: Features, part: Features, n: int) -> bool:
    same_arrays = all(
        np.array_equal(array[:n], part.arrays[name][:n], equal_nan=True)
        for name, array in whole.arrays.items()
    )
    return same_arrays and bool(np.array_equal(whole.regimes.codes[:n], part.regimes.codes[:n]))


def _same_wish(
    whole: Features, part: Features, i: int, state: StrategyState, run: BacktestRun
) -> bool:
    # What is decided on the last known bar trades after it, so no comparison of trades sees it.
    try:
        return _step(part, i, state, run) == _step(whole, i, state, run)
    except IndexError:
        return False


def _step(features: Features, i: int, state: StrategyState, run: BacktestRun) -> StepOutcome:
    context = StepContext(run.spec, run.config.costs, run.config.quantity_step, explains=False)
    return step(features, i, state, context)


def _same_trades(run: BacktestRun, known: Bars, cut: int) -> bool:
    if cut <= run.spec.warm_up(run.params) or cut - run.first_bar < 2:
        # Too short to run at all.
        return True
    config = replace(run.config, progress=None, keeps_decisions=False)
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


def _blocks(longest: int, n_bars: int) -> list[int]:
    firsts = np.linspace(longest, n_bars - BLOCK_BARS, N_BLOCKS).astype(np.int64)
    return sorted({int(first) for first in firsts})


def _changed_share(
    run: BacktestRun, bars: Bars, whole: Features, length: int, blocks: list[int]
) -> float:
    """Return the share of bars whose decision differs with only ``length`` bars before them."""
    n_judged, n_changed = 0, 0
    for first in blocks:
        begin = first - length
        part = run.spec.prepare(bars.slice(begin, first + BLOCK_BARS), run.params)
        for i in range(first, first + BLOCK_BARS):
            for state in _states(whole, i, run):
                moved = replace(state, entry_bar=max(state.entry_bar - begin, -1))
                ours, theirs = _side(whole, i, state, run), _side(part, i - begin, moved, run)
                n_changed += ours != theirs
                n_judged += 1
    return n_changed / n_judged


def _side(features: Features, i: int, state: StrategyState, run: BacktestRun) -> str:
    try:
        intent = _step(features, i, state, run).order_intent
    except IndexError:
        return "READS_AHEAD"
    return str(intent.side) if intent else ""


def _states(whole: Features, i: int, run: BacktestRun) -> tuple[StrategyState, ...]:
    """Flat, and invested since the bar before: every rule asks one or the other."""
    flat = start(run.config.cash)
    price = float(whole.bars.close[i - 1])
    held = replace(
        flat,
        cash=0.0,
        quantity=flat.cash / price,
        avg_entry_price=price,
        entry_bar=i,
        bars_held=1,
    )
    return flat, held
