"""Staff pages of runs, searches, strategies and figures: acts, filters, files, few queries."""

from __future__ import annotations

import csv
import io
import itertools

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from marketdata.models import Instrument
from trading.models import Backtest, Deployment, DriftReport, StaffAct, Study
from trading.services.deployments import deployment_start
from trading.services.strategies import strategy_create
from trading.tests.backtest_rows import waiting_make, walk_make
from trading.tests.factories import NOW, portfolio_make, user_make
from trading.tests.model_rows import drift_make, performance_make, predictions_make, version_make
from trading.tests.study_rows import member_make, study_make

pytestmark = pytest.mark.django_db
ROOT = "/staff/trading/"
NUMBERS = itertools.count(1)


@pytest.fixture
def staff(client):
    client.force_login(user_make(is_staff=True, is_superuser=True))
    return client


def text(response):
    return response.content.decode()


def test_the_page_of_a_run_offers_what_its_state_allows(staff):
    row = waiting_make(user_make())

    page = text(staff.get(f"{ROOT}backtest/{row.pk}/change/"))

    assert f"act/cancel/?ids={row.pk}" in page
    assert "act/retry/" not in page


def test_an_act_asks_first_then_is_done_and_stands_on_the_page(staff):
    row = waiting_make(user_make())
    address = f"{ROOT}backtest/act/cancel/?ids={row.pk}"

    asked = staff.get(address)
    assert Backtest.objects.get().status == "QUEUED"
    done = staff.post(address, {"ids": row.pk, "reason": "blocks the queue"}, follow=True)

    assert "A waiting run ends at once" in text(asked)
    assert Backtest.objects.get().status == "CANCELED"
    assert "blocks the queue" in text(done)
    assert "blocks the queue" in text(staff.get(f"{ROOT}staffact/"))


def test_several_rows_are_chosen_in_the_list_and_refusals_are_told(staff):
    owner = member_make()
    rows = [study_make(owner) for _ in range(3)]
    Study.objects.filter(pk=rows[2].pk).update(status="FAILED")
    chosen = {"action": "pause", "_selected_action": [row.pk for row in rows], "index": 0}

    asked = staff.post(f"{ROOT}study/", chosen)
    page = text(staff.get(asked["Location"]))
    ids = ",".join(str(row.pk) for row in rows)
    done = staff.post(f"{ROOT}study/act/pause/", {"ids": ids, "reason": "calm"}, follow=True)

    assert page.count("<td>RUNNING</td>") == 2
    assert "no, it will be left out" in page
    assert sorted(Study.objects.values_list("status", flat=True)) == ["FAILED", "PAUSED", "PAUSED"]
    assert "is FAILED; pause is for RUNNING" in text(done)
    assert StaffAct.objects.count() == 2


def test_without_a_reason_nothing_is_done_and_the_page_asks_again(staff):
    row = waiting_make(user_make())

    page = staff.post(f"{ROOT}backtest/act/cancel/", {"ids": row.pk, "reason": " "})

    assert page.status_code == 422
    assert "Say why" in text(page)
    assert Backtest.objects.get().status == "QUEUED"


def test_staff_who_may_only_look_are_offered_nothing_and_refused(client):
    person = user_make(is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_backtest"))
    client.force_login(person)
    row = waiting_make(user_make())

    page = text(client.get(f"{ROOT}backtest/{row.pk}/change/"))
    listed = text(client.get(f"{ROOT}backtest/"))
    answer = client.post(f"{ROOT}backtest/act/cancel/", {"ids": row.pk, "reason": "x"})

    assert "act/cancel" not in page
    assert 'name="action"' not in listed
    assert answer.status_code == 403
    assert Backtest.objects.get().status == "QUEUED"


def test_an_unknown_act_is_not_found(staff):
    assert staff.get(f"{ROOT}backtest/act/explode/?ids=1").status_code == 404


def test_a_drift_warning_is_acknowledged_and_filtered(staff):
    drift_make(version_make())
    report = DriftReport.objects.get()
    address = f"{ROOT}driftreport/"

    before = text(staff.get(f"{address}?acknowledged=no"))
    staff.post(f"{address}act/acknowledge/", {"ids": report.pk, "reason": "a holiday"})

    assert f"{report.pk}/change/" in before
    assert f"{report.pk}/change/" not in text(staff.get(f"{address}?acknowledged=no"))
    assert f"{report.pk}/change/" in text(staff.get(f"{address}?acknowledged=yes"))


def figures(staff, **query):
    answer = staff.get(f"{ROOT}modelversion/by-regime/", {**query, "format": "csv"})
    return list(csv.DictReader(io.StringIO(text(answer))))


@pytest.fixture
def measured():
    version = version_make(state="ACTIVE")
    predictions_make(version, walk_make(50), {"LOW": 25, "HIGH": 3}, now=timezone.now())
    return version


def test_performance_has_every_figure_with_its_n_and_interval(staff, measured):
    rows = figures(staff, regime="LOW", source="live", metric="win_rate")

    (row,) = rows
    assert (row["regime"], row["metric"]) == ("LOW", "win_rate")
    assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
    few = figures(staff, regime="HIGH", source="live")
    assert {row["value"] for row in few} == {""}
    assert "too few (3)" in text(staff.get(f"{ROOT}modelversion/by-regime/?regime=HIGH"))


@pytest.mark.parametrize(("sort", "is_falling"), [("value", False), ("-value", True), ("-n", True)])
def test_performance_is_sorted_by_a_column_and_what_is_unknown_comes_last(
    staff, measured, sort, is_falling
):
    rows = [row[sort.removeprefix("-")] for row in figures(staff, metric="win_rate", sort=sort)]
    known = [float(value) for value in rows if value]

    assert len(known) > 2
    assert known == sorted(known, reverse=is_falling)
    assert all(rows[: len(known)])


def test_the_heads_of_performance_turn_the_order_around_and_keep_the_filter(staff, measured):
    page = text(staff.get(f"{ROOT}modelversion/by-regime/?metric=ece&sort=regime"))
    unknown = figures(staff, sort="colour")

    assert 'aria-sort="ascending"><div class="text"><a href="?metric=ece&amp;sort=-regime"' in page
    assert page.count("aria-sort") == 1
    assert '<input type="hidden" name="sort" value="regime">' in page
    assert unknown == figures(staff)


def test_performance_is_written_in_words_and_no_limit_is_a_dash(staff, measured):
    few = text(staff.get(f"{ROOT}modelversion/by-regime/?regime=HIGH&source=live"))
    table = few.split('id="result_list"')[1].split("</table>")[0]
    version = text(staff.get(f"{ROOT}modelversion/{measured.pk}/change/"))

    assert "<td>Active</td><td>High</td>" in table
    assert "<td>—</td>" in table
    assert "at most —" not in table
    assert '<th scope="row">High</th>' in version


def test_breaches_are_those_on_the_wrong_side_of_their_limit(staff, measured):
    every, breaches = figures(staff), figures(staff, breach="yes")

    def is_wrong(row):
        if not row["value"]:
            return False
        value, limit = float(row["value"]), float(row["limit"])
        if row["metric"] == "ece":
            return value > limit
        return float(row["high"] or value) < limit

    assert [row for row in every if is_wrong(row)] == breaches
    assert len(figures(staff, breach="no")) == len(every) - len(breaches)


def test_only_versions_in_use_are_measured_unless_all_are_asked_for(staff, measured):
    version_make(2, state="RETIRED")

    assert {row["version"] for row in figures(staff)} == {"1"}
    assert {row["version"] for row in figures(staff, state="all")} == {"1", "2"}


def more_of(kind, n):
    owner = member_make()
    for _ in range(n):
        if kind == "backtest":
            waiting_make(member_make())
        elif kind == "study":
            study_make(owner)
        elif kind == "modelperformance":
            performance_make()
        elif kind in ("driftreport", "modelversion", "modelversion/by-regime"):
            drift_make(version_make(next(NUMBERS), state="SHADOW"))
        else:
            deployment_rows()


def deployment_rows():
    instrument = Instrument.objects.filter(symbol="WALK").first() or walk_make(50)
    portfolio = portfolio_make()
    version = strategy_create(user=portfolio.user, key="sma_cross", name="Mine")
    return deployment_start(version=version, portfolio=portfolio, instrument=instrument, now=NOW)


@pytest.mark.parametrize(
    "kind",
    [
        "backtest",
        "study",
        "deployment",
        "driftreport",
        "modelperformance",
        "modelversion",
        "modelversion/by-regime",
    ],
)
def test_a_list_asks_no_more_for_ten_rows_than_for_one(staff, kind):
    def n_queries():
        with CaptureQueriesContext(connection) as asked:
            assert staff.get(f"{ROOT}{kind}/").status_code == 200
        return len(asked)

    more_of(kind, 1)
    n_queries()
    one = n_queries()
    more_of(kind, 9)

    assert n_queries() == one


@pytest.mark.parametrize("kind", ["backtest", "study", "deployment", "decision", "staffact"])
def test_filters_and_files_of_a_list_work(staff, kind):
    deployment_rows()

    page = text(staff.get(f"{ROOT}{kind}/"))
    saved = staff.get(f"{ROOT}{kind}/csv/")

    assert saved["Content-Type"].startswith("text/csv")
    assert "Filtered rows as CSV" in page


def test_a_deployment_shows_when_it_decided_last(staff):
    deployment_rows()

    page = text(staff.get(f"{ROOT}deployment/?portfolio__kind__exact=PAPER"))

    assert Deployment.objects.count() == 1
    assert "none yet" in page
