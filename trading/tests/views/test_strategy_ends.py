"""Pausing, stopping and putting away: with and without JavaScript, and what lists show then."""

from __future__ import annotations

import pytest

from trading.engine.breaker import BreakerState
from trading.models import Deployment, Order
from trading.services.orders import order_submit
from trading.services.strategies import strategy_create
from trading.tests.factories import NOW, portfolio_make
from trading.tests.views.pages import KEY, address, said, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def working(portfolio, deployment):
    """An order of the strategy that waits for its price."""
    return order_submit(
        portfolio=portfolio, instrument=portfolio.replay.lead, side="BUY", order_type="LIMIT",
        quantity="1", limit_price="1", client_order_id=f"s{deployment.pk}-1",
        deployment=deployment, now=NOW,
    )  # fmt: skip


def held(deployment, quantity=12.0):
    deployment.state |= {"quantity": quantity, "avg_entry_price": 100.0}
    deployment.save()


def listed(member, state=""):
    return text(member.get(f"/strategies/?state={state}"))


def test_the_buttons_to_pause_and_to_stop_work_without_a_script(member, version, deployment):
    page = member.get(address(version)).content.decode()

    pause = page.split('id="pause-button"')[0].rsplit("<form", 1)[1]
    stop = page.split('id="stop-button"')[0].rsplit("<form", 1)[1]
    assert f'method="post" action="/deployments/{deployment.pk}/pause/"' in pause
    assert f'action="{address(version, "stop/")}"' in stop
    assert 'id="pause-button" type="submit"' in page
    assert 'id="stop-button" type="submit"' in page


def test_the_page_before_a_stop_says_what_happens_and_what_does_not(
    member, version, deployment, working
):
    held(deployment)

    answer = member.get(address(version, "stop/"))

    assert "Its 1 working order is canceled, stops and targets too." in said(answer)
    assert "Your other strategies and your own orders go on." in said(answer)
    page = text(answer)
    assert page.count('type="radio" name="closes_position"') == 2
    assert f'action="/deployments/{deployment.pk}/stop/"' in page


def test_one_that_holds_nothing_is_not_asked_whether_to_close(member, version, deployment):
    page = text(member.get(address(version, "stop/")))

    assert "It holds nothing: there is nothing to close." in page
    assert "No order of it works now" in page
    assert 'name="closes_position"' not in page


def test_there_is_nothing_to_stop_where_nothing_runs(member, version):
    assert "There is nothing to stop." in text(member.get(address(version, "stop/")))


def test_nobody_sees_the_stop_page_of_somebody_else(client, version, deployment):
    client.force_login(portfolio_make().user)

    assert client.get(address(version, "stop/")).status_code == 404


def test_halting_stops_at_once_and_cancels_what_works(member, version, deployment, working):
    before = member.get(address(version))
    member.post(f"/deployments/{deployment.pk}/stop/")

    assert 'id="halt-button"' in text(before)
    assert "its 1 working order canceled" in said(before)
    assert Deployment.objects.get().status == "STOPPED"
    assert Order.objects.get().status == "CANCELED"
    assert 'id="halt-button"' not in text(member.get(address(version)))


def test_what_is_archived_has_a_filter_and_comes_back(member, version, deployment):
    Deployment.objects.update(status="STOPPED")
    member.post(address(version, "archive/"))

    assert address(version) not in listed(member)
    assert address(version) in listed(member, "ARCHIVED")
    assert 'id="unarchive-button"' in text(member.get(address(version)))

    member.post(address(version, "unarchive/"))

    assert address(version) in listed(member, "STOPPED")
    assert address(version) not in listed(member, "ARCHIVED")


def test_an_archived_draft_has_the_filter_too_and_no_way_to_run(member, portfolio):
    draft = strategy_create(user=portfolio.user, key=KEY, name="Idea")
    member.post(address(draft, "archive/"))

    page = listed(member, "ARCHIVED")

    assert address(draft) in page
    assert address(draft, "versions/1/run/") not in page


def test_the_file_has_the_drafts_that_the_page_lists(member, portfolio, deployment):
    strategy_create(user=portfolio.user, key=KEY, name="Idea")

    rows = member.get("/strategies/?format=csv").content.decode().splitlines()
    running = member.get("/strategies/?format=csv&state=RUNNING").content.decode()

    assert len(rows) == 3
    assert rows[2].startswith("Idea,Volatility-adaptive trend,1,DRAFT,,")
    assert "Idea" not in running


def test_one_whose_breaker_allows_nothing_is_listed_as_halted(member, deployment):
    deployment.state |= {"breaker": BreakerState(level=3, rule=4, value=0.21, limit=0.2).to_dict()}
    deployment.save()

    assert "by its circuit breaker" in listed(member, "HALTED")
    assert address(deployment.version) not in listed(member, "RUNNING")
    page = member.get(address(deployment.version)).content.decode()
    assert 'href="#breaker">by its circuit breaker</a>' in page
    assert 'id="breaker"' in page
