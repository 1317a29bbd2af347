"""What a run does between its start and its stored result."""

import datetime as dt
import json
import uuid
from dataclasses import replace

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from accounts.services import entitlement_grant
from marketdata.models import Instrument
from trading.engine.errors import EngineError
from trading.engine.strategies import STRATEGIES, strategy_get
from trading.engine.strategies.guard import guarded
from trading.models import Backtest, BacktestResult
from trading.services.backtests import progress
from trading.services.backtests.drafts import draft_read
from trading.services.backtests.progress import LEASE, WRITE_EVERY
from trading.services.backtests.requests import (
    backtest_cancel,
    backtest_request,
    backtest_rerun,
)
from trading.services.backtests.runs import LEASE_LOST, NOTHING_TO_DO, backtest_run
from trading.tests.backtest_rows import ASKED, Ticks, asked, done_make, portfolio_make, walk_make
from trading.tests.factories import NOW, instrument_make, user_make

pytestmark = pytest.mark.django_db


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
    # The request refuses it; what was asked before that was so is still in the queue.
    backtest = asked()
    Backtest.objects.update(parameters={"fast": 5, "slow": 900})

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


def test_usual_slippage_and_impact_come_on_top_of_the_usual_costs():
    user = user_make()
    found = {}

    for has_more in (False, True):
        row = asked(user, commission_bps=0, has_regime_costs=True, has_usual_slippage=has_more)
        assert backtest_run(backtest_id=row.pk, clock=lambda: NOW) == "SUCCEEDED"
        row.refresh_from_db()
        found[has_more] = row.result.costs["parts"]

    assert (found[False]["slippage"], found[False]["impact"]) == (0.0, 0.0)
    assert found[True]["slippage"] > 0.0
    assert found[True]["impact"] > 0.0


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


def test_instruments_of_several_markets_pay_their_own_usual_costs():
    user = user_make()
    walk_make(700)
    walk_make(700, "COIN")
    Instrument.objects.filter(symbol="COIN").update(asset_class="CRYPTO")
    changes = {"symbols": ["WALK", "COIN"], "commission_bps": 0, "has_regime_costs": True}
    made = backtest_request(user=user, draft=draft_read(ASKED | changes), now=NOW)

    assert backtest_run(backtest_id=made.pk, clock=Ticks()) == "SUCCEEDED"

    rows = {row["symbol"]: row for row in BacktestResult.objects.get().per_instrument}
    # The same prices, so the same trades: only the market's costs differ.
    assert rows["COIN"]["n"] == rows["WALK"]["n"] > 0
    assert rows["COIN"]["cost_total"] > 2 * rows["WALK"]["cost_total"] > 0


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


def test_a_time_limit_within_a_developers_rule_is_no_mistake_of_the_rule(monkeypatch):
    shipped = strategy_get("sma_cross")

    def prepare(bars, params):
        return replace(shipped.prepare(bars, params), table=None)

    def decide(features, i, state):
        raise SoftTimeLimitExceeded  # as the worker's signal does, wherever it comes

    slow = replace(shipped, key="slow", prepare=prepare, decide=decide, targets=None)
    monkeypatch.setitem(STRATEGIES._specs, "slow", guarded(slow))
    backtest = asked(strategy_key="slow")

    backtest_run(backtest_id=backtest.pk, clock=Ticks())

    backtest.refresh_from_db()
    assert backtest.error_code == "TOO_LONG"
