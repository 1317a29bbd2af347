"""Whether an account knows what it cannot know, or hangs on where its histories begin.

INPUT    a finished portfolio run, what it was made from, a seeded generator
OUTPUT   rows: truncated history, shuffled future, other starts of the history; bars are the clock's
LOOKBACK the whole run

Each instrument's decisions are compared as those of a single instrument are. What the instruments
decide together (shares, free slots, correlation) is compared by trading the account again up to the
first cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from marketdata.types import IntArray
from trading.engine.allocation import Allocation
from trading.engine.checks.account_reruns import Progress
from trading.engine.checks.leaks import (
    BLOCK_BARS,
    FUTURE_BARS,
    LOOK_AHEAD,
    SHUFFLED_FUTURE,
    WARM_UP,
    Rule,
    agrees,
    cuts_between,
    look_ahead_row,
    shuffled_future_row,
    warm_up_of,
    warm_up_row,
)
from trading.engine.checks.row import CheckRow, not_applicable
from trading.engine.errors import InsufficientBars
from trading.engine.planning import StepContext
from trading.engine.portfolio_backtest import PortfolioRun, account_equity
from trading.engine.portfolio_nulls import permuted_legs
from trading.engine.shared_account import Leg

TOO_SHORT = "Too little history is shared to cut it."
N_TRADED = 1


def look_ahead(
    run: PortfolioRun,
    legs: Sequence[Leg],
    allocation: Allocation,
    rng: np.random.Generator,
    tell: Progress,
) -> CheckRow:
    """Cut all histories at random moments: nothing decided before may change."""
    cuts = _cuts(run, legs, rng)
    if not cuts:
        return not_applicable(*LOOK_AHEAD, TOO_SHORT)

    def known(cut: int, moment: int) -> list[Leg]:
        return [replace(leg, bars=leg.bars.slice(0, _n_before(leg, moment))) for leg in legs]

    return look_ahead_row(len(cuts), _changed(run, legs, allocation, cuts, known, tell))


def shuffled_future(
    run: PortfolioRun,
    legs: Sequence[Leg],
    allocation: Allocation,
    rng: np.random.Generator,
    tell: Progress,
) -> CheckRow:
    """Shuffle what follows random moments in all instruments: nothing decided before may change."""
    cuts, clock = _cuts(run, legs, rng, n_after=BLOCK_BARS), run.account.closed_at
    if not cuts:
        return not_applicable(*SHUFFLED_FUTURE, TOO_SHORT)

    def shuffled(cut: int, moment: int) -> list[Leg]:
        last = int(clock[min(cut + FUTURE_BARS, clock.shape[0]) - 1])
        near = [replace(leg, bars=leg.bars.slice(0, _n_before(leg, last + 1))) for leg in legs]
        return permuted_legs(near, rng, first=_first_tick(near, moment), window=FUTURE_BARS)

    return shuffled_future_row(len(cuts), _changed(run, legs, allocation, cuts, shuffled, tell))


def warm_up(run: PortfolioRun, legs: Sequence[Leg], tell: Progress) -> CheckRow:
    """Start every history later: after the warm-up the decisions must be those of all history."""
    found = []
    for k, rule in enumerate(_rules(run, legs)):
        tell(k / len(legs))
        found.append(warm_up_of(rule))
    known = [one for one in found if one is not None]
    if not known:
        return not_applicable(*WARM_UP, "No history is long enough to start its warm-up later.")
    row = warm_up_row(known)
    return replace(row, numbers={**row.numbers, "n_instruments": float(len(known))})


def _changed(
    run: PortfolioRun,
    legs: Sequence[Leg],
    allocation: Allocation,
    cuts: Sequence[int],
    other: Callable[[int, int], list[Leg]],
    tell: Progress,
) -> list[int]:
    """Return the cuts before which another history changed a decision, a wish or the equity."""
    rules, changed = _rules(run, legs), []
    for k, cut in enumerate(cuts):
        tell(k / len(cuts))
        moment = int(run.account.closed_at[cut])
        histories = other(cut, moment)
        if not _agree(rules, histories, moment) or (
            k < N_TRADED and not _earns_the_same(run, histories, allocation, moment)
        ):
            changed.append(cut)
    return changed


def _rules(run: PortfolioRun, legs: Sequence[Leg]) -> list[Rule]:
    config = run.account.config
    rules = []
    for leg in legs:
        spec, params = leg.resolved()
        costs = leg.costs or config.costs
        context = StepContext(
            spec, costs, config.quantity_step, explains=False, limits=config.limits
        )
        rules.append(Rule(spec, params, context, leg.bars, config.cash / len(legs)))
    return rules


def _cuts(
    run: PortfolioRun, legs: Sequence[Leg], rng: np.random.Generator, n_after: int = 0
) -> list[int]:
    """Draw ticks behind every instrument's warm-up, from a quarter of what is left there on.

    ``n_after`` ticks at least follow each.
    """
    clock = run.account.closed_at
    begin = 1
    for leg in legs:
        spec, params = leg.resolved()
        first = min(spec.warm_up(params) + 1, len(leg.bars) - 1)
        begin = max(begin, int(np.searchsorted(clock, leg.bars.closed_at[first])) + 1)
    return cuts_between(begin, clock.shape[0] - n_after, rng)


def _agree(rules: Sequence[Rule], legs: Sequence[Leg], moment: int) -> bool:
    return all(
        agrees(rule, leg.bars, _n_before(leg, moment))
        for rule, leg in zip(rules, legs, strict=True)
    )


def _earns_the_same(
    run: PortfolioRun, legs: Sequence[Leg], allocation: Allocation, moment: int
) -> bool:
    config = replace(run.account.config, progress=None, observe=None, keeps_decisions=False)
    try:
        equity = account_equity(legs, config, allocation, until=moment)
    except (IndexError, InsufficientBars):
        return False
    ours = run.account.equity[: equity.shape[0]]
    return bool(np.allclose(equity, ours, rtol=1e-9, atol=0.0))


def _n_before(leg: Leg, moment: int) -> int:
    return int(np.searchsorted(leg.bars.closed_at, moment, "left"))


def _first_tick(legs: Sequence[Leg], moment: int) -> int:
    clock: IntArray = np.unique(np.concatenate([leg.bars.closed_at for leg in legs]))
    return int(np.searchsorted(clock, moment, "left"))
