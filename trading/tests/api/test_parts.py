"""REST doors of what pages are made of: the same numbers, whose, and with how many queries."""

from __future__ import annotations

import gzip
import json

import pytest
from django.db import connection
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext

from accounts.services import entitlement_grant
from marketdata.models import Instrument
from trading.models import Backtest, Study, Trial
from trading.services.backtests.runs import backtest_run
from trading.services.deployments import deployment_start
from trading.services.strategies import strategy_create
from trading.tests.backtest_rows import done_make, waiting_make
from trading.tests.factories import (
    DAY,
    FIRST_CLOSE,
    NOW,
    instrument_make,
    portfolio_make,
    user_make,
)
from trading.tests.study_rows import ASKED, member_make, study_finish, study_make

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/"
BODY = {key: value for key, value in ASKED.items() if key != "strategy_key"} | {
    "strategy": "sma_cross"
}


@pytest.fixture
def owner():
    return member_make()


def post(client, path, body, key=""):
    headers = {"Idempotency-Key": key} if key else {}
    body = json.dumps(body)
    return client.post(ROOT + path, body, content_type="application/json", headers=headers)


def get(client, path):
    answer = client.get(ROOT + path)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_quotas_tell_what_is_used_and_left(desk, owner):
    waiting_make(owner)
    study_make(owner)
    Backtest.objects.update(created_at="2100-01-01T00:00:00Z")
    Study.objects.update(created_at="2100-01-01T00:00:00Z")

    runs, searches = get(desk, "backtests/quota/"), get(desk, "optimizations/quota/")

    assert (runs["n_used"], runs["n_left"], runs["n_unfinished"]) == (1, runs["per_day"] - 1, 1)
    assert runs["compare_at_once"] >= 2
    assert (searches["n_used"], searches["trials_per_run"], searches["is_locked"]) == (
        1,
        2000,
        False,
    )


def test_a_free_plan_is_told_that_searches_are_locked(client):
    client.force_login(user_make())

    assert get(client, "optimizations/quota/")["is_locked"] is True


def test_an_estimate_stores_nothing_and_tells_faults_like_a_request(desk, owner):
    study_make(owner)

    told = post(desk, "optimizations/estimate/", BODY)
    fault = post(desk, "optimizations/estimate/", BODY | {"space": {"fast": {"low": -1}}})

    assert told.status_code == 200
    assert told.json()["n_combinations"] == 12
    assert (fault.status_code, [*fault.json()["errors"]]) == (422, ["space.fast"])
    assert Study.objects.count() == 1


@pytest.fixture
def search(owner):
    return study_finish(study_make(owner))


def test_the_leaderboard_has_ranks_the_stable_zone_and_the_suggestion(desk, search):
    told = get(desk, f"optimizations/{search.pk}/leaderboard/")

    objectives = [row["objective"] for row in told["results"] if row["objective"] is not None]
    picks = [row["number"] for row in told["results"] if row["is_pick"]]
    stable = {row["number"] for row in told["results"] if row["is_stable"]}
    assert objectives == sorted(objectives, reverse=True)
    assert [row["rank"] for row in told["results"]][: told["n_ranked"]] == list(
        range(1, told["n_ranked"] + 1)
    )
    assert picks == [search.judgement["pick"]]
    assert search.judgement["pick"] in stable


def test_the_leaderboard_comes_in_parts_sorted_and_filtered_as_asked(desk, search):
    path = f"optimizations/{search.pk}/leaderboard/"

    first = get(desk, f"{path}?sort=number&page_size=5")
    rest = get(desk, f"{path}?sort=number&page_size=500&offset={first['next_offset']}")
    best = get(desk, f"{path}?best=25")

    numbers = [row["number"] for row in first["results"] + rest["results"]]
    assert numbers == list(range(1, 13))
    assert (len(first["results"]), rest["next_offset"], len(best["results"])) == (5, None, 3)
    assert desk.get(f"{ROOT}{path}?sort=luck").status_code == 400
    assert desk.get(f"{ROOT}{path}?offset=x").json()["field"] == "offset"


def test_the_heatmap_covers_every_ranked_trial_once(desk, search):
    told = get(desk, f"optimizations/{search.pk}/heatmap/?x=fast&y=slow")

    cells = [cell for row in told["rows"] for cell in row["cells"]]
    ranked = search.trials.filter(objective__isnull=False).count()
    assert [column["low"] for column in told["columns"]] == [3, 6, 9, 12]
    assert sum(cell["n"] for cell in cells) == ranked
    assert sum(cell["is_best"] for cell in cells) == 1
    for axes in ("x=fast&y=fast", "x=fast", "x=fast&y=luck"):
        assert desk.get(f"{ROOT}optimizations/{search.pk}/heatmap/?{axes}").status_code == 400


def test_points_and_progress_are_those_of_the_page(desk, search):
    points = get(desk, f"optimizations/{search.pk}/points/")
    progress = get(desk, f"optimizations/{search.pk}/progress/")

    assert points == desk.get(f"/optimizations/{search.pk}/points/").json()
    assert (progress["progress"], progress["is_judged"]) == (1.0, True)
    assert progress["best_so_far"][-1]["objective"] == max(
        row["objective"] for row in points["rows"]
    )
    assert progress["n_trials_counted"] == 12


@pytest.mark.parametrize(
    ("path", "n_shown"),
    [
        ("/optimizations/{pk}/", 25),
        ("/optimizations/{pk}/points/", 0),
        ("/api/v1/optimizations/{pk}/leaderboard/?page_size=4", 5),
        ("/api/v1/optimizations/{pk}/heatmap/?x=fast&y=slow", 0),
        ("/api/v1/optimizations/{pk}/points/", 0),
    ],
)
def test_trials_that_are_not_shown_are_not_made_into_rows(desk, search, path, n_shown):
    one = search.trials.get(number=1)
    for number in range(100, 200):
        one.pk, one.number = None, number
        one.save(force_insert=True)
    # The suggestion and the highest one are named beside the leaderboard.
    n_named = 2 if "/api/" not in path and n_shown else 0

    made = []
    post_init.connect(lambda **_: made.append(1), sender=Trial, weak=False, dispatch_uid="made")
    try:
        answer = desk.get(path.format(pk=search.pk))
    finally:
        post_init.disconnect(sender=Trial, dispatch_uid="made")

    assert answer.status_code == 200
    assert n_shown <= len(made) <= n_shown + n_named


@pytest.mark.parametrize(
    "door", ["/optimizations/{pk}/points/", "/api/v1/optimizations/{pk}/points/"]
)
def test_points_are_sent_packed_to_who_can_unpack_them(desk, search, door):
    plain = desk.get(door.format(pk=search.pk))
    packed = desk.get(door.format(pk=search.pk), headers={"Accept-Encoding": "gzip"})

    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content


def test_a_search_without_trials_has_empty_parts(desk, owner):
    study = study_make(owner)

    assert get(desk, f"optimizations/{study.pk}/leaderboard/")["results"] == []
    assert get(desk, f"optimizations/{study.pk}/heatmap/?x=fast&y=slow")["rows"] == []
    assert get(desk, f"optimizations/{study.pk}/points/")["rows"] == []
    assert get(desk, f"optimizations/{study.pk}/progress/")["best_so_far"] == []


@pytest.fixture
def run(owner):
    return done_make(owner)


def test_a_trade_tells_why_it_was_entered_and_left(desk, run):
    trip = run.result.round_trips[0]

    told = get(desk, f"backtests/{run.pk}/trades/{trip['number']}/")

    assert told["trade"] == trip
    assert told["entry"]["action"] in ("ENTER_LONG", "ENTER_SHORT")
    assert told["entry"]["parameters"]
    assert told["entry"]["reason"]
    assert told["exit"] is None or told["exit"]["decided_at"] >= told["entry"]["decided_at"]
    assert desk.get(f"{ROOT}backtests/{run.pk}/trades/99999/").status_code == 404


def test_daily_equity_and_the_log_of_a_run_can_be_read(desk, owner, run):
    waiting = waiting_make(owner)

    assert get(desk, f"backtests/{run.pk}/daily/")["daily"] == run.result.daily
    assert get(desk, f"backtests/{run.pk}/log/")["results"] == run.log
    assert get(desk, f"backtests/{waiting.pk}/log/")["results"][0]["text"] == "Queued"
    assert desk.get(f"{ROOT}backtests/{waiting.pk}/daily/").status_code == 409


def test_runs_of_other_spans_are_made_again_over_the_days_they_share(desk, owner, run):
    later = done_make(owner, start_date=(FIRST_CLOSE + 100 * DAY).date())
    body = {"ids": [run.pk, later.pk]}

    made = post(desk, "backtests/compare/rerun/", body)

    assert made.status_code == 202, made.content
    assert len(made.json()["ids"]) == 2
    assert set(made.json()["ids"]) - {run.pk, later.pk}


@pytest.fixture
def spans(owner, run):
    """Three runs of which the second covers the days that all share."""
    for key in ("backtests.compare", "backtests.at_once", "backtests.per_day"):
        entitlement_grant(user=owner, key=key, value=20, source="test")
    later = (FIRST_CLOSE + 100 * DAY).date()
    return [run.pk, done_make(owner, start_date=later).pk, done_make(owner, commission_bps=7).pk]


def test_the_same_key_makes_the_runs_of_a_comparison_once(desk, spans):
    door, before = "backtests/compare/rerun/", Backtest.objects.count()

    first, second = (post(desk, door, {"ids": spans}, key="once") for _ in range(2))
    another = post(desk, door, {"ids": spans}, key="twice")

    assert first.json()["ids"] == second.json()["ids"]
    assert (second.status_code, second["Location"]) == (202, first["Location"])
    made = set(first.json()["ids"]) - set(spans)
    assert len(made) == 2
    assert first.json()["ids"][1] == spans[1]
    assert made.isdisjoint(another.json()["ids"])
    assert Backtest.objects.count() == before + 4


def test_the_key_answers_the_same_after_another_run_moved_the_common_days(desk, owner, spans):
    ends = (FIRST_CLOSE + 150 * DAY).date()
    waiting = waiting_make(owner, end_date=ends)
    body = {"ids": [*spans, waiting.pk]}

    first = post(desk, "backtests/compare/rerun/", body, key="once")
    assert backtest_run(backtest_id=waiting.pk, clock=lambda: NOW) == "SUCCEEDED"
    second = post(desk, "backtests/compare/rerun/", body, key="once")

    assert len(first.json()["ids"]) == 3
    assert (second.status_code, second.json()) == (202, first.json())


def test_a_key_of_another_comparison_is_a_conflict(desk, spans):
    door = "backtests/compare/rerun/"
    post(desk, door, {"ids": spans}, key="once")
    before = Backtest.objects.count()

    refused = post(desk, door, {"ids": spans[:2]}, key="once")
    too_long = post(desk, door, {"ids": spans}, key="k" * 81)

    assert (refused.status_code, refused.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert "for a comparison of other runs" in refused.json()["detail"]
    assert too_long.status_code == 400
    assert Backtest.objects.count() == before


def test_runs_are_sorted_as_on_the_page_and_read_on_in_that_order(desk, owner, spans):
    waiting_make(owner, note="no result yet")

    for sort in ("trades", "-return", "-sharpe", "created", "symbol"):
        found, following = [], f"{ROOT}backtests/?sort={sort}&page_size=1"
        while following:
            answer = desk.get(following).json()
            found += [row["id"] for row in answer["results"]]
            following = answer["next"]
        page = desk.get(f"/backtests/?sort={sort}").context["page"]
        assert len(found) == 4
        assert found == [row["pk"] if isinstance(row, dict) else row.pk for row in page]
    back = desk.get(answer["previous"]).json()["results"]
    assert [row["id"] for row in back] == found[-2:-1]


@pytest.mark.parametrize(
    ("asked", "field"),
    [("sort=luck", "sort"), ("cursor=cD1hYmM%3D", "cursor"), ("sort=return&cursor=cD0x", "cursor")],
)
def test_a_sort_or_cursor_that_is_not_ours_is_refused(desk, asked, field):
    answer = desk.get(f"{ROOT}backtests/?{asked}")

    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_commissions_are_asked_for_as_decimal_strings_or_numbers(desk, run):
    body = {"strategy": "sma_cross", "symbol": "WALK", "is_free_confirmed": True}

    made = post(desk, "backtests/", body | {"commission_per_unit": "0.005"})
    refused = post(desk, "backtests/", body | {"commission_minimum": "cheap"})

    assert (made.status_code, made.json()["commission_per_unit"]) == (202, 0.005)
    assert (refused.status_code, refused.json()["field"]) == (422, "commission_minimum")


def test_runs_of_one_span_are_not_made_again(desk, owner, run):
    other = done_make(owner, commission_bps=7)

    answer = post(desk, "backtests/compare/rerun/", {"ids": [run.pk, other.pk]})

    assert (answer.status_code, answer.json()["code"]) == (409, "NO_OTHER_SPAN")
    assert post(desk, "backtests/compare/rerun/", {"ids": [run.pk]}).status_code == 422
    assert post(desk, "backtests/compare/rerun/", {"ids": [run.pk, 2**63]}).status_code == 422


def test_runs_are_searched_and_filtered_by_luck(desk, run):
    found = get(desk, f"backtests/?search=%23{run.pk}")["results"]
    none = get(desk, "backtests/?search=nothing-like-it")["results"]
    by_luck = [get(desk, f"backtests/?luck={word}")["results"] for word in ("PASS", "WARN", "FAIL")]

    assert [row["id"] for row in found] == [run.pk]
    assert none == []
    assert sum(len(rows) for rows in by_luck) <= 1
    assert desk.get(f"{ROOT}backtests/?luck=maybe").status_code == 400


def test_nobody_else_reads_the_parts(client, search, run):
    client.force_login(user_make())
    doors = [
        f"optimizations/{search.pk}/{part}"
        for part in ("leaderboard/", "heatmap/?x=fast&y=slow", "points/", "progress/")
    ] + [f"backtests/{run.pk}/{part}" for part in ("log/", "daily/", "trades/1/")]

    assert {client.get(ROOT + door).status_code for door in doors} == {404}
    answer = post(client, "backtests/compare/rerun/", {"ids": [run.pk, run.pk + 1]})
    assert answer.status_code == 404


def board_make(owner, name):
    found = Instrument.objects.filter(symbol="SPX").first()
    instrument = found or instrument_make("SPX", [100.0] * 3)
    version = strategy_create(user=owner, key="sma_cross", name=name)
    return deployment_start(
        version=version, portfolio=owner.portfolios.get(), instrument=instrument, capital=100,
        now=NOW,
    )  # fmt: skip


def test_the_board_lists_what_runs_and_what_never_ran(desk, owner):
    portfolio_make(owner)
    board_make(owner, "Runs")
    strategy_create(user=owner, key="sma_cross", name="Never ran")

    told = get(desk, "strategies/board/")["results"]

    assert [(row["name"], row["state"]) for row in told] == [
        ("Runs", "RUNNING"),
        ("Never ran", "DRAFT"),
    ]
    assert told[0]["result"] == "0.00000000"
    assert [row["name"] for row in get(desk, "strategies/board/?state=DRAFT")["results"]] == [
        "Never ran"
    ]
    assert get(desk, "strategies/board/?state=ARCHIVED")["results"] == []
    assert get(desk, "deployments/?status=STOPPED")["results"] == []
    assert len(get(desk, "deployments/?status=RUNNING")["results"]) == 1


def test_the_board_asks_no_more_for_more_strategies(desk, owner):
    entitlement_grant(user=owner, key="strategies.running", value=20, source="test")
    portfolio_make(owner)

    def n_queries():
        with CaptureQueriesContext(connection) as asked:
            get(desk, "strategies/board/")
        return len(asked)

    board_make(owner, "One")
    n_queries()  # reads the bars, which are kept
    one = n_queries()
    for k in range(4):
        board_make(owner, f"More {k}")

    assert n_queries() == one
