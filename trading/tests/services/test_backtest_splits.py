"""Where a backtest is split, what fixed weights may be, and the words it is filed under."""

from __future__ import annotations

import datetime as dt

import pytest

from trading.models import Backtest
from trading.services.backtests.drafts import BacktestInvalid, draft_read
from trading.services.backtests.judgement import looks_row
from trading.services.backtests.requests import (
    backtest_describe,
    backtest_request,
    backtest_rerun,
    draft_of,
)
from trading.services.backtests.runs import backtest_run
from trading.services.backtests.splits import split_days, split_figures
from trading.services.backtests.statistics import SplitInvalid
from trading.tests.backtest_rows import ASKED, done_make, portfolio_make, walk_make
from trading.tests.factories import NOW, user_make
from trading.tests.study_rows import member_make

PORTFOLIO = ASKED | {"symbols": ["WALK", "OTHER"], "allocation": "FIXED_WEIGHT"}


def faults(values):
    with pytest.raises(BacktestInvalid) as refused:
        draft_read(values)
    return refused.value.data["errors"]


def test_fixed_weights_are_read_for_each_instrument():
    draft = draft_read(PORTFOLIO | {"weights": {"WALK": "0.5", "OTHER": 0.25}})

    assert draft.weights == {"WALK": 0.5, "OTHER": 0.25}


@pytest.mark.parametrize(
    ("weights", "field", "sentence"),
    [
        ({"WALK": 0.8, "OTHER": 0.3}, "weights", "sum to 1.1; the limit is 1"),
        ({"WALK": 0.8}, "weights.OTHER", "OTHER is missing"),
        ({"WALK": 0, "OTHER": 0.3}, "weights.WALK", "0 must lie above 0 and be at most 1"),
        ({"WALK": "much", "OTHER": 0.3}, "weights.WALK", "much"),
        ({"WALK": 0.5, "OTHER": 0.3, "GOLD": 0.1}, "weights.GOLD", "is not traded"),
        ([0.5, 0.5], "weights", "must be an object"),
    ],
)
def test_weights_that_cannot_be_meant_name_field_value_and_limit(weights, field, sentence):
    assert sentence in faults(PORTFOLIO | {"weights": weights})[field]


def test_weights_may_leave_cash_but_stay_below_what_may_be_invested():
    given = PORTFOLIO | {"weights": {"WALK": 0.4, "OTHER": 0.4}, "gross_cap": 0.75}

    assert "sum to 0.8; the limit is 0.75" in faults(given)["weights"]


def test_weights_need_their_allocation_and_several_instruments():
    equal = PORTFOLIO | {"allocation": "EQUAL_RISK", "weights": {"WALK": 1}}

    assert "not EQUAL_RISK" in faults(equal)["weights"]
    assert "found 0" in faults(ASKED | {"allocation": "FIXED_WEIGHT"})["weights"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"start_date": "2020-01-01", "out_of_sample_from": "2020-01-01"}, "after the start"),
        ({"end_date": "2020-01-01", "out_of_sample_from": "2020-01-02"}, "not be after the end"),
        ({"out_of_sample_from": "soon"}, "is not a date"),
    ],
)
def test_a_split_outside_the_span_is_refused(given, sentence):
    assert sentence in faults(ASKED | given)["out_of_sample_from"]


def test_tags_are_lower_case_and_each_once():
    assert draft_read(ASKED | {"tags": "Idea, slow  ones,idea,"}).tags == ("idea", "slow ones")


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ("x" * 25, "25 characters; the limit is 24"),
        (",".join("abcdefghi"), "9 tags are given; the limit is 8"),
        (["a,b"], "contains a comma"),
        (7, "must be a list"),
    ],
)
def test_tags_that_cannot_be_kept_say_why(tags, sentence):
    assert sentence in faults(ASKED | {"tags": tags})["tags"]


@pytest.mark.django_db
def test_a_day_splits_the_run_there_and_comes_back_with_it():
    walk_make()
    given = {"out_of_sample_from": "2009-05-01", "tags": "a", "is_free_confirmed": True}
    draft = draft_read(ASKED | given)
    made = backtest_request(user=user_make(), draft=draft, now=NOW)
    backtest_run(backtest_id=made.pk, clock=lambda: NOW)

    outside = made.result.metrics["out_of_sample"]
    assert outside["first_at"][:10] == "2009-05-01"
    assert made.result.manifest["settings"]["out_of_sample_from"] == "2009-05-01"
    assert draft_of(Backtest.objects.get(pk=made.pk)) == draft


@pytest.mark.django_db
@pytest.mark.parametrize("day", ["1999-01-01", "2031-01-01"])
def test_a_split_that_leaves_one_side_empty_is_refused_before_anything_is_stored(day):
    walk_make()

    with pytest.raises(BacktestInvalid, match="10 are needed"):
        backtest_request(
            user=user_make(), draft=draft_read(ASKED | {"out_of_sample_from": day}), now=NOW
        )
    assert not Backtest.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("make", [done_make, portfolio_make])
def test_splitting_a_result_where_it_was_split_gives_its_own_figures(make):
    result = make(user_make()).result
    day = dt.date.fromisoformat(result.metrics["out_of_sample"]["first_at"][:10])

    found = split_figures(result, day)

    for side in ("in_sample", "out_of_sample"):
        ours = {name: result.metrics[side][name] for name in found[side] if name in
                ("total_return", "sharpe_ratio", "sharpe_low", "max_drawdown", "n_round_trips",
                 "n_wins", "win_rate_low", "profit_factor", "annual_return")}  # fmt: skip
        assert {name: found[side][name] for name in ours} == pytest.approx(ours, rel=1e-6, abs=1e-9)
        assert found[side]["benchmark"] == pytest.approx(
            result.metrics["benchmark"][side], rel=1e-6, abs=1e-9
        )


@pytest.mark.django_db
def test_both_sides_of_any_split_hold_every_trade_and_all_of_the_return():
    result = done_make(user_make()).result
    first, last = split_days(result)

    for day in (first, first + (last - first) / 3, last):
        inside, outside = (split_figures(result, day)[n] for n in ("in_sample", "out_of_sample"))
        n_trades = inside["n_round_trips"] + outside["n_round_trips"]
        assert n_trades == result.metrics["all"]["n_round_trips"]
        whole = (1 + inside["total_return"]) * (1 + outside["total_return"]) - 1
        assert whole == pytest.approx(result.metrics["all"]["total_return"], rel=1e-6)


@pytest.mark.django_db
def test_a_day_outside_the_result_names_its_bounds():
    result = done_make(user_make()).result

    with pytest.raises(SplitInvalid, match="must lie between"):
        split_figures(result, dt.date(1990, 1, 1))


@pytest.mark.django_db
def test_a_result_from_before_there_were_daily_values_says_so():
    result = done_make(user_make()).result
    result.daily = {}

    assert split_days(result) is None
    with pytest.raises(SplitInvalid, match="run it again"):
        split_figures(result, dt.date(2020, 5, 1))


@pytest.mark.django_db
def test_fixed_weights_reach_the_account_and_come_back_with_it():
    owner = user_make()
    walk_make()
    walk_make(200, "OTHER", 5)
    given = {"weights": {"WALK": 0.6, "OTHER": 0.1}, "is_free_confirmed": True}
    draft = draft_read(PORTFOLIO | given)
    made = backtest_request(user=owner, draft=draft, now=NOW)
    backtest_run(backtest_id=made.pk, clock=lambda: NOW)

    largest = {
        symbol: max(t["entry_notional"] for t in made.result.round_trips if t["symbol"] == symbol)
        for symbol in ("WALK", "OTHER")
    }
    assert largest["OTHER"] < largest["WALK"] / 3
    assert draft_of(Backtest.objects.get(pk=made.pk)) == draft


@pytest.mark.django_db
def test_words_change_and_the_result_stays():
    made = done_make(user_make())
    before = made.result.manifest

    backtest_describe(backtest=made, note="better", tags="b, a")

    again = Backtest.objects.get(pk=made.pk)
    assert (again.note, draft_of(again).tags) == ("better", ("b", "a"))
    assert again.result.manifest == before


@pytest.mark.django_db
def test_words_that_are_refused_leave_the_old_ones():
    made = done_make(user_make())
    backtest_describe(backtest=made, note="old", tags="kept")

    with pytest.raises(BacktestInvalid, match="201 characters"):
        backtest_describe(backtest=made, note="x" * 201, tags="lost")

    assert draft_of(Backtest.objects.get(pk=made.pk)).tags == ("kept",)


@pytest.mark.django_db
def test_the_same_run_again_keeps_its_tags():
    made = done_make(user_make())
    backtest_describe(backtest=made, note="", tags="kept")

    again = backtest_rerun(backtest=Backtest.objects.get(pk=made.pk), now=NOW)

    assert [tag.name for tag in again.tags.all()] == ["kept"]


def judged(owner, **more):
    made = backtest_request(user=owner, draft=draft_read(ASKED | more), now=NOW)
    backtest_run(backtest_id=made.pk, clock=lambda: NOW)
    rows = {row["key"]: row for row in made.result.honesty["rows"]}
    return rows["OUT_OF_SAMPLE_LOOKS"]


@pytest.mark.django_db
def test_each_other_idea_judged_on_the_same_days_is_counted():
    owner = member_make()
    walk_make()
    slower = {"parameters": {"fast": 5, "slow": 40}}

    found = [judged(owner)["numbers"]["n"], judged(owner)["numbers"]["n"]]
    found.append(judged(owner, **slower)["numbers"]["n"])
    found.append(judged(owner, **slower, end_date="2008-11-30")["numbers"]["n"])

    # The same rule again is no other idea, and other days are not the same days.
    assert found == [0.0, 0.0, 1.0, 0.0]


def test_many_looks_warn_and_few_do_not():
    ours = {"first_at": "2020-01-01T00:00:00Z", "last_at": "2020-12-31T00:00:00Z"}
    figures = {"out_of_sample": ours}
    same, half, other = [
        (begin, end + "T00:00:00Z")
        for begin, end in (
            ("2020-01-01T00:00:00Z", "2020-12-31"),
            ("2020-07-01T00:00:00Z", "2021-12-31"),
            ("2021-01-01T00:00:00Z", "2021-12-31"),
        )
    ]

    assert looks_row(figures, [same, half, other])["numbers"]["n"] == 2.0
    assert looks_row(figures, [same] * 3)["status"] == "PASS"
    assert looks_row(figures, [same] * 4)["status"] == "WARN"
    assert looks_row(figures, None) is None
    assert looks_row({"out_of_sample": {}}, [same]) is None
