from __future__ import annotations

import datetime as dt
import json

import pytest
from django.db import DatabaseError
from django.utils import timezone

from accounts.models import User
from elson.common.models import Component, Heartbeat, OutboxEvent
from monitoring import checks
from monitoring.models import Incident
from monitoring.views import probes

pytestmark = pytest.mark.django_db(transaction=True)
AWAY = {"REMOTE_ADDR": "203.0.113.7"}


@pytest.fixture(autouse=True)
def nothing_remembered():
    probes._status.clear()
    probes._started.clear()


@pytest.fixture
def living(monkeypatch):
    # The first request of a process loads every view, on a busy machine longer than a beat lasts.
    monkeypatch.setattr(checks, "DEAD_AFTER_SECONDS", 600)
    for component in (Component.WORKER, Component.STREAMER, Component.RUNNER):
        Heartbeat.objects.create(component=component, process="here:1", beaten_at=timezone.now())


@pytest.fixture
def no_database(monkeypatch):
    """The database refuses every look of the probes."""

    def refuse() -> list[checks.Finding]:
        return [
            checks.Finding("database", "Database", False, True, "OperationalError: refused"),
            checks.Finding("migrations", "Tables", False, True, "unknown"),
        ]

    monkeypatch.setattr(checks, "_DATABASE", checks.Probe(refuse, []))


def test_livez_needs_no_database(client, no_database, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/livez")

    assert (response.status_code, json.loads(response.content)) == (200, {"status": "alive"})


def test_readyz_is_200_when_everything_runs(client, living):
    response = client.get("/readyz")

    assert (response.status_code, json.loads(response.content)["status"]) == (200, "ready")


def test_readyz_is_200_with_the_list_of_what_is_degraded(client):
    body = json.loads(client.get("/readyz", **AWAY).content)

    assert body == {"status": "degraded", "failing": ["worker", "streamer", "runner"]}


def test_readyz_is_503_without_the_database(client, no_database):
    response = client.get("/readyz", **AWAY)

    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert "refused" not in response.content.decode()


def test_details_are_for_this_machine_and_not_for_a_proxy_in_front_of_strangers(client):
    assert "checks" in json.loads(client.get("/readyz").content)
    forwarded = client.get("/readyz", headers={"X-Forwarded-For": "203.0.113.7"})
    assert "checks" not in json.loads(forwarded.content)


@pytest.mark.parametrize(("is_staff", "sees_details"), [(True, True), (False, False)])
def test_details_are_for_staff(client, is_staff, sees_details):
    person = User.objects.create_user("p@example.com", "a long enough password", is_staff=is_staff)
    client.force_login(person)

    body = json.loads(client.get("/readyz", **AWAY).content)

    assert ("checks" in body) is sees_details


def test_probe_answers_whatever_host_a_load_balancer_sends(client):
    for path in ("/livez", "/readyz", "/startupz"):
        assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


def test_startupz_stays_started_after_the_first_success(client, monkeypatch):
    assert client.get("/startupz").status_code == 200

    monkeypatch.setattr(checks, "_look_at_database", lambda: [])
    assert json.loads(client.get("/startupz").content) == {"status": "started"}


def test_startupz_waits_for_the_tables(client, no_database):
    assert client.get("/startupz").status_code == 503


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz", "/status/", "/metrics"])
def test_probe_cannot_be_posted_to(client, path):
    assert client.post(path).status_code in (403, 405)


def test_metrics_tell_queues_and_ages(client, living):
    OutboxEvent.objects.create(name="trading.backtest_run")

    page = client.get("/metrics").content.decode()

    assert "elson_outbox_waiting 1.0" in page
    assert 'elson_heartbeat_age_seconds{component="worker"}' in page
    assert "elson_database_up 1.0" in page


def test_metrics_without_a_database_say_only_that(client, monkeypatch):
    def refuse(**_: object) -> None:
        raise DatabaseError("refused")

    monkeypatch.setattr("monitoring.metrics.today_get", refuse)

    page = client.get("/metrics").content.decode()

    assert "elson_database_up 0.0" in page
    assert "elson_outbox_waiting" not in page


def test_metrics_are_not_public(client):
    response = client.get("/metrics", **AWAY)

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("offered", "status"), [("t" * 20, 200), ("wrong", 401), ("", 401)])
def test_metrics_open_to_the_right_token_only(client, settings, offered, status):
    settings.METRICS_TOKEN = "t" * 20

    response = client.get("/metrics", headers={"Authorization": f"Bearer {offered}"}, **AWAY)

    assert response.status_code == status


def test_empty_token_setting_opens_nothing(client, settings):
    settings.METRICS_TOKEN = ""

    assert client.get("/metrics", headers={"Authorization": "Bearer "}, **AWAY).status_code == 401


def test_status_page_tells_people_what_is_wrong(client, living):
    Incident.objects.create(
        check_key="redis", title="Live messages", state="RESOLVED", opened_at=timezone.now(),
        resolved_at=timezone.now(),
    )  # fmt: skip

    response = client.get("/status/")
    page = response.content.decode()

    assert response.status_code == 200
    assert "Everything works." in page
    assert "Live messages" in page
    assert len(response.content) < 20_000
    assert "script-src 'self'" in response["Content-Security-Policy"]


def test_status_page_renders_without_the_database_and_keeps_the_known_incidents(
    client, living, monkeypatch
):
    Incident.objects.create(check_key="redis", title="Long known", opened_at=timezone.now())
    client.get("/status/")
    probes._status["page"] = (-1e9, probes._status["page"][1])  # older than it may be
    monkeypatch.setattr(
        checks,
        "_DATABASE",
        checks.Probe(
            lambda: [
                checks.Finding("database", "Database", False, True),
                checks.Finding("migrations", "Tables", False, True),
            ],
            [],
        ),
    )

    page = client.get("/status/").content.decode()

    assert "Elson does not work at the moment." in page
    assert "Long known" in page


def test_status_is_looked_at_once_in_a_while(client, living, django_assert_num_queries):
    client.get("/status/")

    with django_assert_num_queries(0):
        client.get("/status/")


def test_status_json_has_the_same_parts(client, living):
    body = json.loads(client.get("/status.json").content)

    assert body["status"] == "OK"
    assert {part["key"] for part in body["components"]} >= {"web", "database", "redis", "worker"}
    assert dt.datetime.fromisoformat(body["checked_at"]).tzinfo
