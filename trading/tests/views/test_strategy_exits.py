"""A strategy whose rules are gone: its page refuses, and leads to where it can be stopped."""

from __future__ import annotations

import pytest

from trading.models import Deployment, Strategy
from trading.tests.views.pages import address

pytestmark = pytest.mark.django_db
PAGES = ("", "edit/", "versions/1/run/")


@pytest.fixture
def gone(version):
    """The package with the rules of the version was taken away."""
    Strategy.objects.filter(pk=version.strategy_id).update(key="gone_rules")
    return version


@pytest.mark.parametrize("rest", PAGES)
def test_what_runs_without_rules_can_be_found_and_stopped(member, deployment, gone, rest):
    refused = member.get(address(gone, rest))

    stop = address(gone, "stop/")
    assert refused.status_code == 409
    assert f'href="{stop}">Stop Trend…</a>' in refused.content.decode()
    asked = member.get(stop)
    assert f'action="/deployments/{deployment.pk}/stop/"' in asked.content.decode()
    member.post(f"/deployments/{deployment.pk}/stop/")
    assert Deployment.objects.get().status == "STOPPED"


@pytest.mark.parametrize("rest", PAGES)
def test_what_runs_nowhere_leads_to_the_list(member, gone, rest):
    page = member.get(address(gone, rest)).content.decode()

    assert 'href="/strategies/">All strategies</a>' in page
    assert "Stop Trend" not in page


def test_a_strategy_of_somebody_else_stays_unknown(client, gone, owner):
    client.force_login(owner)

    assert client.get(address(gone)).status_code == 404
