"""Ends of a deployment: its sale goes out or nothing ends; a lost database is nobody's fault."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import OperationalError

from accounts.models import Entitlement
from trading.models import Deployment, Order, Position, RiskLimits
from trading.services import live_decisions
from trading.services.deployments import (
    DeploymentInvalid,
    DeploymentKeyReused,
    deployment_start,
    deployment_stop,
)
from trading.services.orders import order_submit
from trading.services.portfolios import PortfolioArchived
from trading.services.renewal import portfolio_archive
from trading.services.runner import portfolio_advance
from trading.services.strategies import strategy_create
from trading.tests.factories import (
    DAY,
    FIRST_CLOSE,
    NOW,
    instrument_make,
    portfolio_make,
    user_make,
)

pytestmark = pytest.mark.django_db
N_BARS = 40


@pytest.fixture
def spx():
    return instrument_make("SPX", [100 + i for i in range(N_BARS)])


@pytest.fixture
def portfolio(spx):
    user = user_make()
    Entitlement.objects.create(user=user, key="strategies.running", value=5)
    return portfolio_make(user, lead=spx, cursor_at=FIRST_CLOSE)


@pytest.fixture
def version(portfolio):
    parameters = {"fast": 2, "slow": 5}
    return strategy_create(user=portfolio.user, key="sma_cross", name="x", parameters=parameters)


@pytest.fixture
def deployment(portfolio, version, spx):
    started = deployment_start(
        version=version, portfolio=portfolio, instrument=spx, capital=Decimal(50_000), now=NOW
    )
    portfolio.replay.cursor_at = FIRST_CLOSE + (N_BARS - 1) * DAY
    portfolio.replay.save()
    return started


def advance(portfolio):
    portfolio_advance(portfolio_id=portfolio.pk, until=portfolio.replay.cursor_at, now=NOW)


def test_a_limit_on_the_number_of_orders_does_not_keep_a_position(portfolio, deployment, spx):
    advance(portfolio)
    RiskLimits.objects.filter(portfolio=portfolio).update(
        max_orders_per_minute=1, max_open_orders=1
    )
    portfolio.refresh_from_db()
    by_hand = {"side": "BUY", "order_type": "LIMIT", "limit_price": "1", "quantity": 1}
    order_submit(portfolio=portfolio, instrument=spx, client_order_id="mine", now=NOW, **by_hand)

    stopped = deployment_stop(deployment=deployment, closes_position=True, now=NOW)

    sale = Order.objects.get(client_order_id=f"close-{deployment.pk}")
    assert stopped.status == "STOPPED"
    assert sale.status == "ACCEPTED"
    assert sale.quantity == Position.objects.get(portfolio=portfolio).quantity


def test_a_sale_that_is_refused_ends_nothing(portfolio, deployment, spx):
    advance(portfolio)
    type(spx).objects.filter(pk=spx.pk).update(is_tradable=False)
    deployment.refresh_from_db()

    with pytest.raises(DeploymentInvalid, match=r"SPX cannot be sold: .*; the strategy was not"):
        deployment_stop(deployment=deployment, closes_position=True, now=NOW)

    assert Deployment.objects.get().status == "RUNNING"
    assert not Order.objects.filter(client_order_id=f"close-{deployment.pk}").exists()
    kept = deployment_stop(deployment=Deployment.objects.get(), now=NOW)
    assert kept.status == "STOPPED"


def test_a_database_that_fails_once_leaves_the_strategy_running(portfolio, deployment, monkeypatch):
    real, calls = live_decisions.predictions_record, []

    def failing_once(**values):
        calls.append(values)
        if len(calls) == 3:
            raise OperationalError("deadlock detected")
        return real(**values)

    monkeypatch.setattr(live_decisions, "predictions_record", failing_once)
    with pytest.raises(OperationalError):
        advance(portfolio)

    advance(portfolio)

    deployment.refresh_from_db()
    assert (deployment.status, deployment.error) == ("RUNNING", "")
    assert deployment.last_bar_at == portfolio.replay.cursor_at
    assert deployment.decisions.count() == N_BARS - 1


def test_nothing_begins_in_a_portfolio_that_was_put_away(portfolio, version, spx):
    portfolio_archive(portfolio=portfolio, now=NOW)
    buy = {"side": "BUY", "order_type": "MARKET", "quantity": 1, "client_order_id": "k"}

    with pytest.raises(PortfolioArchived, match="was put away and takes no more orders"):
        order_submit(portfolio=portfolio, instrument=spx, now=NOW, **buy)
    with pytest.raises(PortfolioArchived):
        deployment_start(
            version=version, portfolio=portfolio, instrument=spx, capital=Decimal(1_000), now=NOW
        )

    assert not Order.objects.exists()
    assert not Deployment.objects.exists()


def test_a_key_used_with_another_capital_is_told(portfolio, version, spx):
    asked = {"version": version, "portfolio": portfolio, "instrument": spx, "client_key": "key-1"}
    first = deployment_start(**asked, capital=Decimal(1_000), now=NOW)

    again = deployment_start(**asked, capital=Decimal("1000.00"), now=NOW + dt.timedelta(hours=1))

    assert again == first
    with pytest.raises(DeploymentKeyReused, match="another version, instrument or capital"):
        deployment_start(**asked, capital=Decimal(90_000), now=NOW)
