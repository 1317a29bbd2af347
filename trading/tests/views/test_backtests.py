"""Pages of backtests: whose they are, what they keep, and what they say of a run."""

from __future__ import annotations

import csv
import gzip
import io
import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.services import entitlement_grant
from trading.models import Backtest
from trading.services.backtests.runs import backtest_run
from trading.tests.backtest_rows import done_make, portfolio_make, waiting_make, walk_make
from trading.tests.factories import user_make
from trading.views.backtest_address import plain_number

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true"}
FORM = {
    "strategy_key": "sma_cross",
    "symbol": "WALK",
    "timeframe": "1d",
    "cash": "50000",
    "commission_bps": "5",
    "slippage_bps": "0",
    "out_of_sample_share": "0.3",
    "seed": "11",
    "note": "first idea",
    "p_fast": "5",
    "p_slow": "20",
    "client_key": "k1",
}


@pytest.fixture
def owner():
    person = user_make()
    entitlement_grant(user=person, key="backtests.at_once", value=100, source="test")
    entitlement_grant(user=person, key="backtests.per_day", value=100, source="test")
    return person


@pytest.fixture
def desk(client: Client, owner) -> Client:
    client.force_login(owner)
    return client


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


# --- whose --------------------------------------------------------------------------------------


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


# --- setting up ---------------------------------------------------------------------------------


def test_the_form_starts_a_run_and_leads_to_it(desk):
    walk_make()

    response = desk.post("/backtests/new/", FORM)

    made = Backtest.objects.get()
    assert response.url == f"/backtests/{made.pk}/"
    assert (made.parameters["fast"], made.seed, made.note) == (5, 11, "first idea")


def test_sending_the_form_twice_starts_one_run(desk):
    walk_make()

    assert desk.post("/backtests/new/", FORM).url == desk.post("/backtests/new/", FORM).url
    assert Backtest.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("cash", "-5", "Starting cash -5 must lie between 1 and"),
        ("p_fast", "0", "must be at least 1"),
        ("start_date", "2030-01-01", "lies after the data"),
        ("symbol", "NOPE", "NOPE"),
        ("commission_bps", "0", "no market trades for free"),
        ("seed", "many", "is not a number"),
    ],
)
def test_bad_input_is_answered_422_at_its_field_and_everything_typed_is_kept(
    desk, field, value, sentence
):
    walk_make()

    response = desk.post("/backtests/new/", FORM | {field: value})

    html = text(response)
    assert response.status_code == 422
    name = "is_free_confirmed" if field == "commission_bps" else field
    assert sentence in " ".join(response.context["form"].errors[name])
    assert sentence in html
    assert 'value="first idea"' in html
    assert field == "symbol" or f'value="{value}"' in html
    assert not Backtest.objects.exists()


def test_the_form_takes_its_values_from_the_address(desk):
    walk_make()

    html = text(desk.get("/backtests/new/", {"strategy_key": "sma_cross", "p_fast": "7"}))

    assert re.search(r'name="p_fast"[^>]*value="7"', html)


def test_change_and_run_starts_from_the_values_of_the_run(desk, owner):
    made = waiting_make(owner)

    html = text(desk.get(f"/backtests/new/?from={made.pk}"))

    assert re.search(r'name="p_slow"[^>]*value="20"', html)
    assert re.search(r'name="commission_bps"[^>]*value="5"', html)


def test_the_address_of_a_run_writes_its_numbers_as_a_person_types_them(desk, owner):
    walk_make()
    sent = {"cash": "1234567.5", "slippage_bps": "0.1234567", "commission_bps": "12.3456789",
            "impact": "0.00001"}  # fmt: skip
    desk.post("/backtests/new/", FORM | sent)

    html = text(desk.get(f"/backtests/new/?from={Backtest.objects.get().pk}"))

    for name, value in sent.items():
        assert re.search(rf'name="{name}"[^>]*value="{value}"', html), name


def test_a_share_that_is_not_offered_is_kept(desk, owner):
    made = waiting_make(owner)
    Backtest.objects.update(out_of_sample_share=0.25)

    form = desk.get(f"/backtests/new/?from={made.pk}").context["form"]
    sent = desk.post("/backtests/new/", FORM | {"out_of_sample_share": "0.25"})

    assert ("0.25", "Last 25%") in form.fields["out_of_sample_share"].choices
    assert form["out_of_sample_share"].value() == "0.25"
    assert sent.status_code == 302
    assert Backtest.objects.latest("pk").out_of_sample_share == 0.25


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0000125, "0.0000125"), (1e21, "1000000000000000000000"), (2.0, "2"), (0, "0"),
        (1234567.25, "1234567.25"), (Decimal("100000.00000000"), "100000"), (30, "30"),
        ("all_in", "all_in"), (True, "True"), (0.1, "0.1"), (Decimal("1E+5"), "100000"),
    ],
)  # fmt: skip
def test_a_number_is_written_with_every_digit_and_no_exponent(value, written):
    assert plain_number(value) == written


# --- watching and judging -----------------------------------------------------------------------


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


def test_folds_and_benchmark_of_the_form_are_stored_and_shown(desk, owner):
    walk_make()
    sent = {"walk_forward_folds": "3", "benchmark": "CASH"}
    desk.post("/backtests/new/", FORM | sent)
    made = Backtest.objects.get()
    backtest_run(backtest_id=made.pk, clock=timezone.now)

    shown = text(desk.get(f"/backtests/{made.pk}/"))
    form = desk.get(f"/backtests/new/?from={made.pk}").context["form"]

    assert re.findall(r'data-fold="(\d)"', shown) == ["1", "2", "3"]
    assert "of 3 folds gained" in shown
    assert "did better than cash." in shown
    assert "Cash" in text(desk.get(f"/backtests/{made.pk}/?tab=metrics"))
    assert {name: form[name].value() for name in sent} == sent


def test_folds_are_counted_against_the_benchmark(desk, owner):
    walk_make()
    desk.post("/backtests/new/", FORM | {"walk_forward_folds": "5"})
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
    assert metrics.count(f'<th scope="col" class="num">{name}') == 3


def test_a_failed_run_says_why(desk, owner):
    made = waiting_make(owner)
    Backtest.objects.update(status="FAILED", error="SMA needs 899 bars of warm-up; WALK has 400.")

    assert "needs 899 bars of warm-up" in text(desk.get(f"/backtests/{made.pk}/"))


def test_the_trades_file_has_a_line_for_each_round_trip(desk, owner):
    made = done_make(owner)

    said = desk.get(f"/backtests/{made.pk}/?tab=trades&format=csv")

    rows = list(csv.DictReader(io.StringIO(said.content.decode())))
    assert len(rows) == len(made.result.round_trips)


# --- the list -----------------------------------------------------------------------------------


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


# --- costs, several instruments, exports --------------------------------------------------------


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


def test_every_cost_of_the_form_is_stored(desk):
    walk_make()
    asked = {
        "spread_bps": "1.5", "commission_per_unit": "0.01", "commission_minimum": "1",
        "range_share": "0.05", "impact": "1", "borrow_bps_per_day": "2",
        "financing_bps_per_year": "300", "max_participation": "0.1", "carries_rest": "on",
    }  # fmt: skip

    desk.post("/backtests/new/", FORM | asked)

    made = Backtest.objects.get()
    stored = {name: getattr(made, name) for name in asked}
    assert stored == {**{k: float(v) for k, v in asked.items() if v != "on"}, "carries_rest": True}
    again = text(desk.get(f"/backtests/new/?from={made.pk}"))
    assert 'name="max_participation" value="0.1"' in again


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("spread_bps", "-1", "Half spread -1 bp must lie between 0 bp and 1,000 bp"),
        ("impact", "11", "Impact 11 must lie between 0 and 10"),
        ("max_participation", "1.5", "Share of the volume 1.5 must lie above 0 and be at most 1"),
        ("symbols", "NOPE", "NOPE"),
        ("max_positions", "2.5", "Positions at once 2.5 must be a whole number"),
    ],
)
def test_impossible_costs_and_instruments_are_refused_at_their_field(desk, field, value, sentence):
    walk_make()

    response = desk.post("/backtests/new/", FORM | {field: value})

    assert response.status_code == 422
    assert sentence in text(response)
    assert not Backtest.objects.exists()


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
