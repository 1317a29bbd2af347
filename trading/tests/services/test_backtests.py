"""Asking for a run: what is stored, what is refused and at which field."""

import datetime as dt
from decimal import Decimal

import pytest

from accounts.services import entitlement_grant
from elson.common.errors import Conflict, TooMany
from elson.common.models import OutboxEvent
from trading.models import Backtest
from trading.selectors.backtests import backtest_newest, study_overfitting
from trading.services.backtests.drafts import BacktestDraft, BacktestInvalid, draft_read
from trading.services.backtests.requests import (
    TASK,
    backtest_quota,
    backtest_request,
)
from trading.tests.backtest_rows import ASKED, asked, done_make, walk_make
from trading.tests.factories import NOW, user_make
from trading.tests.study_rows import member_make, study_finish, study_make

pytestmark = pytest.mark.django_db


def test_backtest_request_stores_a_queued_row_and_enqueues_its_job():
    backtest = asked()

    assert backtest.status == "QUEUED"
    assert backtest.parameters["fast"] == 5
    assert backtest.parameters["sizing"] == "all_in"
    job = OutboxEvent.objects.get(name=TASK)
    assert job.arguments == {"backtest_id": backtest.pk}


def test_the_job_is_registered_under_the_name_it_is_sent_by():
    from trading import tasks

    assert tasks.backtest_run.name == TASK


def test_backtest_request_with_the_same_key_returns_the_first_run():
    user = user_make()
    walk_make(700)
    draft = draft_read(ASKED)

    first = backtest_request(user=user, draft=draft, now=NOW, client_key="abc")
    second = backtest_request(user=user, draft=draft, now=NOW, client_key="abc")

    assert second.pk == first.pk
    assert OutboxEvent.objects.filter(name=TASK).count() == 1


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"strategy_key": "nope"}, "strategy_key", "there are sma_cross"),
        ({"parameters": {"fast": 0}}, "parameters.fast", "at least 1"),
        ({"parameters": {"fats": 5}}, "parameters", "has no parameter 'fats'"),
        ({"parameters": {"fast": 20, "slow": 20}}, "parameters", "must differ"),
        ({"parameters": [1]}, "parameters", "must be an object"),
        ({"symbol": ""}, "symbol", "Choose the instrument"),
        ({"timeframe": "2d"}, "timeframe", "is one of 1m"),
        ({"start_date": "2020-13-01"}, "start_date", "write it like"),
        ({"start_date": "2020-01-02", "end_date": "2020-01-02"}, "end_date", "must be after"),
        ({"cash": "-5"}, "cash", "between 1 and"),
        ({"cash": "much"}, "cash", "is not a number"),
        ({"cash": "NaN"}, "cash", "not a"),
        ({"commission_bps": "-1"}, "commission_bps", "between 0 bp and 1,000 bp"),
        ({"slippage_bps": True}, "slippage_bps", "Slippage must be a number, not true or false"),
        ({"commission_bps": 0}, "is_free_confirmed", "no market trades for free"),
        ({"out_of_sample_share": "0.95"}, "out_of_sample_share", "between 0.1 and 0.9"),
        ({"seed": "1.5"}, "seed", "whole number"),
        ({"note": "x" * 201}, "note", "the limit is 200"),
        ({"has_usual_slippage": True}, "has_usual_slippage", "on top of the usual costs"),
    ],
)
def test_draft_read_refuses_bad_values_at_their_field(changes, field, words):
    with pytest.raises(BacktestInvalid) as caught:
        draft_read(ASKED | changes)

    assert words in caught.value.data["errors"][field]


def test_draft_read_tells_every_fault_at_once():
    with pytest.raises(BacktestInvalid) as caught:
        draft_read(ASKED | {"cash": "0", "seed": "x", "parameters": {"fast": 0, "slow": 9999}})

    assert set(caught.value.data["errors"]) == {
        "cash",
        "seed",
        "parameters.fast",
        "parameters.slow",
    }


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"symbol": "NOPE"}, "symbol", "no instrument 'NOPE'"),
        ({"timeframe": "1h"}, "symbol", "no 1h bars of WALK"),
        ({"start_date": "2030-01-01"}, "start_date", "has 1d bars from 2008-08-01 to"),
        ({"end_date": "2000-01-01"}, "end_date", "lies before the data"),
        ({"start_date": "2008-08-01", "end_date": "2008-08-10"}, "start_date", "holds 10 bars"),
    ],
)
def test_backtest_request_refuses_what_the_data_does_not_cover(changes, field, words):
    with pytest.raises(BacktestInvalid) as caught:
        asked(**changes)

    assert words in caught.value.data["errors"][field]
    assert not Backtest.objects.exists()
    assert not OutboxEvent.objects.exists()


def test_backtest_request_counts_a_day_in_utc_and_says_when_it_starts_again():
    user = user_make()
    for _ in range(5):
        Backtest.objects.filter(pk=asked(user).pk).update(status="SUCCEEDED", created_at=NOW)

    with pytest.raises(TooMany, match="5 of 5 backtests today; more from 00:00 UTC"):
        asked(user)

    tomorrow = NOW + dt.timedelta(days=1)
    assert backtest_quota(user=user, now=tomorrow).n_left == 5


@pytest.mark.parametrize(
    ("code", "n_used"), [("INTERNAL", 0), ("WORKER_LOST", 0), ("TOO_LONG", 1), ("NO_TRADE", 1)]
)
def test_a_run_that_failed_is_free_only_where_the_platform_is_at_fault(code, n_used):
    user = user_make()
    rows = Backtest.objects.filter(pk=asked(user).pk)
    rows.update(status="FAILED", error_code=code, created_at=NOW)

    assert backtest_quota(user=user, now=NOW).n_used == n_used


def test_a_warm_up_longer_than_the_span_is_refused_before_it_uses_the_day():
    with pytest.raises(BacktestInvalid) as caught:
        asked(parameters={"fast": 5, "slow": 1_000})

    words = "need 999 bars of warm-up and the span holds"
    assert words in caught.value.data["errors"]["start_date"]
    assert not Backtest.objects.exists()


def test_backtest_request_refuses_a_second_run_at_once_on_the_free_plan():
    user = user_make()
    asked(user)

    with pytest.raises(TooMany, match="your plan runs 1 at once"):
        asked(user)

    entitlement_grant(user=user, key="backtests.at_once", value=2, source="plan:plus")
    assert asked(user).status == "QUEUED"


def test_another_persons_runs_count_for_nothing():
    asked()

    assert asked().status == "QUEUED"


def test_a_draft_knows_whether_trading_is_free():
    draft = BacktestDraft("sma_cross", "WALK", {}, cash=Decimal(5))

    assert draft.is_free


def test_a_study_lends_its_overfitting_to_the_parameters_it_tried():
    user = member_make()
    study = study_finish(study_make(user))
    study.judgement = {"probability_of_overfitting": 0.4}
    study.save()
    tried = study.trials.order_by("number").first().parameters | study.fixed
    made = asked(user)

    assert study_overfitting(backtest=made) is None
    made.parameters = made.parameters | tried
    assert study_overfitting(backtest=made) == 0.4


def test_the_newest_run_of_an_instrument_is_never_that_of_a_portfolio():
    owner = user_make()
    run = done_make(owner)
    asked = {"user_id": owner.pk, "strategy_key": "sma_cross"}
    assert backtest_newest(**asked, instrument=run.instrument) == run

    Backtest.objects.filter(pk=run.pk).update(symbols=["WALK", "OTHER"])

    assert backtest_newest(**asked, instrument=run.instrument) is None
    assert backtest_newest(**asked) == run


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"seed": 8}, "seed"), ({"parameters": {"fast": 6, "slow": 20}}, "parameters"),
     ({"impact": 1}, "impact"), ({"symbols": ["WALK", "OTHER"]}, "symbols")],
)  # fmt: skip
def test_a_key_that_made_another_run_is_a_conflict(changed, word):
    owner, _ = user_make(), (walk_make(700), walk_make(700, "OTHER"))
    backtest_request(user=owner, draft=draft_read(ASKED), now=NOW, client_key="k")

    with pytest.raises(Conflict, match=f"another {word}"):
        backtest_request(user=owner, draft=draft_read(ASKED | changed), now=NOW, client_key="k")


def test_what_only_names_a_run_and_the_case_of_its_symbol_make_no_other_request():
    owner, _ = user_make(), walk_make(700)
    first = backtest_request(user=owner, draft=draft_read(ASKED), now=NOW, client_key="k")

    same = draft_read(ASKED | {"note": "again", "symbol": "walk", "is_free_confirmed": True})

    assert backtest_request(user=owner, draft=same, now=NOW, client_key="k") == first
