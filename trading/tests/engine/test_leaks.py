"""What knows the future or hangs on the start of history is caught, in exits as in entries."""

from dataclasses import replace

import numpy as np
import pytest

from trading.engine import rules
from trading.engine.backtest import run
from trading.engine.checks import leaks
from trading.engine.checks.held import held_states
from trading.engine.regimes import regimes_of
from trading.engine.rules import (
    COST_RATE,
    DIP_WEIGHT,
    ENTER_DIP,
    ENTER_TREND,
    HOLDING_LIMIT,
    LEAVE_DIP,
    LEAVE_TREND,
    N_COLUMNS,
    SIGNALS,
    STOP_DISTANCE,
    TARGET_DISTANCE,
    TREND_WEIGHT,
    RuleTable,
)
from trading.engine.strategies import sma_cross, strategy_get, tables
from trading.engine.strategies.base import Features, Proposal, resolve_params
from trading.engine.types import RuleStatus
from trading.tests.engine.laws import some
from trading.tests.engine.walks import random_walk

BARS = random_walk(41, 420)


def rng():
    return np.random.default_rng(0)


# Entries are honest; what is held is left by something the check has to see.
ENTERS = {"TREND": ENTER_TREND, "DIP": ENTER_DIP}
LEAVES = {"TREND": LEAVE_TREND, "DIP": LEAVE_DIP}


def tabled(leave=None, kind="TREND", warm_up=2, rebalances=False, **columns):
    """Enters after a rise of one percent; leaves, holds and protects as the columns say."""

    def prepare(bars, params):
        n = len(bars)
        entry = np.zeros(n, dtype=bool)
        entry[1:] = bars.close[1:] > 1.01 * bars.close[:-1]
        ends = np.zeros(n, dtype=bool) if leave is None else leave(bars) & ~entry
        rows = np.full((N_COLUMNS, n), np.nan)
        rows[SIGNALS] = ENTERS[kind] * entry + LEAVES[kind] * ends
        rows[[TREND_WEIGHT, DIP_WEIGHT]] = 0.5
        rows[[HOLDING_LIMIT, COST_RATE]] = 0.0
        for name, column in columns.items():
            rows[getattr(rules, name)] = column(bars)
        table = RuleTable(rows.T, rebalances=rebalances)
        return Features(bars, params, regimes_of(bars), warm_up, {}, table)

    return replace(
        sma_cross.SPEC, key="tabled", parameters=(), prepare=prepare, decide=tables.propose,
        targets=None, check=None, warm_up=lambda params: warm_up,
    )  # fmt: skip


def next_falls(bars):
    return np.append(bars.close[1:], bars.close[-1]) < bars.close


def every_seventh(bars):
    return np.arange(len(bars)) % 7 == 0


def leak_rows(spec, bars=BARS):
    result = run(bars, spec)
    return [leaks.look_ahead(result, bars, rng()), leaks.shuffled_future(result, bars, rng())]


@pytest.mark.parametrize("kind", ["TREND", "DIP"])
def test_an_exit_that_reads_the_next_close_is_caught(kind):
    assert [row.status for row in leak_rows(tabled(next_falls, kind))] == [RuleStatus.FAIL] * 2


def bare(bars, params):
    return replace(sma_cross.prepare(bars, params), arrays={}, table=None)


def test_an_exit_of_a_short_that_reads_the_next_close_is_caught():
    def decide(features, i, state):
        is_short = state.quantity < 0.0 and not next_falls(features.bars)[i]
        weight = -0.5 if is_short or (not state.quantity and i % 9 == 0) else 0.0
        return Proposal(weight, weight, "SHORT" if weight else "FLAT")

    spec = replace(sma_cross.SPEC, prepare=bare, decide=decide, targets=None)

    assert RuleStatus.FAIL in [row.status for row in leak_rows(spec)]


def test_a_row_that_knows_the_future_is_caught_before_anything_is_earned_by_it():
    def knows_the_mean(bars):
        # Where nothing is entered no weight is read.
        is_unread = np.append(True, bars.close[1:] <= 1.01 * bars.close[:-1])
        is_unread[100:] = False
        return np.where(is_unread, 1.0 / bars.close.mean(), 0.5)

    spec = tabled(every_seventh, TREND_WEIGHT=knows_the_mean)

    assert leaks.look_ahead(run(BARS, spec), BARS, rng()).status is RuleStatus.FAIL


def test_what_a_check_holds_is_what_a_fill_of_the_row_opens():
    features = strategy_get("hybrid").prepare(
        BARS, resolve_params(strategy_get("hybrid"), {"protection": "resting"})
    )
    i = len(BARS) - 1
    row, price = features.table.rows[i - 1], BARS.close[i - 1]

    _, _, dip, _ = held_states(features, i, 1_000.0)

    # An order that rests is filled before costs: the way out is paid as the way in.
    paid = price * (1.0 + row[COST_RATE])
    assert dip.target_price == (paid + row[TARGET_DISTANCE]) / (1.0 - row[COST_RATE])
    assert dip.stop_price == price - row[STOP_DISTANCE]
    assert (dip.quantity, dip.entry_bar, dip.bars_held) == (1_000.0 / price, i - 1, 1)


LONG_WALK = random_walk(41, 1_400)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "columns"),
    some(
        [
            ("TREND", {}),
            ("DIP", {}),
            ("DIP", {"HOLDING_LIMIT": lambda bars: 5.0 + 3.0 * every_seventh(bars)}),
            ("TREND", {"STOP_DISTANCE": lambda bars: np.where(every_seventh(bars), 1e-9, 1e9)}),
            ("TREND", {"TARGET_DISTANCE": lambda bars: np.where(every_seventh(bars), 1e-9, 1e9)}),
        ],
        2,
    ),
)
def test_an_exit_counted_from_the_start_of_history_is_caught(kind, columns):
    spec = tabled(None if columns else every_seventh, kind, **columns)

    assert leaks.warm_up(run(LONG_WALK, spec), LONG_WALK).status is RuleStatus.FAIL


@pytest.mark.slow
def test_an_exit_is_told_from_a_sale_that_only_follows_the_weight():
    spec = tabled(every_seventh, rebalances=True)

    assert leaks.warm_up(run(LONG_WALK, spec), LONG_WALK).status is RuleStatus.FAIL


@pytest.mark.slow
def test_a_rule_that_counts_only_its_own_bars_has_enough_warm_up():
    spec = tabled(
        lambda bars: np.append(False, bars.close[1:] < bars.close[:-1]),
        STOP_DISTANCE=lambda bars: 0.01 * bars.close,
        TARGET_DISTANCE=lambda bars: 0.02 * bars.close,
    )

    assert leaks.warm_up(run(LONG_WALK, spec), LONG_WALK).status is RuleStatus.PASS


def test_a_look_ahead_behind_a_long_warm_up_is_caught():
    bars = BARS.slice(0, 300)

    rows = leak_rows(tabled(next_falls, warm_up=240), bars)

    assert [row.status for row in rows] == [RuleStatus.FAIL] * 2


def test_a_history_that_ends_with_its_warm_up_is_not_called_honest():
    rows = leak_rows(tabled(next_falls, warm_up=297), BARS.slice(0, 300))

    assert [row.status for row in rows] == [RuleStatus.NOT_APPLICABLE] * 2
    assert "behind the warm-up" in rows[0].sentence
