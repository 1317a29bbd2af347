import datetime as dt
import json
import uuid
from decimal import Decimal

import pytest

from accounts.services import entitlement_grant
from elson.common.errors import Conflict, TooMany
from elson.common.models import OutboxEvent
from marketdata.models import Instrument
from trading.engine.errors import EngineError
from trading.models import Backtest, BacktestResult
from trading.selectors.backtests import backtest_newest, study_overfitting
from trading.services.backtests import progress
from trading.services.backtests.drafts import BacktestDraft, BacktestInvalid, draft_read
from trading.services.backtests.progress import LEASE, WRITE_EVERY
from trading.services.backtests.requests import (
    MOST_ATTEMPTS,
    TASK,
    backtest_cancel,
    backtest_quota,
    backtest_request,
    backtest_rerun,
    backtests_sweep,
)
from trading.services.backtests.runs import LEASE_LOST, NOTHING_TO_DO, backtest_run
from trading.tests.backtest_rows import done_make, portfolio_make
from trading.tests.engine.walks import random_walk
from trading.tests.factories import NOW, bars_make, instrument_make, user_make
from trading.tests.study_rows import member_make, study_finish, study_make

pytestmark = pytest.mark.django_db

VALUES = {
    "strategy_key": "sma_cross",
    "symbol": "WALK",
    "parameters": {"fast": 5, "slow": 20},
    "commission_bps": 5,
}


class Ticks:
    """A clock that moves a second at each look and can do something at one of them."""

    def __init__(self, at=None, act=None):
        self.now, self.n, self.at, self.act = NOW, 0, at, act

    def __call__(self):
        self.n += 1
        self.now += dt.timedelta(seconds=1)
        if self.n == self.at:
            self.act()
        return self.now


def walk_make(n_bars=700, symbol="WALK") -> Instrument:
    bars = random_walk(3, n_bars)
    instrument = instrument_make(symbol)
    rows = zip(bars.open, bars.high, bars.low, bars.close, strict=True)
    bars_make(instrument, [tuple(map(float, row)) for row in rows])
    return instrument


def asked(user=None, **changes) -> Backtest:
    user = user or user_make()
    if not Instrument.objects.filter(symbol="WALK").exists():
        walk_make()
    return backtest_request(user=user, draft=draft_read(VALUES | changes), now=NOW)


# --- asking -------------------------------------------------------------------------------------


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
    walk_make()
    draft = draft_read(VALUES)

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
        ({"slippage_bps": True}, "slippage_bps", "number is needed"),
        ({"commission_bps": 0}, "is_free_confirmed", "no market trades for free"),
        ({"out_of_sample_share": "0.95"}, "out_of_sample_share", "between 0.1 and 0.9"),
        ({"seed": "1.5"}, "seed", "whole number"),
        ({"note": "x" * 201}, "note", "the limit is 200"),
    ],
)
def test_draft_read_refuses_bad_values_at_their_field(changes, field, words):
    with pytest.raises(BacktestInvalid) as caught:
        draft_read(VALUES | changes)

    assert words in caught.value.data["errors"][field]


def test_draft_read_tells_every_fault_at_once():
    with pytest.raises(BacktestInvalid) as caught:
        draft_read(VALUES | {"cash": "0", "seed": "x", "parameters": {"fast": 0, "slow": 9999}})

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


def test_a_run_that_failed_does_not_use_up_the_day():
    user = user_make()
    Backtest.objects.filter(pk=asked(user).pk).update(status="FAILED", created_at=NOW)

    assert backtest_quota(user=user, now=NOW).n_used == 0


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


# --- running ------------------------------------------------------------------------------------


def test_backtest_run_stores_a_result_that_adds_up():
    backtest = asked()

    assert backtest_run(backtest_id=backtest.pk, clock=Ticks()) == "SUCCEEDED"

    backtest.refresh_from_db()
    result = backtest.result
    whole = result.metrics["all"]
    rows = result.by_regime.values()
    assert backtest.progress == 1.0
    assert backtest.phase == "DONE"
    assert whole["n_round_trips"] == len(result.round_trips) > 5
    assert sum(row["n"] for row in rows) == whole["n_round_trips"]
    assert sum(row["n_wins"] for row in rows) == whole["n_wins"]
    assert sum(row["pnl"] for row in rows) == pytest.approx(whole["pnl"], rel=1e-9)
    held = (result.metrics["open_position"] or {"pnl": 0.0})["pnl"]
    assert 100_000 + whole["pnl"] + held == pytest.approx(whole["final_equity"], rel=1e-9)
    inside, outside = result.metrics["in_sample"], result.metrics["out_of_sample"]
    assert outside["opening_equity"] == inside["final_equity"]
    assert inside["n_bars"] + outside["n_bars"] == 700
    assert outside["n_bars"] == 210
    assert result.manifest["seed"] == 7
    assert result.manifest["params"]["fast"] == 5
    assert len(result.manifest["data"]["sha256"]) == 64
    json.dumps([result.metrics, result.curve, result.honesty], allow_nan=False)


def test_monthly_returns_multiply_to_the_total_return():
    backtest = asked()
    backtest_run(backtest_id=backtest.pk, clock=Ticks())

    result = BacktestResult.objects.get()
    growth = 1.0
    for row in result.monthly:
        growth *= 1.0 + row["total"]
    assert growth - 1.0 == pytest.approx(result.metrics["all"]["total_return"], rel=1e-9)


def test_the_same_request_gives_the_same_result_again():
    user = user_make()
    first = asked(user)
    backtest_run(backtest_id=first.pk, clock=Ticks())
    second = backtest_rerun(backtest=Backtest.objects.get(pk=first.pk), now=NOW)
    backtest_run(backtest_id=second.pk, clock=Ticks())

    one, two = BacktestResult.objects.order_by("pk")
    assert second.rerun_of_id == first.pk
    assert one.metrics == two.metrics
    assert one.honesty == two.honesty
    assert one.curve == two.curve


def test_a_second_delivery_changes_nothing():
    backtest = asked()
    backtest_run(backtest_id=backtest.pk, clock=Ticks())
    before = Backtest.objects.values().get()

    assert backtest_run(backtest_id=backtest.pk, clock=Ticks()) == NOTHING_TO_DO

    assert Backtest.objects.values().get() == before
    assert BacktestResult.objects.count() == 1


def test_a_delivery_while_another_worker_holds_the_lease_changes_nothing():
    backtest = asked()
    outcomes = []
    clock = Ticks(3, lambda: outcomes.append(backtest_run(backtest_id=backtest.pk, clock=Ticks())))

    assert backtest_run(backtest_id=backtest.pk, clock=clock) == "SUCCEEDED"

    assert outcomes == [NOTHING_TO_DO]


def test_phases_come_in_order_and_progress_never_falls(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "trading.services.backtests.progress.broadcast.backtest_progress",
        lambda backtest_id, values: seen.append((values["phase"], values["progress"])),
    )
    backtest = asked()
    backtest_run(backtest_id=backtest.pk, clock=Ticks())

    order = ["LOADING", "SIMULATING", "NULL_MODEL", "STATISTICS", "DONE"]
    assert list(dict.fromkeys(phase for phase, _ in seen)) == order
    shares = [share for _, share in seen]
    assert shares == sorted(shares)


def test_between_two_phases_the_row_is_written_at_most_twice_a_second():
    backtest = asked(strategy_key="volatility_adaptive_trend", parameters={})
    assert dt.timedelta(milliseconds=500) == WRITE_EVERY

    backtest_run(backtest_id=backtest.pk, clock=lambda: NOW)

    # Time stood still, so nothing but the phases was written.
    backtest.refresh_from_db()
    assert backtest.n_bars_per_second is None
    assert [line["text"] for line in backtest.log][:2] == ["Queued", "Loading data"]


def test_a_slow_simulation_gets_a_longer_lease_for_the_null_model_that_repeats_it(monkeypatch):
    leases = []

    def judge(**_):
        row = Backtest.objects.get()
        leases.append(row.lease_expires_at - row.updated_at)
        raise EngineError("enough")

    monkeypatch.setattr("trading.services.backtests.judgement.judge", judge)
    backtest = asked(strategy_key="volatility_adaptive_trend", parameters={})
    backtest_run(backtest_id=backtest.pk, clock=Ticks())

    assert leases[0] > LEASE + 5 * dt.timedelta(seconds=1)


def test_a_worker_that_lost_its_lease_writes_nothing():
    backtest = asked()
    other = uuid.uuid4()
    clock = Ticks(4, lambda: Backtest.objects.update(lease_key=other, detail="Other worker"))

    assert backtest_run(backtest_id=backtest.pk, clock=clock) == LEASE_LOST

    backtest.refresh_from_db()
    assert backtest.detail == "Other worker"
    assert backtest.status == "RUNNING"
    assert not BacktestResult.objects.exists()


def test_a_run_that_loses_its_lease_at_the_very_end_stores_no_result():
    backtest = asked()
    counted = Ticks()
    backtest_run(backtest_id=backtest.pk, clock=counted)
    BacktestResult.objects.all().delete()
    Backtest.objects.update(status="QUEUED")
    clock = Ticks(counted.n, lambda: Backtest.objects.update(lease_key=uuid.uuid4()))

    assert backtest_run(backtest_id=backtest.pk, clock=clock) == LEASE_LOST

    assert not BacktestResult.objects.exists()


def test_a_run_the_engine_refuses_fails_with_its_sentence():
    backtest = asked(parameters={"fast": 5, "slow": 900})

    assert backtest_run(backtest_id=backtest.pk, clock=Ticks()) == "FAILED"

    backtest.refresh_from_db()
    assert backtest.error_code == "bars_insufficient"
    assert "needs 899 bars of warm-up" in backtest.error


def test_a_mistake_of_ours_fails_with_a_reference_and_no_internals(monkeypatch):
    monkeypatch.setattr("trading.services.backtests.runs.experiment_run", lambda **_: 1 / 0)
    backtest = asked()

    assert backtest_run(backtest_id=backtest.pk, clock=Ticks()) == "FAILED"

    backtest.refresh_from_db()
    assert backtest.error_code == "INTERNAL"
    assert "reference is" in backtest.error
    assert "zero" not in backtest.error


def test_a_run_without_a_trade_says_what_was_decided_instead():
    instrument_make("WALK", [100 - i / 10 for i in range(300)])  # falls day after day
    backtest_run(backtest_id=asked().pk, clock=Ticks())

    result = BacktestResult.objects.get()
    assert result.metrics["all"]["n_orders"] == 0
    assert sum(item["n"] for item in result.decisions["counts"]) == 300
    assert {item["blocked_by"] for item in result.decisions["counts"]} == {"WARM_UP", ""}
    assert result.honesty["status"] == "FAIL"


def test_typical_costs_of_the_market_are_charged_when_asked_for():
    user = user_make()
    entitlement_grant(user=user, key="backtests.at_once", value=4, source="plan:pro")
    cheap = asked(user, commission_bps=0, is_free_confirmed=True)
    usual = asked(user, commission_bps=0, has_regime_costs=True)
    for backtest in (cheap, usual):
        backtest_run(backtest_id=backtest.pk, clock=Ticks())

    assert cheap.result.metrics["all"]["cost_total"] == 0
    assert usual.result.metrics["all"]["cost_total"] > 100
    assert usual.result.manifest["settings"]["cost_preset"] == "EQUITY"


def test_a_span_of_days_is_inclusive_on_both_ends():
    backtest = asked(start_date="2008-09-01", end_date="2009-08-31")
    backtest_run(backtest_id=backtest.pk, clock=Ticks())

    data = BacktestResult.objects.get().manifest["data"]
    assert data["first_at"] == "2008-09-01T20:00:00Z"
    assert data["last_at"] == "2009-08-31T20:00:00Z"


# --- canceling, sweeping ------------------------------------------------------------------------


def test_backtest_cancel_ends_a_waiting_run_at_once():
    backtest = asked()
    Backtest.objects.update(so_far={"equity": [1.0]})  # of a worker that fell silent
    backtest = backtest_cancel(backtest=backtest, now=NOW)

    assert backtest.so_far == {}

    assert backtest.status == "CANCELED"
    assert backtest_run(backtest_id=backtest.pk, clock=Ticks()) == NOTHING_TO_DO


def test_backtest_cancel_stops_a_running_run_at_its_next_chunk():
    backtest = asked()
    clock = Ticks(4, lambda: backtest_cancel(backtest=backtest, now=NOW))

    assert backtest_run(backtest_id=backtest.pk, clock=clock) == "CANCELED"

    assert not BacktestResult.objects.exists()


def test_backtest_cancel_twice_is_once_and_a_finished_run_cannot_be_canceled():
    backtest = asked()
    backtest_cancel(backtest=backtest, now=NOW)
    assert backtest_cancel(backtest=backtest, now=NOW).status == "CANCELED"

    done = asked()
    backtest_run(backtest_id=done.pk, clock=Ticks())
    with pytest.raises(Conflict, match="has already ended as SUCCEEDED"):
        backtest_cancel(backtest=done, now=NOW)


def test_backtest_cancel_ends_a_run_whose_worker_is_gone():
    backtest = asked()
    Backtest.objects.update(status="RUNNING", lease_key=uuid.uuid4(), lease_expires_at=NOW)

    later = NOW + dt.timedelta(seconds=1)
    assert backtest_cancel(backtest=backtest, now=later).status == "CANCELED"


def test_the_sweeper_leaves_a_fresh_request_and_a_held_lease_alone():
    asked()
    Backtest.objects.update(lease_expires_at=NOW + LEASE)

    assert backtests_sweep(now=NOW + LEASE) == 0
    assert OutboxEvent.objects.count() == 1


def test_the_sweeper_sends_again_what_waits_and_waits_longer_each_time():
    backtest = asked()

    assert backtests_sweep(now=NOW + dt.timedelta(seconds=16)) == 1
    assert backtests_sweep(now=NOW + dt.timedelta(seconds=17)) == 0
    assert OutboxEvent.objects.filter(arguments={"backtest_id": backtest.pk}).count() == 2


def test_a_run_of_a_silent_worker_is_taken_over_and_finished():
    backtest = asked()
    Backtest.objects.update(
        status="RUNNING",
        phase="NULL_MODEL",
        progress=0.7,
        n_attempts=1,
        lease_key=uuid.uuid4(),
        lease_expires_at=NOW - dt.timedelta(seconds=1),
    )

    assert backtests_sweep(now=NOW) == 1
    assert backtest_run(backtest_id=backtest.pk, clock=Ticks()) == "SUCCEEDED"

    backtest.refresh_from_db()
    assert backtest.n_attempts == 2


def test_progress_shown_to_a_person_does_not_fall_when_a_second_worker_starts_over(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "trading.services.backtests.progress.broadcast.backtest_progress",
        lambda backtest_id, values: seen.append((values["phase"], values["progress"])),
    )
    backtest = asked()
    Backtest.objects.update(phase="NULL_MODEL", progress=0.7, n_attempts=1)
    seen.clear()

    backtest_run(backtest_id=backtest.pk, clock=Ticks())

    assert min(share for _, share in seen) >= 0.7
    assert {phase for phase, _ in seen} <= {"NULL_MODEL", "STATISTICS", "DONE"}


def test_a_run_that_kills_its_workers_is_given_up():
    backtest = asked()
    Backtest.objects.update(
        status="RUNNING",
        n_attempts=MOST_ATTEMPTS,
        lease_key=uuid.uuid4(),
        lease_expires_at=NOW - dt.timedelta(seconds=1),
        so_far={"equity": [1.0]},
    )

    assert backtests_sweep(now=NOW) == 0

    backtest.refresh_from_db()
    assert backtest.status == "FAILED"
    assert (backtest.error_code, backtest.so_far) == ("WORKER_LOST", {})
    assert OutboxEvent.objects.count() == 1


def test_a_draft_knows_whether_trading_is_free():
    draft = BacktestDraft("sma_cross", "WALK", {}, cash=Decimal(5))

    assert draft.is_free


def test_instruments_of_several_markets_pay_their_own_usual_costs():
    user = user_make()
    walk_make()
    walk_make(700, "COIN")
    Instrument.objects.filter(symbol="COIN").update(asset_class="CRYPTO")
    changes = {"symbols": ["WALK", "COIN"], "commission_bps": 0, "has_regime_costs": True}
    made = backtest_request(user=user, draft=draft_read(VALUES | changes), now=NOW)

    assert backtest_run(backtest_id=made.pk, clock=Ticks()) == "SUCCEEDED"

    rows = {row["symbol"]: row for row in BacktestResult.objects.get().per_instrument}
    # The same prices, so the same trades: only the market's costs differ.
    assert rows["COIN"]["n"] == rows["WALK"]["n"] > 0
    assert rows["COIN"]["cost_total"] > 2 * rows["WALK"]["cost_total"] > 0


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
    owner, _ = user_make(), (walk_make(), walk_make(symbol="OTHER"))
    backtest_request(user=owner, draft=draft_read(VALUES), now=NOW, client_key="k")

    with pytest.raises(Conflict, match=f"another {word}"):
        backtest_request(user=owner, draft=draft_read(VALUES | changed), now=NOW, client_key="k")


def test_what_only_names_a_run_and_the_case_of_its_symbol_make_no_other_request():
    owner, _ = user_make(), walk_make()
    first = backtest_request(user=owner, draft=draft_read(VALUES), now=NOW, client_key="k")

    same = draft_read(VALUES | {"note": "again", "symbol": "walk", "is_free_confirmed": True})

    assert backtest_request(user=owner, draft=same, now=NOW, client_key="k") == first


# --- equity while it runs -------------------------------------------------------------------------


def _watched(monkeypatch, backtest):
    """Run it and return what the row showed each time it was written."""
    seen = []

    def look(*, backtest_id, values):
        seen.append(Backtest.objects.values_list("phase", "so_far").get(pk=backtest_id))

    monkeypatch.setattr(progress.broadcast, "backtest_progress", look)
    assert backtest_run(backtest_id=backtest.pk, clock=Ticks()) == "SUCCEEDED"
    return seen


def test_the_equity_shown_while_a_run_goes_on_is_that_of_its_result(monkeypatch):
    backtest = asked(parameters={"fast": 5, "slow": 20})

    seen = _watched(monkeypatch, backtest)

    shown = [so_far for phase, so_far in seen if phase in ("NULL_MODEL", "STATISTICS")]
    result = backtest.result
    days = {86_400 * day: value for day, value in zip(
        result.daily["day"], result.daily["equity"], strict=True)}  # fmt: skip
    assert len(shown) >= 2
    for so_far in shown:
        assert so_far["n_bars"] == result.metrics["all"]["n_bars"]
        ends = [days[at - at % 86_400] for at in so_far["closed_at"]]
        assert so_far["equity"] == pytest.approx(ends, abs=0.01)
    assert seen[0][1] == {}
    assert Backtest.objects.get().so_far == {}


def test_a_canceled_run_keeps_no_equity():
    counted = Ticks()
    backtest_run(backtest_id=asked().pk, clock=counted)
    backtest, kept = asked(), []

    def cancel():
        kept.append(Backtest.objects.get(pk=backtest.pk).so_far)
        backtest_cancel(backtest=backtest, now=NOW)

    assert backtest_run(backtest_id=backtest.pk, clock=Ticks(counted.n - 1, cancel)) == "CANCELED"
    assert kept[0]["equity"]
    assert Backtest.objects.get(pk=backtest.pk).so_far == {}


def test_an_account_is_asked_what_one_instrument_is_asked():
    user = user_make()

    account, alone = (
        {row["key"] for row in made.result.honesty["rows"]}
        for made in (portfolio_make(user), done_make(user))
    )

    assert {"NEIGHBORHOOD", "SHUFFLED_FUTURE", "WARM_UP", "NULL_BARS"} <= account
    assert account == alone
