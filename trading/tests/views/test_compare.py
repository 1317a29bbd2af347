"""Comparing runs: whose, how many, what differs, and whether the difference is more than chance."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import io
import re

import pytest
from django.utils import timezone

from accounts.services import entitlement_grant
from trading.models import Backtest
from trading.selectors.comparison import compared_runs, comparison_of
from trading.services.backtests.drafts import draft_read
from trading.services.backtests.requests import backtest_request
from trading.services.backtests.runs import backtest_run
from trading.tests.backtest_rows import ASKED, waiting_make, walk_make
from trading.tests.factories import NOW, user_make
from trading.tests.views.pages import text
from trading.views.compare_context import chart_of

pytestmark = pytest.mark.django_db
N_BARS = 500


@pytest.fixture
def owner():
    person = user_make()
    entitlement_grant(user=person, key="backtests.at_once", value=100, source="test")
    entitlement_grant(user=person, key="backtests.per_day", value=100, source="test")
    walk_make(N_BARS)
    return person


def run_make(user, **asked):
    made = backtest_request(user=user, draft=draft_read(ASKED | asked), now=NOW)
    assert backtest_run(backtest_id=made.pk, clock=lambda: NOW) == "SUCCEEDED"
    return made.pk


def two_make(user):
    return [run_make(user), run_make(user, parameters={"fast": 10, "slow": 40})]


def compared(user, ids):
    return comparison_of(compared_runs(user_id=user.pk, backtest_ids=ids))


def address(ids):
    return f"/backtests/compare/?ids={','.join(map(str, ids))}"


# --- whose, and how many ------------------------------------------------------------------------


def test_a_comparison_opens_for_the_owner_alone(client, owner):
    ids = two_make(owner)

    assert client.get(address(ids)).url.startswith("/accounts/login/")
    client.force_login(user_make())
    assert client.get(address(ids)).status_code == 404
    client.force_login(owner)
    assert client.get(address(ids)).status_code == 200


def test_without_runs_one_picks_them(desk, owner):
    first, second = two_make(owner)

    html = text(desk.get("/backtests/compare/"))

    assert f'value="{first}"' in html
    assert f'value="{second}"' in html
    assert desk.get(f"/backtests/compare/?ids={first}&ids={second}").status_code == 200


def test_the_free_plan_compares_two_and_says_which_plan_has_more(desk, owner):
    ids = [*two_make(owner), run_make(owner, parameters={"fast": 3, "slow": 9})]

    html = text(desk.get(address(ids)))

    assert "More runs side by side are part of Plus" in html
    assert f"#{ids[2]} " not in html
    assert desk.get(f"/api/v1/backtests/compare/?ids={ids[0]},{ids[1]},{ids[2]}").status_code == 403


def test_plus_compares_four_and_nobody_five(desk, owner):
    entitlement_grant(user=owner, key="backtests.compare", value=4, source="test")
    ids = [run_make(owner, parameters={"fast": fast, "slow": 40}) for fast in (3, 5, 8, 13, 21)]

    assert "line-key run-d" in text(desk.get(address(ids[:4])))
    assert desk.get(address(ids)).status_code == 409


# --- what differs -------------------------------------------------------------------------------


def test_only_settings_that_differ_are_listed(owner):
    found = compared(owner, two_make(owner))

    assert {row.label: row.values for row in found.settings} == {
        "Fast": (5, 10),
        "Slow": (20, 40),
    }
    assert found.differences == ()


def test_another_benchmark_is_named_and_no_code(owner):
    found = compared(owner, [run_make(owner), run_make(owner, benchmark="CASH")])

    (row,) = [row for row in found.settings if row.key == "benchmark"]
    assert row.values == ("holding what it trades", "cash")


def test_other_spans_and_costs_are_said_before_any_figure(desk, owner):
    ids = [run_make(owner), run_make(owner, end_date="2009-09-30", commission_bps=1)]

    html = text(desk.get(address(ids)))

    assert "They cover different spans." in html
    assert "They pay different costs." in html
    assert "Re-run on common span" in html


def test_every_cost_that_differs_is_told_also_beside_the_usual_costs(owner):
    ids = [run_make(owner, has_regime_costs=True, spread_bps=bps) for bps in (0, 4)]

    found = compared(owner, ids)

    assert "They pay different costs" in found.differences
    assert [(row.label, row.values) for row in found.settings] == [("Half spread, bp", (0.0, 4.0))]


def test_portfolios_with_the_same_first_instrument_trade_different_markets(owner):
    ids = [run_make(owner), run_make(owner)]
    Backtest.objects.filter(pk=ids[1]).update(symbols=["WALK", "OTHER"])
    result = Backtest.objects.get(pk=ids[1]).result
    result.manifest["data"]["sha256"] = "that of two series"
    result.save()

    assert compared(owner, ids).differences == ("They trade different markets",)


def test_runs_on_the_same_span_offer_no_rerun(desk, owner):
    assert "Re-run on common span" not in text(desk.get(address(two_make(owner))))


def test_rerunning_asks_only_for_what_covers_other_days(desk, owner):
    short = run_make(owner, end_date="2009-09-30", parameters={"fast": 10, "slow": 40})
    ids = [run_make(owner), short]

    response = desk.post("/backtests/compare/rerun/", {"ids": ",".join(map(str, ids))})

    made = Backtest.objects.latest("pk")
    assert response.url == f"/backtests/compare/?ids={made.pk},{short}"
    assert (made.end_date, made.rerun_of_id) == (dt.date(2009, 9, 30), ids[0])
    assert made.parameters == Backtest.objects.get(pk=ids[0]).parameters


def test_rerunning_twice_by_one_page_makes_the_runs_once(desk, owner):
    ids = [run_make(owner), run_make(owner, end_date="2009-09-30")]
    page = desk.get(address(ids))
    sent = {"ids": page.context["ids"], "client_key": page.context["client_key"]}

    first, again = (desk.post("/backtests/compare/rerun/", sent) for _ in range(2))

    assert f'value="{sent["client_key"]}"' in text(page)
    assert first.url == again.url
    assert Backtest.objects.count() == 3


def test_a_rerun_the_plan_refuses_leaves_nothing_behind(client):
    person = user_make()
    entitlement_grant(user=person, key="backtests.per_day", value=3, source="test")
    walk_make(N_BARS)
    ids = [run_make(person, end_date="2009-09-30"), run_make(person, start_date="2009-01-02")]
    client.force_login(person)

    # Both need a new run, and the plan runs one at once.
    response = client.post("/backtests/compare/rerun/", {"ids": ids}, follow=True)

    assert Backtest.objects.count() == 2
    assert "still running" in text(response)


# --- figures ------------------------------------------------------------------------------------


def test_out_of_sample_comes_first_and_the_best_value_has_a_word(desk, owner):
    html = text(desk.get(address(two_make(owner))))

    assert html.index("Out of sample") < html.index("Whole span")
    assert '<span class="chip">best</span>' in html


def test_the_best_is_named_by_its_direction_and_ties_name_none(owner):
    ids = two_make(owner)
    found = compared(owner, ids)

    rows = {(row.segment, row.key): row for row in found.metrics}
    drawdown = rows["all", "max_drawdown"]
    assert drawdown.best.index(True) == drawdown.values.index(max(drawdown.values))
    same = compared(owner, [ids[0], run_make(owner)])
    assert not any(any(row.best) for row in same.metrics)


def test_a_run_without_a_losing_trade_has_the_best_profit_factor_and_no_number_for_it(desk, owner):
    ids = two_make(owner)
    won, lost = (Backtest.objects.get(pk=pk).result for pk in ids)
    for result, factor in ((won, None), (lost, 1.5)):
        figures = {"n_round_trips": 12, "n_effective_trips": 12.0, "win_rate": 0.8}
        result.metrics["all"] |= figures | {"profit_factor": factor}
        result.save()

    (row,) = (
        row
        for row in compared(owner, ids).metrics
        if (row.segment, row.key) == ("all", "profit_factor")
    )

    assert (row.values, row.best, row.differences) == ((None, 1.5), (True, False), (None, None))
    for page in (address(ids), f"/backtests/{ids[0]}/?tab=metrics"):
        assert "no loss" in text(desk.get(page))


def test_equal_runs_do_not_differ_and_hold_the_same(owner):
    found = compared(owner, [run_make(owner), run_make(owner)])

    whole = found.pairs[1]
    assert whole.mean[:3] == (0.0, 0.0, 0.0)
    assert whole.overlap == 1.0
    assert whole.correlation == pytest.approx(1.0)


def test_pairs_count_only_months_both_cover_alike(owner):
    short = run_make(owner, start_date="2009-03-10")
    found = compared(owner, [run_make(owner), short])

    months = Backtest.objects.get(pk=short).result.monthly
    n_short = sum(value is not None for row in months for value in row["months"])
    # The first month of the short run is partial for it alone.
    assert found.pairs[1].n_months == n_short - 1


def test_too_few_months_have_no_interval(desk, owner):
    ids = [run_make(owner, end_date="2009-02-28"), run_make(owner, end_date="2009-02-28", seed=9)]

    html = text(desk.get(address(ids)))

    assert "too few (" in html
    assert "cannot be told" in html


def test_the_chart_starts_both_at_a_hundred_on_the_same_day(owner):
    ids = [run_make(owner), run_make(owner, start_date="2009-03-10")]

    chart = chart_of(compared(owner, ids))

    first, second = chart["data"]["series"]
    assert first["points"][0][1] == second["points"][0][1] == 100.0
    assert [time for time, _ in first["points"]] == [time for time, _ in second["points"]]
    assert max(value for _, value in second["drawdown"]) <= 0.0


def test_a_run_that_has_not_finished_keeps_its_column(desk, owner):
    entitlement_grant(user=owner, key="backtests.compare", value=4, source="test")
    ids = [*two_make(owner), waiting_make(owner, now=timezone.now()).pk]

    html = text(desk.get(address(ids)))

    assert "Queued" in html
    assert "Is the difference more than chance?" in html


def test_a_win_rate_stands_with_its_count_interval_and_null(desk, owner):
    html = text(desk.get(address(two_make(owner))))

    assert "random entries" in html
    assert re.search(r"\d+% \(\d+–\d+\), n=\d+", html)


def test_csv_and_rest_tell_the_same_figures(desk, owner):
    ids = two_make(owner)

    rows = list(
        csv.DictReader(io.StringIO(desk.get(address(ids) + "&format=csv").content.decode()))
    )
    body = desk.get(f"/api/v1/backtests/compare/?ids={ids[0]},{ids[1]}").json()

    assert [row["figure"] for row in rows] == [row["key"] for row in body["figures"]]
    assert float(rows[0][f"B #{ids[1]}"]) == body["figures"][0]["values"][1]
    assert body["pairs"][0]["segment"] == "out_of_sample"


@pytest.mark.parametrize("ids", ["", "1", "1,1", "1,x", "1,2,3,4,5"])
def test_rest_refuses_what_is_not_two_to_four_numbers(desk, ids):
    response = desk.get(f"/api/v1/backtests/compare/?ids={ids}")

    assert response.status_code == 400
    assert response.json()["code"] == "INVALID_IDS"


def test_changed_prices_are_said(owner):
    ids = [run_make(owner), run_make(owner)]
    result = Backtest.objects.get(pk=ids[1]).result
    result.manifest["data"]["sha256"] = "0" * 64
    result.save()

    assert "The stored prices changed between the runs" in compared(owner, ids).differences


def test_the_list_offers_finished_runs_for_comparison_and_filters(desk, owner):
    done, waiting = run_make(owner), waiting_make(owner, now=timezone.now()).pk

    html = text(desk.get("/backtests/"))

    assert f'id="pick-{done}"' in html
    assert f'id="pick-{waiting}"' not in html
    assert f"#{done}<" not in text(desk.get("/backtests/?strategy=rsi2_reversion"))
    answers = [text(desk.get(f"/backtests/?luck={luck}")) for luck in ("PASS", "WARN", "FAIL")]
    assert sum(f"#{done}<" in answer for answer in answers) == 1


def test_dataclasses_of_the_comparison_are_frozen(owner):
    found = compared(owner, two_make(owner))

    with pytest.raises(dataclasses.FrozenInstanceError):
        found.metrics = ()


def test_settings_are_told_apart_by_key_and_their_codes_written_as_words(desk, owner):
    other = {"strategy_key": "rsi2_reversion", "parameters": {"sizing": "volatility_target"}}
    one, other = run_make(owner), run_make(owner, **other)

    keys = {row.key: row for row in compared(owner, [one, other]).settings}
    html = text(desk.get(address([one, other])))

    assert keys["strategy_key"].values == ("sma_cross", "rsi2_reversion")
    assert keys["parameters.sizing"].values == ("all_in", "volatility_target")
    assert "Moving-average cross" in html
    assert ">all in<" in html
    assert ">volatility target<" in html
