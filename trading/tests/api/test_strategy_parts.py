"""REST doors of a strategy's page: decisions filtered and sorted, orders, events, parameters."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from trading.models import Decision, Order
from trading.selectors.parameter_changes import parameter_changes
from trading.services.deployments import deployment_pause, deployment_resume
from trading.services.strategies import strategy_create
from trading.tests.services.test_live_protection import at, deploy_on, walk  # noqa: F401
from trading.tests.services.test_runner import play

pytestmark = pytest.mark.django_db


@pytest.fixture
def deployment(client, walk):  # noqa: F811
    """A strategy that holds, with a stop and a target at rest."""
    found = deploy_on(walk)
    play(found.portfolio, at(60))
    client.force_login(found.portfolio.user)
    return found


def door(deployment, part):
    return f"/api/v1/strategies/{deployment.version.strategy_id}/{part}"


def results(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def walked(client, path):
    """Every row of a list, page by page."""
    found, following = [], path
    while following:
        answer = client.get(following).json()
        found += answer["results"]
        following = answer["next"]
    return found


def test_decisions_are_filtered_by_regime_block_and_time(client, deployment):
    decisions = Decision.objects.filter(deployment=deployment)
    blocks = Counter(decisions.exclude(blocked_by="").values_list("blocked_by", flat=True))
    block, n_blocked = blocks.most_common(1)[0]
    regime, n_regime = Counter(decisions.values_list("regime", flat=True)).most_common(1)[0]
    span = f"since={at(53):%Y-%m-%dT%H:%M:%S}&until={at(56):%Y-%m-%dT%H:%M:%S}Z"

    blocked = results(client, door(deployment, f"decisions/?blocked_by={block}"))
    in_regime = results(client, door(deployment, f"decisions/?regime={regime}"))
    within = results(client, door(deployment, f"decisions/?{span}"))

    assert {row["blocked_by"] for row in blocked} == {block}
    assert {row["regime"] for row in in_regime} == {regime}
    assert (len(blocked), len(in_regime)) == (n_blocked, n_regime)
    wanted = decisions.filter(market_at__range=(at(53), at(56))).order_by("-market_at")
    assert [row["id"] for row in within] == [str(row.uuid) for row in wanted]
    assert len(within) == 4


def test_decisions_come_oldest_first_when_asked_page_by_page(client, deployment):
    newest = walked(client, door(deployment, "decisions/?page_size=3"))
    oldest = walked(client, door(deployment, "decisions/?page_size=3&sort=market_at"))

    assert len(oldest) == Decision.objects.count() > 6
    assert oldest == newest[::-1]


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        ("regime=CALM", "regime", ["'CALM'", "EXTREME"]),
        ("blocked_by=LUCK", "blocked_by", ["'LUCK'", "NO_TRADE_BAND"]),
        ("sort=price", "sort", ["'price'", "-market_at"]),
        ("since=monday", "since", ["'monday'", "ISO 8601"]),
        ("until=0001-01-01T00:00:00%2B14:00", "until", ["0001-01-01", "ISO 8601"]),
        ("since=2020-01-02&until=2020-01-01", "until", ["2020-01-01", "before", "2020-01-02"]),
        ("cursor=cD1hYmM%3D", "cursor", ["not one of ours"]),
        ("cursor=x", "cursor", ["not one of ours"]),
        ("luck=1", "luck", ["blocked_by", "since"]),
    ],
)
def test_what_the_list_cannot_read_is_refused_by_name(client, deployment, asked, field, words):
    answer = client.get(door(deployment, f"decisions/?{asked}"))

    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert all(word in answer.json()["detail"] for word in words), answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "strategies/",
        "deployments/",
        "orders/",
        "ledger/",
        "optimizations/",
        "optimizations/repeats/",
        "optimization-proposals/",
        "models/trainings/",
        "strategies/{}/events/",
        "strategies/{}/orders/",
    ],
)
def test_a_cursor_of_no_row_is_refused_in_a_sentence(client, deployment, path):
    asked = f"/api/v1/{path.format(deployment.version.strategy_id)}?cursor=cD1hYmM%3D"

    answer = client.get(asked)

    assert (answer.status_code, answer.json()["field"]) == (400, "cursor")
    assert "start from the first page" in answer.json()["detail"]


def test_orders_of_a_strategy_mark_what_rests(client, deployment):
    told = results(client, door(deployment, "orders/"))
    working = results(client, door(deployment, "orders/?status=open"))

    assert {row["protection"] for row in told if row["is_resting"]} == {"STOP", "TARGET"}
    assert [row["is_resting"] for row in told if not row["protection"]] == [False]
    assert {row["id"] for row in working} == {row["id"] for row in told if row["is_resting"]}
    assert {row["version"] for row in told} == {1}
    stop = next(row for row in told if row["protection"] == "STOP")
    assert stop["stop_price"] == str(Order.objects.get(protection="STOP").stop_price)
    refused = client.get(door(deployment, "orders/?status=late"))
    assert (refused.status_code, refused.json()["field"]) == (400, "status")


def test_a_canceled_stop_rests_no_more(client, deployment):
    Order.objects.filter(protection="STOP").update(status="CANCELED")

    told = results(client, door(deployment, "orders/"))

    assert [row["protection"] for row in told if row["is_resting"]] == ["TARGET"]


def test_events_tell_what_was_done_newest_first(client, deployment):
    deployment_pause(deployment=deployment)
    deployment_resume(deployment=deployment)

    of_strategy = results(client, door(deployment, "events/"))
    of_deployment = results(client, f"/api/v1/deployments/{deployment.pk}/events/")
    paused = results(client, door(deployment, "events/?kind=PAUSED"))
    refused = client.get(door(deployment, "events/?kind=SLEPT"))

    assert [row["kind"] for row in of_strategy] == ["RUNNING", "PAUSED", "STARTED"]
    assert of_deployment == of_strategy
    assert (of_strategy[0]["symbol"], of_strategy[0]["version"]) == ("WALK", 1)
    assert [row["kind"] for row in paused] == ["PAUSED"]
    assert (refused.status_code, refused.json()["field"]) == (400, "kind")
    assert "'SLEPT' is not one of" in refused.json()["detail"]


def test_the_timeline_is_that_of_the_page(client, deployment):
    told = client.get(door(deployment, "parameters/")).json()

    changes = parameter_changes(deployment)
    assert (told["deployment_id"], told["n_bars"]) == (deployment.pk, changes.n_bars)
    assert [dt.datetime.fromisoformat(told[name]) for name in ("from", "to")] == [
        changes.from_at,
        changes.to_at,
    ]
    assert {
        row["name"]: [span["value"] for span in row["spans"]] for row in told["parameters"]
    } == {
        name: [span.value for span in history.spans] for name, history in changes.histories.items()
    }
    for row in told["parameters"]:
        assert sum(span["n_bars"] for span in row["spans"]) == told["n_bars"]
    assert client.get(door(deployment, "parameters/?days=9")).json()["field"] == "days"


def test_a_strategy_that_never_ran_has_an_empty_timeline(client, deployment):
    user = deployment.portfolio.user
    never = strategy_create(user=user, key="sma_cross", name="Never").strategy_id

    told = client.get(f"/api/v1/strategies/{never}/parameters/").json()

    assert (told["deployment_id"], told["from"], told["parameters"]) == (None, None, [])


@pytest.mark.parametrize("part", ["orders/", "events/", "decisions/", "parameters/"])
def test_more_rows_ask_no_more_questions(client, deployment, part):
    def n_asked():
        with CaptureQueriesContext(connection) as asked:
            assert client.get(door(deployment, part)).status_code == 200
        return len(asked)

    few = n_asked()
    deployment_pause(deployment=deployment)
    deployment_resume(deployment=deployment)
    play(deployment.portfolio, at(75))

    assert n_asked() == few


def test_a_decision_says_what_the_market_did_since(client, deployment):
    newest, before = list(Decision.objects.order_by("-market_at")[:2])

    found = [
        client.get(f"/api/v1/decisions/{decision.uuid}/").json()["outcome"]
        for decision in (newest, before)
    ]

    change = float(newest.price) / float(before.price) - 1.0
    assert found == [None, {"n_bars": 1, "close_change": pytest.approx(change)}]
