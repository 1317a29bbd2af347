"""What a person reads of a pause: on the page, over REST, in the staff list."""

from __future__ import annotations

import pytest
from django.contrib import admin

from trading.models import Deployment
from trading.services.deployments import deployment_start
from trading.services.strategies import strategy_create
from trading.tests.factories import FIRST_CLOSE, NOW, instrument_make, portfolio_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def deployment(client):
    lead = instrument_make("SPX", [100.0, 101.0, 102.0])
    portfolio = portfolio_make(lead=lead, cursor_at=FIRST_CLOSE)
    client.force_login(portfolio.user)
    version = strategy_create(user=portfolio.user, key="sma_cross", name="Cross")
    return deployment_start(version=version, portfolio=portfolio, instrument=lead, now=NOW)


def page_of(client, deployment):
    return client.get(f"/strategies/{deployment.version.strategy_id}/").content.decode()


def test_the_question_before_a_pause_says_what_goes_on(client, deployment):
    page = page_of(client, deployment)

    button = page.split('id="pause-button"')[1].split("</button>")[0]
    assert 'data-dialog="pause-dialog"' in button
    assert button.endswith("Pause entries…")
    question = page.split('id="pause-dialog"')[1].split("</dialog>")[0]
    assert "it enters nothing and adds nothing" in question
    assert "exits, stops, targets, holding limits and the circuit breaker go on" in question
    assert "stop the strategy instead" in question
    assert f"/deployments/{deployment.pk}/pause/" in question


def test_the_page_says_of_each_state_what_is_managed(client, deployment):
    client.post(f"/deployments/{deployment.pk}/pause/")
    paused = page_of(client, deployment)
    Deployment.objects.update(status="ERROR")
    failed = page_of(client, deployment)

    assert "Exits, stops, targets, holding limits and the circuit breaker stay managed." in paused
    assert 'id="resume-button"' in paused
    assert 'id="pause-button"' not in paused
    assert "no entry and no exit" in failed


@pytest.mark.parametrize(
    ("status", "manages"),
    [
        ("RUNNING", "entries and exits"),
        ("PAUSED", "exits only"),
        ("STOPPED", "nothing"),
        ("ERROR", "nothing"),
    ],
)
def test_rest_and_staff_read_what_a_strategy_does_in_its_status(
    client, deployment, status, manages
):
    Deployment.objects.update(status=status)

    answer = client.get(f"/api/v1/deployments/{deployment.pk}/").json()

    deployment.refresh_from_db()
    assert (answer["status"], answer["manages"]) == (status, manages)
    assert admin.site._registry[Deployment].manages(deployment) == manages
    assert "manages" in admin.site._registry[Deployment].list_display


def test_rest_pauses_and_resumes(client, deployment):
    paused = client.post(f"/api/v1/deployments/{deployment.pk}/pause/").json()
    resumed = client.post(f"/api/v1/deployments/{deployment.pk}/resume/").json()

    assert (paused["manages"], resumed["manages"]) == ("exits only", "entries and exits")
