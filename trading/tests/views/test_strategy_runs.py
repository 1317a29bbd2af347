"""A strategy that runs more than once: each run is reached, told and stopped by itself."""

from __future__ import annotations

import csv
import io

import pytest

from accounts.services import entitlement_grant
from marketdata.models import Instrument
from trading.models import Decision, Deployment
from trading.services.deployments import deployment_start, deployment_stop
from trading.services.strategies import strategy_create, version_create
from trading.tests.factories import DAY, FIRST_CLOSE, NOW, instrument_make
from trading.tests.views.pages import address, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def gold() -> Instrument:
    return instrument_make("GOLD", [100.0 + k % 7 for k in range(700)])


@pytest.fixture
def other(deployment: Deployment, gold: Instrument) -> Deployment:
    """A second version of the same strategy at work beside the first, on another instrument."""
    entitlement_grant(
        user=deployment.portfolio.user, key="strategies.running", value=5, source="test"
    )
    Deployment.objects.filter(pk=deployment.pk).update(capital=40_000)
    second = version_create(strategy=deployment.version.strategy, parameters={"trend_bars": 60})
    return deployment_start(
        version=second, portfolio=deployment.portfolio, instrument=gold, capital=1_000, now=NOW
    )


def test_the_page_says_which_version_runs_where_and_since_when(member, version, deployment):
    page = member.get(address(version))

    assert f"Version 1, on paper since {deployment.starts_at:%Y-%m-%d}" in said(page)
    assert "v1 at work" in said(page)


def test_each_run_of_a_strategy_has_its_page(member, version, deployment, other):
    newest, first = (member.get(address(version, query)) for query in ("", f"?run={deployment.pk}"))

    assert newest.context["now"].symbol == "GOLD"
    assert first.context["now"].symbol == "SPX"
    for run in (deployment, other):
        assert f'href="?run={run.pk}"' in newest.content.decode()
    for part in (f"?part=now&amp;run={deployment.pk}", f"tracking/?run={deployment.pk}"):
        assert part in first.content.decode()
    assert f'name="run" value="{deployment.pk}"' in first.content.decode()
    assert f"/deployments/{deployment.pk}/pause/" in first.content.decode()


@pytest.mark.parametrize("rest", ["stop/", "tracking/", "parameters/", ""])
def test_the_parts_of_the_page_are_those_of_the_run(member, version, deployment, other, rest):
    query = {"run": deployment.pk} | ({"part": "now"} if not rest else {})
    answer = member.get(address(version, rest), query, HTTP_HX_REQUEST="true")

    assert answer.context["now"].deployment_id == deployment.pk


def test_a_stop_leads_back_to_the_run_that_was_stopped(member, version, deployment, other):
    answer = member.post(f"/deployments/{deployment.pk}/stop/")

    assert answer.url == address(version, f"?run={deployment.pk}")
    deployment.refresh_from_db()
    assert (deployment.status, Deployment.objects.get(pk=other.pk).status) == ("STOPPED", "RUNNING")


def test_a_strategy_that_runs_once_has_no_choice_of_runs(member, version, deployment):
    assert 'aria-label="Runs"' not in member.get(address(version)).content.decode()


def test_a_stopped_run_can_be_read_beside_the_one_at_work(member, version, deployment, other):
    deployment_stop(deployment=deployment, now=NOW)

    page = member.get(address(version, f"?run={deployment.pk}"))

    assert page.context["now"].status == "STOPPED"
    assert f'href="?run={other.pk}"' in page.content.decode()


@pytest.mark.parametrize("run", ["999", "x", "0"])
def test_a_run_that_is_not_of_the_strategy_is_not_found(member, version, deployment, run):
    stranger = strategy_create(user=deployment.portfolio.user, key="sma_cross", name="Other")

    assert member.get(address(version), {"run": run}).status_code == 404
    assert member.get(address(stranger), {"run": deployment.pk}).status_code == 404


def test_the_list_leads_to_each_run(member, version, deployment, other):
    page = member.get("/strategies/").content.decode()

    for run in (deployment, other):
        assert f'href="{address(version)}?run={run.pk}"' in page


def test_parameters_over_rest_are_those_of_the_run_that_is_named(
    member, version, deployment, other
):
    there = f"/api/v1/strategies/{version.strategy_id}/parameters/"

    assert member.get(there).json()["deployment_id"] == other.pk
    named = member.get(there, {"deployment_id": deployment.pk})
    assert named.json()["deployment_id"] == deployment.pk
    assert member.get(there, {"deployment_id": "999"}).status_code == 404


def test_the_log_says_of_which_run_a_decision_is(member, version, deployment, other):
    for run in (deployment, other):
        Decision.objects.create(
            deployment=run, market_at=FIRST_CLOSE + 9 * DAY, action="HOLD", price=100.0, reason="H."
        )

    page = member.get(address(version), {"run": deployment.pk})
    sent = member.get(address(version), {"format": "csv"}).getvalue().decode()

    lines = csv.DictReader(io.StringIO(sent))
    assert {(line["symbol"], line["version"]) for line in lines} == {("SPX", "1"), ("GOLD", "2")}
    log = said(page).split("Market date")[1]
    assert ["SPX, version 1" in log, "GOLD, version 2" in log] == [True, True]
    assert f'href="?run={deployment.pk}&amp;action=HOLD"' in page.content.decode()


def test_the_log_of_a_strategy_that_runs_once_needs_no_names(member, version, deployment):
    Decision.objects.create(
        deployment=deployment,
        market_at=FIRST_CLOSE + 9 * DAY,
        action="HOLD",
        price=1.0,
        reason="H.",
    )

    log = said(member.get(address(version, "decisions/"), HTTP_HX_REQUEST="true"))

    assert "SPX, version 1" not in log
