"""Strategies: parameters inside their bounds, versions frozen, capital given once."""

from __future__ import annotations

from decimal import Decimal

import pytest

from accounts.services import entitlement_grant
from trading.models import Deployment, Order, Strategy, StrategyVersion
from trading.services.deployments import (
    DEMO_NAME,
    DeploymentFinal,
    DeploymentInvalid,
    PlanLimitReached,
    demo_deploy,
    deployment_pause,
    deployment_resume,
    deployment_start,
    deployment_stop,
)
from trading.services.fills import fill_record
from trading.services.orders import order_submit
from trading.services.strategies import (
    StrategyInvalid,
    StrategyNameTaken,
    strategy_archive,
    strategy_create,
    version_create,
)
from trading.tests.factories import FIRST_CLOSE, NOW, instrument_make, portfolio_make, user_make

D = Decimal
pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return user_make()


@pytest.fixture
def portfolio(owner):
    lead = instrument_make("SPX", [100.0] * 5, asset_class="CRYPTO")
    return portfolio_make(owner, lead=lead)


@pytest.fixture
def version(owner):
    return strategy_create(user=owner, key="sma_cross", name="Cross")


def start(version, portfolio, capital=None):
    return deployment_start(
        version=version, portfolio=portfolio, instrument=portfolio.replay.lead,
        capital=None if capital is None else D(capital), now=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"fast": 0}, ["fast", "0"]),
        ({"slow": -3}, ["slow", "-3"]),
        ({"fast": 501}, ["fast", "501", "at most 500"]),
        ({"fast": "many"}, ["fast", "many"]),
        ({"speed": 3}, ["speed"]),
    ],
)
def test_parameters_out_of_bounds_are_refused_by_name(owner, parameters, words):
    with pytest.raises(StrategyInvalid) as caught:
        strategy_create(user=owner, key="sma_cross", name="Wrong", parameters=parameters)

    assert caught.value.field == "parameters"
    for word in words:
        assert word in caught.value.message.replace(",", "")
    assert not Strategy.objects.exists()


def test_rules_nobody_wrote_are_refused(owner):
    with pytest.raises(StrategyInvalid, match="crystal_ball"):
        strategy_create(user=owner, key="crystal_ball", name="Wrong")


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_a_strategy_needs_a_name_of_its_own(owner, name):
    with pytest.raises(StrategyInvalid, match="1 to 80 are allowed"):
        strategy_create(user=owner, key="sma_cross", name=name)


def test_a_name_is_used_once(owner, version):
    with pytest.raises(StrategyNameTaken, match="already have a strategy named 'Cross'"):
        strategy_create(user=owner, key="sma_cross", name="Cross")

    assert strategy_create(user=user_make(), key="sma_cross", name="Cross").number == 1


def test_changed_parameters_make_the_next_version_and_the_same_ones_do_not(version):
    second = version_create(strategy=version.strategy, parameters={"fast": 5, "slow": 30})
    again = version_create(strategy=version.strategy, parameters={"fast": 5, "slow": 30})

    assert (second.number, again.pk) == (2, second.pk)
    assert StrategyVersion.objects.get(pk=version.pk).parameters == version.parameters


def test_a_deployment_without_capital_gets_all_that_is_free(version, portfolio):
    assert start(version, portfolio).capital == 100_000


@pytest.mark.parametrize(
    ("capital", "is_allowed"), [("0", False), ("1", True), ("60000", True), ("60000.01", False)]
)
def test_capital_is_given_to_one_strategy_only(owner, version, portfolio, capital, is_allowed):
    entitlement_grant(user=owner, key="strategies.running", value=5, source="test")
    start(strategy_create(user=owner, key="sma_cross", name="First"), portfolio, "40000")

    if is_allowed:
        assert start(version, portfolio, capital).capital == D(capital)
        return
    with pytest.raises(DeploymentInvalid, match="is outside 1 to 60,000") as caught:
        start(version, portfolio, capital)
    assert caught.value.field == "capital"


def test_no_more_strategies_run_than_the_plan_allows(owner, version, portfolio):
    first = start(version, portfolio, "1000")

    with pytest.raises(PlanLimitReached, match="1 strategies are deployed, your plan allows 1"):
        start(version, portfolio, "1000")
    deployment_stop(deployment=first, now=NOW)

    assert start(version, portfolio, "1000").status == "RUNNING"


def test_a_strategy_of_somebody_else_is_not_deployed(portfolio):
    foreign = strategy_create(user=user_make(), key="sma_cross", name="Theirs")

    with pytest.raises(DeploymentInvalid, match="different owners"):
        start(foreign, portfolio)


def test_a_reference_is_not_traded(version, portfolio):
    rate = instrument_make("VIX", [20.0], is_tradable=False)

    with pytest.raises(DeploymentInvalid, match="VIX is a reference and cannot be traded"):
        deployment_start(version=version, portfolio=portfolio, instrument=rate, now=NOW)


def test_pausing_cancels_its_entries_and_a_stopped_one_stays_stopped(version, portfolio):
    deployment = start(version, portfolio)
    order_submit(
        portfolio=portfolio, instrument=portfolio.replay.lead, side="BUY", order_type="MARKET",
        quantity="1", client_order_id="k", deployment=deployment, now=NOW,
    )  # fmt: skip

    assert deployment_pause(deployment=deployment).status == "PAUSED"
    order = Order.objects.get()
    assert (order.status, order.reason_code) == ("CANCELED", "PAUSED")
    assert deployment_pause(deployment=deployment).status == "PAUSED"
    assert deployment_resume(deployment=deployment).status == "RUNNING"
    assert deployment_stop(deployment=deployment, now=NOW).status == "STOPPED"
    assert deployment_stop(deployment=deployment, now=NOW).status == "STOPPED"
    with pytest.raises(DeploymentFinal, match="not started again"):
        deployment_resume(deployment=deployment)


def test_stopping_with_a_sale_sells_what_its_own_book_holds_once(version, portfolio):
    deployment = start(version, portfolio)
    order = order_submit(
        portfolio=portfolio, instrument=portfolio.replay.lead, side="BUY", order_type="MARKET",
        quantity="50", client_order_id="k", now=NOW,
    )  # fmt: skip
    fill_record(order=order, trade_id="t", quantity=D(50), price=D(100), filled_at=FIRST_CLOSE)
    Deployment.objects.update(state={**deployment.state, "quantity": 20.0})

    for _ in range(2):
        deployment_stop(deployment=deployment, closes_position=True, now=NOW)

    sale = Order.objects.get(side="SELL")
    assert (sale.quantity, sale.status) == (20, "ACCEPTED")


def test_the_demo_is_deployed_once(owner, portfolio):
    first = demo_deploy(user=owner, portfolio=portfolio, now=NOW)
    second = demo_deploy(user=owner, portfolio=portfolio, now=NOW)

    assert first.pk == second.pk
    assert first.version.strategy.name == DEMO_NAME
    assert first.capital == 50_000


def test_a_draft_stops_being_one_with_its_first_deployment(owner, portfolio):
    draft = strategy_create(
        user=owner,
        key="sma_cross",
        name="Found",
        is_draft=True,
        source=StrategyVersion.Source.STUDY,
    )

    start(draft, portfolio)

    draft.refresh_from_db()
    assert (draft.is_draft, draft.source) == (False, "STUDY")


def test_a_strategy_that_was_put_away_does_not_start(version, portfolio):
    strategy_archive(strategy=version.strategy)

    with pytest.raises(DeploymentInvalid, match="Cross was put away"):
        start(version, portfolio)

    assert not Deployment.objects.exists()


def test_the_demo_takes_its_strategy_out_again(owner, portfolio):
    first = demo_deploy(user=owner, portfolio=portfolio, now=NOW)
    deployment_stop(deployment=first, now=NOW)
    strategy_archive(strategy=first.version.strategy)

    demo_deploy(user=owner, portfolio=portfolio, now=NOW)

    assert not Strategy.objects.get().is_archived


def test_capital_that_is_left_is_told_in_cents(owner, version, portfolio):
    entitlement_grant(user=owner, key="strategies.running", value=5, source="test")
    start(strategy_create(user=owner, key="sma_cross", name="First"), portfolio, "40000.12345678")

    with pytest.raises(DeploymentInvalid, match=r"outside 1 to 59,999\.87, which no other"):
        start(version, portfolio, "90000")
