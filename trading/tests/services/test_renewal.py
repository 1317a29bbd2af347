"""Starting over: history stays as it was, the successor begins like the first one."""

from __future__ import annotations

import pytest

from marketdata.models import ReplaySession
from marketdata.services import replay_open
from marketdata.tests.factories import market_make
from trading.models import Deployment, DeploymentEvent, JournalEntry, Order, Portfolio
from trading.selectors.ledger_checks import ledger_verify
from trading.selectors.portfolios import portfolio_get, portfolio_list
from trading.services.deployments import demo_deploy
from trading.services.orders import order_submit
from trading.services.portfolios import portfolio_open
from trading.services.renewal import portfolio_archive, portfolio_renew
from trading.tests.factories import NOW, portfolio_make, user_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def portfolio():
    market_make()
    user = user_make()
    session = replay_open(user=user, episode="sp500-2008", now=NOW)
    opened = portfolio_open(user=user, name="Main", cash=100_000, replay=session, now=NOW)
    demo_deploy(user=user, portfolio=opened, now=NOW)
    order_submit(
        portfolio=opened, instrument=session.lead, side="BUY", order_type="LIMIT", quantity="1",
        limit_price="1", client_order_id="k", now=NOW,
    )  # fmt: skip
    return opened


def test_portfolio_renew_opens_a_successor_where_the_replay_began(portfolio):
    n_entries = JournalEntry.objects.filter(portfolio=portfolio).count()

    successor = portfolio_renew(portfolio=portfolio, now=NOW)

    old = Portfolio.objects.get(pk=portfolio.pk)
    assert old.is_archived
    assert old.replay_id is None
    assert old.name.startswith("Main until 2026-01-05")
    assert JournalEntry.objects.filter(portfolio=old).count() == n_entries
    assert successor.name == "Main"
    assert successor.opening_cash == 100_000
    assert successor.replay.cursor_at == ReplaySession.objects.get(pk=successor.replay_id).starts_at
    assert portfolio_get(portfolio.user) == successor
    assert [item.pk for item in portfolio_list(portfolio.user)] == [successor.pk]
    assert ledger_verify() == []


def test_portfolio_renew_moves_the_demo_and_ends_what_ran(portfolio):
    successor = portfolio_renew(portfolio=portfolio, now=NOW)

    assert Deployment.objects.get(portfolio=portfolio).status == "STOPPED"
    assert Deployment.objects.get(portfolio=successor).status == "RUNNING"
    assert set(Order.objects.values_list("status", "reserved_cash")) == {("CANCELED", 0)}


def test_portfolio_renew_can_be_done_again_and_again(portfolio):
    for _ in range(3):
        portfolio = portfolio_renew(portfolio=portfolio, now=NOW)

    assert Portfolio.objects.filter(is_archived=True).count() == 3
    assert ledger_verify() == []


def test_a_second_press_of_the_button_starts_over_once(portfolio):
    first = portfolio_renew(portfolio=portfolio, now=NOW)
    second = portfolio_renew(portfolio=portfolio, now=NOW)

    assert first == second
    assert Portfolio.objects.count() == 2


def test_portfolio_archive_twice_changes_nothing_more(portfolio):
    first = portfolio_archive(portfolio=portfolio, now=NOW)
    second = portfolio_archive(portfolio=portfolio, now=NOW)

    assert first.name == second.name


def test_a_strategy_that_starting_over_ended_says_so(portfolio):
    portfolio_renew(portfolio=portfolio, now=NOW)

    told = DeploymentEvent.objects.order_by("pk")
    assert list(told.values_list("deployment__portfolio", "kind", "note"))[:2] == [
        (portfolio.pk, "STARTED", ""),
        (portfolio.pk, "STOPPED", "its portfolio was put away"),
    ]


def test_a_portfolio_without_a_replay_is_not_started_over():
    portfolio = portfolio_make()

    assert portfolio_renew(portfolio=portfolio, now=NOW) == portfolio
    assert not Portfolio.objects.get(pk=portfolio.pk).is_archived
