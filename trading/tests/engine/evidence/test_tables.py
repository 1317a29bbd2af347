"""Tables: each win rate with its sample, its interval and its null."""

from __future__ import annotations

import numpy as np
import pytest

from trading.engine.evidence import tables
from trading.engine.evidence.nulls import RandomEntries
from trading.engine.evidence.trips import Trips

DRAWS = {"seed": 3, "n_draws": 50}


def trips(net, codes=None):
    """Trades of one instrument, one a month."""
    net = np.array(net, dtype=np.float64)
    n = net.shape[0]
    rows = np.arange(n)
    codes = np.zeros(n, dtype=np.int64) if codes is None else np.array(codes)
    return Trips(
        instrument=np.zeros(n, dtype=np.int64), signal=rows * 5, exit=rows * 5 + 3, net=net,
        net_double=net - 0.001, gross=net + 0.001, code=codes, absolute_code=codes,
        month=24_000 + rows, year=2_000 + rows // 12, probability=np.full(n, np.nan),
    )  # fmt: skip


def entries(rate=0.5):
    return RandomEntries(np.full((1, 4), rate), np.zeros((1, 4)), np.full((1, 4), 100))


def test_win_row_counts_wins_after_costs_and_compares_with_the_null():
    row = tables.win_row(trips([0.02, 0.01, 0.03, -0.04]), entries(0.5), **DRAWS)

    assert (row["n"], row["months"], row["win_rate"], row["excess"]) == (4, 4, 0.75, 0.25)
    assert row["profit_factor"] == pytest.approx(0.06 / 0.04)
    assert row["expectancy_bps"] == pytest.approx(50.0)
    assert row["expectancy_2x_bps"] == pytest.approx(40.0)
    assert (row["avg_win_bps"], row["worst_bps"]) == pytest.approx((200.0, -400.0))


def test_break_even_is_the_win_rate_at_which_average_trades_cancel():
    row = tables.win_row(trips([0.01, 0.01, -0.03]), entries(), **DRAWS)

    share = row["break_even_win_rate"]
    assert share * row["avg_win_bps"] + (1 - share) * row["avg_loss_bps"] == pytest.approx(0.0)


def test_a_trade_that_earns_exactly_its_costs_is_not_a_win():
    assert tables.win_row(trips([0.0, 0.0]), entries(), **DRAWS)["win_rate"] == 0.0


def test_a_profit_factor_without_a_bound_says_that_no_trade_lost():
    won = tables.win_row(trips([0.02, 0.0]), entries(), **DRAWS)
    neither = tables.win_row(trips([0.0]), entries(), **DRAWS)

    assert (won["profit_factor"], won["n_losses"], won["win_rate"]) == (None, 0, 0.5)
    assert (neither["profit_factor"], neither["n_losses"], neither["win_rate"]) == (None, 0, 0.0)
    assert tables.win_row(trips([0.02, -0.01]), entries(), **DRAWS)["n_losses"] == 1


def test_an_empty_group_has_the_same_keys_and_no_invented_number():
    empty = tables.win_row(trips([]), entries(), **DRAWS)

    assert set(empty) == set(tables.win_row(trips([0.1]), entries(), **DRAWS))
    assert empty["n"] == 0
    assert empty["win_rate"] is None


def test_spread_is_known_only_when_every_regime_has_trades():
    full = tables.regime_table(
        trips([0.1, -0.1, 0.1, 0.1], [0, 1, 2, 3]), np.array([0, 1, 2, 3]), entries(), **DRAWS
    )
    part = tables.regime_table(trips([0.1, 0.1], [0, 1]), np.array([0, 1]), entries(), **DRAWS)

    assert tables.spread_pp(full) == 100.0
    assert tables.spread_pp(part) is None


def test_periods_are_five_calendar_years():
    table = tables.split_table(
        trips([0.1] * 80), tables.period_labels(trips([0.1] * 80)), entries(), **DRAWS
    )

    assert {name: row["n"] for name, row in table.items()} == {"2000-2004": 60, "2005-2009": 20}


def test_permutation_row_pools_high_and_extreme():
    real = trips([0.1, 0.1, -0.1, 0.1], [2, 3, 2, 0])
    draws = [trips([0.1, -0.1, -0.1], [2, 3, 2]) for _ in range(4)]

    row = tables.permutation_row(real, draws)

    assert row["pooled"]["n"] == 3
    assert row["pooled"]["excess"] == pytest.approx(1.0 / 3.0)
    assert row["pooled"]["p_rank"] == pytest.approx(0.2)
    assert row["EXTREME"]["null_win_rate"] == 0.0
