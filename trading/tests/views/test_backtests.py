"""Pages of backtests: whose they are, what they keep, and what they say of a run."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from trading.models import Backtest, BacktestResult
from trading.services.backtests.runs import backtest_run
from trading.tests.backtest_rows import done_make, portfolio_make, waiting_make, walk_make
from trading.tests.factories import user_make
from trading.tests.views.pages import BACKTEST_FORM, said, text

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true"}

# --- whose ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("get", "/backtests/", 200),
        ("get", "/backtests/new/", 200),
        ("post", "/backtests/new/", 422),
        ("get", "/backtests/{pk}/", 200),
        ("get", "/backtests/{pk}/progress/", 302),
        ("post", "/backtests/{pk}/cancel/", 302),
        ("post", "/backtests/{pk}/rerun/", 302),
    ],
)
def test_a_page_opens_for_its_owner_alone(client, owner, method, path, answer):
    made = waiting_make(owner, now=timezone.now())
    address = path.format(pk=made.pk)
    is_of_one_run = address != path

    assert getattr(client, method)(address).url.startswith("/accounts/login/")
    client.force_login(user_make())
    assert getattr(client, method)(address).status_code == (404 if is_of_one_run else answer)
    client.force_login(owner)
    assert getattr(client, method)(address).status_code == answer


@pytest.mark.parametrize("tab", ["overview", "trades", "metrics", "costs", "parameters", "log"])
def test_a_result_is_shown_to_its_owner_alone(client, owner, tab):
    address = f"/backtests/{done_make(owner).pk}/?tab={tab}"

    client.force_login(user_make())
    assert client.get(address).status_code == 404
    client.force_login(owner)
    assert client.get(address).status_code == 200


@pytest.mark.parametrize("path", ["cancel", "rerun"])
def test_get_is_refused_where_something_changes(desk, owner, path):
    assert desk.get(f"/backtests/{waiting_make(owner).pk}/{path}/").status_code == 405


def test_opening_a_result_writes_nothing(desk, owner):
    address = f"/backtests/{done_make(owner).pk}/"
    desk.get(address)  # a new day's session is stored once

    with CaptureQueriesContext(connection) as seen:
        desk.get(address)

    assert not [q["sql"] for q in seen if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


# --- watching and judging -------------------------------------------------------------------------


def test_a_waiting_run_shows_where_it_stands_and_can_be_canceled(desk, owner):
    made = waiting_make(owner)

    html = text(desk.get(f"/backtests/{made.pk}/"))

    assert 'data-testid="progress"' in html
    assert "Queued (1st)" in html
    assert f'action="/backtests/{made.pk}/cancel/"' in html


def test_a_run_that_ended_before_the_click_says_so_on_its_page(desk, owner):
    run = done_make(owner)

    answer = desk.post(f"/backtests/{run.pk}/cancel/", follow=True)

    assert answer.redirect_chain == [(f"/backtests/{run.pk}/", 302)]
    assert "The run had already finished; nothing was canceled." in text(answer)
    assert Backtest.objects.get().status == "SUCCEEDED"


def test_the_progress_part_makes_the_browser_load_the_result_once_it_is_there(desk, owner):
    waiting, done = waiting_make(owner), done_make(owner)

    assert "HX-Refresh" not in desk.get(f"/backtests/{waiting.pk}/progress/", headers=PART)
    assert desk.get(f"/backtests/{done.pk}/progress/", headers=PART)["HX-Refresh"] == "true"


def test_the_progress_part_opened_alone_leads_to_the_run(desk, owner):
    made = waiting_make(owner)

    assert desk.get(f"/backtests/{made.pk}/progress/").url == f"/backtests/{made.pk}/"


def test_run_again_makes_one_run_for_each_page_it_is_clicked_on(desk, owner):
    run = done_make(owner)
    pages = [desk.get(f"/backtests/{run.pk}/").content.decode() for _ in range(2)]
    keys = [re.search(r'name="client_key" value="(\w+)"', page)[1] for page in pages]

    clicks = [
        desk.post(f"/backtests/{run.pk}/rerun/", {"client_key": key}).url
        for key in (keys[0], keys[0], keys[1])
    ]

    assert clicks[0] == clicks[1] != clicks[2]
    assert Backtest.objects.filter(rerun_of=run).count() == 2


def test_the_rows_of_the_regimes_add_up_to_the_total_shown(desk, owner):
    context = desk.get(f"/backtests/{done_make(owner).pk}/").context
    rows, total = context["regimes"], context["regime_total"]

    assert sum(row["n"] for row in rows) == total["n"] > 0
    held = total["open"]["pnl"] if total["open"] else 0.0
    assert sum(row["pnl"] for row in rows) + held == pytest.approx(total["net"], rel=1e-9)


def test_every_month_of_the_result_has_its_cell(desk, owner):
    made = done_make(owner)
    cells = desk.get(f"/backtests/{made.pk}/").context["heat_rows"]

    assert [row["label"] for row in cells] == [row["year"] for row in made.result.monthly][::-1]
    assert [row["cells"][:12] for row in cells] == [row["months"] for row in made.result.monthly][
        ::-1
    ]


def test_out_of_sample_stands_before_everything_else(desk, owner):
    html = text(desk.get(f"/backtests/{done_make(owner).pk}/"))

    places = [html.index(f'data-testid="{name}"') for name in ("oos-tiles", "verdict", "by-regime")]
    assert places == sorted(places)


def test_folds_are_counted_against_the_benchmark(desk, owner):
    walk_make()
    desk.post("/backtests/new/", BACKTEST_FORM | {"walk_forward_folds": "5"})
    made = Backtest.objects.get()
    backtest_run(backtest_id=made.pk, clock=timezone.now)
    folds = made.result.metrics["folds"]
    for fold, own, held in zip(folds, (1, 1, 1, -1, -1), (2, 0, 2, -2, 0), strict=True):
        fold["total_return"], fold["benchmark"]["total_return"] = own / 10, held / 10
    made.result.save(update_fields=["metrics"])

    page = text(desk.get(f"/backtests/{made.pk}/"))

    assert "3 of 5 folds gained, 2 did better than buy and hold." in page


@pytest.mark.parametrize(
    ("chosen", "name"),
    [("", "Buy and hold"), ("CASH", "Cash"), ("WALK", "Holding WALK")],
)
def test_the_benchmark_is_called_by_its_name_in_chart_and_tables(desk, owner, chosen, name):
    made = done_make(owner)
    Backtest.objects.update(benchmark=chosen)

    overview = desk.get(f"/backtests/{made.pk}/")
    metrics = text(desk.get(f"/backtests/{made.pk}/?tab=metrics"))

    assert overview.context["chart"]["series"][1]["name"] == name
    assert len(re.findall(f'<th scope="col" class="num(?: wrap)?">{name}', metrics)) == 3


def test_a_run_called_off_while_it_runs_says_that_it_stops_and_cannot_be_called_off_again(
    desk, owner
):
    run = waiting_make(owner)
    held = {
        "started_at": timezone.now(),
        "lease_expires_at": timezone.now() + dt.timedelta(hours=1),
    }
    Backtest.objects.update(status="RUNNING", **held)

    asked = text(desk.post(f"/backtests/{run.pk}/cancel/", follow=True))

    assert "It stops at its next step; nothing of it is stored." in asked
    assert f'action="/backtests/{run.pk}/cancel/"' not in asked
    assert "its result will be here" not in asked


def test_a_failed_run_says_why(desk, owner):
    made = waiting_make(owner)
    Backtest.objects.update(status="FAILED", error="SMA needs 899 bars of warm-up; WALK has 400.")

    assert "needs 899 bars of warm-up" in text(desk.get(f"/backtests/{made.pk}/"))


def test_the_trades_file_has_a_line_for_each_round_trip(desk, owner):
    made = done_make(owner)

    said = desk.get(f"/backtests/{made.pk}/?tab=trades&format=csv")

    rows = list(csv.DictReader(io.StringIO(said.content.decode())))
    assert len(rows) == len(made.result.round_trips)


@pytest.mark.parametrize("tab", ["overview", "trades", "chart", "log"])
@pytest.mark.parametrize(
    ("status", "first"),
    [("PASS", "Use on paper"), ("WARN", "Use on paper"), ("FAIL", "Change and")],
)
def test_the_verdict_decides_what_the_page_offers_first(desk, owner, tab, status, first):
    made = done_make(owner)
    BacktestResult.objects.filter(backtest=made).update(
        honesty=made.result.honesty | {"status": status}
    )

    page = text(desk.get(f"/backtests/{made.pk}/?tab={tab}"))

    offered = re.findall(r'class="btn btn-primary[^>]*>([^<]+)', page)
    assert [words[: len(first)] for words in offered if "Log out" not in words] == [first]


def test_the_identity_of_a_run_says_how_long_it_took(desk, owner):
    made = done_make(owner)
    Backtest.objects.filter(pk=made.pk).update(
        finished_at=made.started_at + dt.timedelta(minutes=2)
    )

    assert "took 02:00" in said(desk.get(f"/backtests/{made.pk}/"))


# --- the list -------------------------------------------------------------------------------------


def test_the_list_asks_as_often_for_six_runs_as_for_two(desk, owner):
    done_make(owner)
    done_make(owner)
    few = _queries(desk)
    for _ in range(4):
        done_make(owner)

    assert _queries(desk) == few <= 25


def _queries(desk) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert desk.get("/backtests/").status_code == 200
    return len(seen)


def test_the_list_is_found_in_by_number_symbol_and_note(desk, owner):
    made = done_make(owner)
    Backtest.objects.update(note="second idea")

    for words in (f"#{made.pk}", "walk", "second"):
        assert f"#{made.pk}" in text(desk.get("/backtests/", {"search": words}))
    assert "No backtest matches" in text(desk.get("/backtests/", {"search": "nothing like it"}))
    assert "No backtest matches" in text(desk.get("/backtests/", {"status": "FAILED"}))


def test_the_list_does_not_call_figures_of_the_whole_span_out_of_sample(desk, owner):
    made = done_make(owner, out_of_sample_share=0)
    kept = done_make(owner)

    rows = text(desk.get("/backtests/")).split("<tr ")[1:]
    lines = csv.DictReader(io.StringIO(desk.get("/backtests/?format=csv").content.decode()))

    says = {f"run-{pk}": "whole span" in row for row in rows for pk in (made.pk, kept.pk)
            if f"run-{pk}" in row}  # fmt: skip
    assert says == {f"run-{made.pk}": True, f"run-{kept.pk}": False}
    found = {int(line["id"]): line for line in lines}
    assert [bool(found[row.pk]["out_of_sample_return"]) for row in (made, kept)] == [False, True]
    assert float(found[made.pk]["whole_span_return"]) == made.result.metrics["all"]["total_return"]


# --- costs, several instruments, exports ----------------------------------------------------------


def test_the_costs_tab_adds_up_to_what_was_paid(desk, owner):
    row = done_make(owner)

    page = text(desk.get(f"/backtests/{row.pk}/?tab=costs"))
    sent = desk.get(f"/backtests/{row.pk}/?tab=costs&format=csv").content.decode()

    parts = {line["part"]: float(line["paid"]) for line in csv.DictReader(io.StringIO(sent))}
    assert sum(parts.values()) == pytest.approx(row.result.costs["parts"]["total"])
    assert parts["commission"] == pytest.approx(row.result.metrics["all"]["cost_total"])
    assert page.count("data-factor=") == len(row.result.costs["curve"]) == 6


def test_every_honesty_row_is_shown_with_its_mark(desk, owner):
    row = done_make(owner)

    page = text(desk.get(f"/backtests/{row.pk}/"))

    for check in row.result.honesty["rows"]:
        assert check["title"] in page
    assert {"NULL_BARS", "DEFLATED_SHARPE", "WARM_UP", "NEIGHBORHOOD", "SHUFFLED_FUTURE"} <= {
        check["key"] for check in row.result.honesty["rows"]
    }


def test_a_result_is_sent_as_json_as_the_api_writes_it(desk, owner):
    row = done_make(owner)

    sent = desk.get(f"/backtests/{row.pk}/?format=json").json()

    assert sent == desk.get(f"/api/v1/backtests/{row.pk}/result/").json()


def test_a_result_page_stays_small(desk, owner):
    page = desk.get(f"/backtests/{done_make(owner).pk}/").content

    assert len(gzip.compress(page)) < 60_000


def test_several_instruments_are_judged_as_one_account(desk, owner):
    row = portfolio_make(owner)

    page = text(desk.get(f"/backtests/{row.pk}/"))

    assert 'data-symbol="OTHER"' in page
    assert 'data-symbol="WALK"' in page
    rows = row.result.per_instrument
    assert sum(one["n"] for one in rows) == row.result.metrics["all"]["n_round_trips"]
    assert sum(one["n"] for one in row.result.by_regime.values()) == sum(one["n"] for one in rows)
    for tab in ("trades", "metrics", "costs", "parameters"):
        assert desk.get(f"/backtests/{row.pk}/?tab={tab}").status_code == 200
