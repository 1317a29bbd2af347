"""Trades that resemble each other or share their time are worth fewer independent ones."""

from dataclasses import replace

import numpy as np
import pytest

from trading.engine.backtest import BacktestConfig, run
from trading.engine.checks.panel import ENOUGH_TRADES, enough_trades
from trading.engine.effective import effective_number, effective_trades
from trading.engine.enough import shortfall
from trading.engine.errors import ConfigInvalid
from trading.engine.types import RuleStatus
from trading.tests.engine.panels import BARS


def one_after_another(n):
    """Entries and exits of trades of ten, each beginning when the one before ends."""
    return np.arange(n) * 10, np.arange(n) * 10 + 10


def alike(n):
    """Return a gain in the first half and a loss in the second."""
    return np.where(np.arange(n) < n // 2, 0.01, -0.01)


@pytest.mark.parametrize(
    ("n", "worth"),
    [
        # Pairs 1.85, 1.25 and 0.65; the next, 0.05, is not above √(2/20).
        (20, 20 / (2 * 3.75 - 1)),
        # The fourth, 0.227, is above √(1/22) and not above √(2/22).
        (22, 22 / (2 * (6 - 45 / 22) - 1)),
        # Thirty-two pairs, which reach beyond a quarter of the trades.
        (200, 200 / (2 * 33.76 - 1)),
    ],
)
def test_a_streak_of_gains_and_one_of_losses_are_worth_what_the_formula_says(n, worth):
    # Lag k of n/2 gains and n/2 losses has 1 − 3k/n up to n/2, a pair 2 − (12m + 3)/n.
    found = effective_number(alike(n), *one_after_another(n))

    assert found.by_returns == pytest.approx(worth)
    assert found.by_overlap == pytest.approx(n)
    assert found.value == found.by_returns


def test_gains_and_losses_in_turn_are_worth_no_more_than_their_number():
    assert effective_number([0.01, -0.01] * 10, *one_after_another(20)).value == 20.0


@pytest.mark.parametrize("returns", [[], [0.01], [0.01, -0.01], [0.02] * 12])
def test_trades_whose_likeness_cannot_be_measured_count_in_full(returns):
    n = len(returns)

    assert effective_number(returns, *one_after_another(n)).value == n


def test_independent_trades_keep_nearly_all_of_their_number():
    rng = np.random.default_rng(7)
    shares = [
        effective_number(rng.standard_t(4, size=40), *one_after_another(40)).value / 40
        for _ in range(200)
    ]

    assert np.median(shares) == 1.0
    assert np.mean(shares) > 0.9


@pytest.mark.parametrize(
    ("entered", "left", "worth"),
    [
        ([0, 0, 0], [10, 10, 10], 1.0),  # three at once are one
        ([0, 5], [10, 15], 1.5),  # each shares half of its time
        ([0, 0, 10], [10, 10, 20], 2.0),  # two at once, then one alone
        ([0, 4], [10, 4], 1.45),  # one ends when it began: it counts for a moment
    ],
)
def test_time_that_trades_share_counts_once(entered, left, worth):
    found = effective_number(np.linspace(-1, 1, len(entered)), entered, left)

    assert found.by_overlap == pytest.approx(worth)


def test_the_smaller_of_both_counts_is_taken():
    n = 20
    together = np.zeros(n), np.full(n, 10)

    found = effective_number(alike(n), *together)

    assert found.by_overlap == pytest.approx(1.0)
    assert found.by_returns > 2.0
    assert found.value == found.by_overlap


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ConfigInvalid, match="2 returns, 1 entries and 2 exits"):
        effective_number([0.1, 0.2], [0], [1, 2])


def tape(returns):
    """A run whose trades have these returns, one after the other."""
    result = run(BARS, "rsi2_reversion", {}, BacktestConfig(commission_bps=5.0))
    trips = [
        replace(result.round_trips[0], pnl=100 * r, entry_notional=100.0, entry_at=k, exit_at=k + 1)
        for k, r in enumerate(returns)
    ]
    return replace(result, round_trips=tuple(reversed(trips)))


def test_the_panel_judges_by_independent_trades_and_says_why():
    n = 2 * ENOUGH_TRADES

    row = enough_trades(tape(alike(n)))
    plain = enough_trades(tape([0.01, -0.01] * ENOUGH_TRADES))

    assert row.status is RuleStatus.FAIL
    assert row.numbers["n"] == n
    assert row.numbers["n_effective"] == effective_trades(tape(alike(n)).round_trips).value < 10
    assert "60 trades that tell as much as" in row.sentence
    assert "one ends much like the one before" in row.sentence
    assert plain.status is RuleStatus.PASS
    assert plain.sentence == "60 trades, enough to say something."


def test_the_panel_says_when_trades_share_their_time():
    returns = [0.01, -0.01] * ENOUGH_TRADES
    result = tape(returns)
    together = tuple(replace(trip, entry_at=0, exit_at=9) for trip in result.round_trips)

    row = enough_trades(replace(result, round_trips=together))

    assert row.status is RuleStatus.FAIL
    assert row.sentence.startswith(
        "60 trades that tell as much as 1 independent one, for some are held at the same time"
    )


def test_a_single_trade_is_written_in_the_singular():
    assert enough_trades(tape([0.01])).sentence.startswith("1 trade, fewer than 10")


@pytest.mark.parametrize(("worth", "few"), [(9.99, 9), (10.0 - 1e-13, None), (None, None)])
def test_a_figure_of_the_average_trade_needs_ten_independent_ones(worth, few):
    figures = {"n_round_trips": 40, "n_effective_trips": worth}

    assert shortfall(figures, "win_rate") == few
    assert shortfall(figures, "pnl") is None
