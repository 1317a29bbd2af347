"""Walk-forward folds and the line a run is laid beside."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from trading.models import Backtest
from trading.services.backtests.drafts import BacktestInvalid, draft_read
from trading.services.backtests.requests import backtest_request, draft_of
from trading.services.backtests.runs import backtest_run
from trading.tests.backtest_rows import ASKED, walk_make
from trading.tests.factories import FIRST_CLOSE, NOW, bars_make, instrument_make, user_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    walk_make()
    return user_make()


def run_make(owner, **asked):
    made = backtest_request(user=owner, draft=draft_read(ASKED | asked), now=NOW)
    assert backtest_run(backtest_id=made.pk, clock=lambda: NOW) == "SUCCEEDED"
    return Backtest.objects.get(pk=made.pk)


def test_folds_cover_the_run_without_gap_or_overlap(owner):
    told = run_make(owner, walk_forward_folds=5).result.metrics

    folds, whole = told["folds"], told["all"]
    assert sum(fold["n_bars"] for fold in folds) == whole["n_bars"]
    assert sum(fold["n_round_trips"] for fold in folds) == whole["n_round_trips"]
    growth = np.prod([1.0 + fold["total_return"] for fold in folds])
    assert growth - 1.0 == pytest.approx(whole["total_return"], rel=1e-9)
    held = np.prod([1.0 + fold["benchmark"]["total_return"] for fold in folds])
    assert held - 1.0 == pytest.approx(told["benchmark"]["all"]["total_return"], rel=1e-9)


def test_without_folds_there_are_none(owner):
    assert run_make(owner).result.metrics["folds"] == []


@pytest.mark.parametrize(("asked", "found"), [(1, "1"), (21, "21"), ("2.5", "2.5")])
def test_a_count_of_folds_out_of_bounds_is_refused(asked, found):
    with pytest.raises(BacktestInvalid, match=f"Walk-forward folds {found} must be 0 or lie"):
        draft_read(ASKED | {"walk_forward_folds": asked})


def test_folds_need_thirty_bars_each(owner):
    with pytest.raises(BacktestInvalid, match="20 folds need 600 bars and the span holds 400"):
        backtest_request(user=owner, draft=draft_read(ASKED | {"walk_forward_folds": 20}), now=NOW)
    assert not Backtest.objects.exists()


def test_cash_earns_nothing_and_leaves_the_verdict_as_it_is(owner):
    plain, cash = run_make(owner), run_make(owner, benchmark="CASH")

    told = cash.result.metrics["benchmark"]["all"]
    assert (told["total_return"], told["max_drawdown"]) == (0.0, 0.0)
    assert set(cash.result.curve["benchmark"]) == {100_000.0}
    checks = [
        {row["key"]: row["status"] for row in run.result.honesty["rows"]} for run in (plain, cash)
    ]
    assert checks[0] == checks[1]


def test_another_instrument_is_held_from_its_last_known_close_on(owner):
    other = walk_make(500, "OTHER", 5)
    run = run_make(owner, benchmark="OTHER").result

    closes = (
        other.bars.filter(timeframe="1d").order_by("closed_at").values_list("closed_at", "close")
    )
    known = {int(at.timestamp()): float(close) for at, close in closes}
    at, line = run.curve["closed_at"], run.curve["benchmark"]
    assert line[0] == 100_000.0
    assert line[-1] / line[1] == pytest.approx(known[at[-1]] / known[at[1]], rel=1e-6)
    # Bought once, for the run's five basis points.
    paid = 100_000.0 / 1.0005 * known[at[1]] / known[at[0]]
    assert line[1] == pytest.approx(paid, abs=0.01)


def test_holding_what_is_traded_stays_without_a_choice(owner):
    chosen, usual = run_make(owner, benchmark="WALK").result, run_make(owner).result

    ratio = np.array(chosen.curve["benchmark"][2:]) / np.array(usual.curve["benchmark"][2:])
    assert ratio == pytest.approx(ratio[0], rel=1e-4)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"benchmark": "NOPE"}, "NOPE"),
        ({"benchmark": "SHORT"}, "SHORT has 1d bars from"),
    ],
)
def test_a_benchmark_that_does_not_cover_the_run_is_refused(owner, asked, sentence):
    walk_make(200, "SHORT", 5)

    with pytest.raises(BacktestInvalid, match=sentence) as refused:
        backtest_request(user=owner, draft=draft_read(ASKED | asked), now=NOW)

    assert list(refused.value.data["errors"]) == ["benchmark"]
    assert not Backtest.objects.exists()


def test_a_benchmark_that_begins_later_on_the_first_day_is_refused(owner):
    later = FIRST_CLOSE + dt.timedelta(hours=1)
    bars_make(instrument_make("OTHER"), [(1.0, 1.0, 1.0, 1.0)] * 400, start=later)

    with pytest.raises(BacktestInvalid, match="OTHER has 1d bars from"):
        backtest_request(user=owner, draft=draft_read(ASKED | {"benchmark": "OTHER"}), now=NOW)


def test_a_benchmark_that_rests_on_the_last_weekend_serves(owner):
    walk_make(398, "OTHER", 5)

    assert run_make(owner, benchmark="OTHER").status == "SUCCEEDED"


def test_a_benchmark_of_an_account_covers_every_instrument(owner):
    walk_make(200, "SHORT", 5)
    walk_make(200, "OTHER", 6)
    asked = ASKED | {"symbols": ["SHORT", "WALK"], "benchmark": "OTHER"}

    with pytest.raises(BacktestInvalid, match="OTHER has 1d bars from"):
        backtest_request(user=owner, draft=draft_read(asked), now=NOW)


def test_a_short_benchmark_serves_a_run_that_ends_with_it(owner):
    short = walk_make(200, "SHORT", 5)
    last = short.bars.filter(timeframe="1d").latest("closed_at").closed_at.date()

    made = run_make(owner, benchmark="SHORT", end_date=(last - dt.timedelta(days=1)).isoformat())

    assert made.result.manifest["settings"]["benchmark"] == "SHORT"
    assert len(made.result.manifest["settings"]["benchmark_sha256"]) == 64


def test_running_again_keeps_folds_and_benchmark(owner):
    made = run_make(owner, benchmark="CASH", walk_forward_folds=3)

    draft = draft_of(made)

    assert (draft.benchmark, draft.walk_forward_folds) == ("CASH", 3)
