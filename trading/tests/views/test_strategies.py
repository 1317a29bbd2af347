"""The pages of strategies: versions are made and run, and what runs is never edited."""

from __future__ import annotations

import numpy as np
import pytest

from trading.models import Deployment, StrategyVersion
from trading.services.strategies import deployment_start, strategy_create
from trading.tests.factories import DAY, FIRST_CLOSE, NOW, instrument_make, portfolio_make

pytestmark = pytest.mark.django_db
KEY = "volatility_adaptive_trend"


@pytest.fixture
def portfolio():
    rng = np.random.default_rng(3)
    closes = list(100 * np.exp(np.cumsum(rng.normal(0, 0.01, 700))))
    return portfolio_make(lead=instrument_make("SPX", closes), cursor_at=FIRST_CLOSE + 650 * DAY)


@pytest.fixture
def member(client, portfolio):
    client.force_login(portfolio.user)
    return client


@pytest.fixture
def version(portfolio):
    return strategy_create(user=portfolio.user, key=KEY, name="Trend")


@pytest.fixture
def deployment(portfolio, version):
    return deployment_start(
        version=version, portfolio=portfolio, instrument=portfolio.replay.lead, now=NOW
    )


def typed(version, **changes):
    return {f"p_{name}": str(value) for name, value in {**version.parameters, **changes}.items()}


def address(version, rest=""):
    return f"/strategies/{version.strategy_id}/{rest}"


def test_the_editor_begins_with_the_newest_version_and_shows_every_regime(member, version):
    page = member.get(address(version, "edit/")).content.decode()

    assert f'value="{version.parameters["trend_bars"]}"' in page
    assert all(f"Size factor in {name}" in page for name in ("Low", "Normal", "High", "Extreme"))
    assert 'placeholder="0.35"' in page


def test_an_own_value_for_a_regime_is_kept_and_shown_as_a_change(member, version):
    own = {"p_size_factor.HIGH": "0.5", "intent": "save"}
    member.post(address(version, "edit/"), typed(version) | own)

    kept = StrategyVersion.objects.latest("number")
    assert kept.parameters == {**version.parameters, "size_factor.HIGH": 0.5}
    assert "Size factor in High the rule’s → 0.5" in member.get(address(version)).content.decode()
    assert 'value="0.5"' in member.get(address(version, "edit/")).content.decode()


def test_an_own_value_outside_the_bounds_of_the_rule_is_refused(member, version):
    own = {"p_size_factor.HIGH": "1.5", "intent": "save"}
    answer = member.post(address(version, "edit/"), typed(version) | own)

    assert answer.status_code == 422
    assert "it must be at most 1" in answer.content.decode()


def test_comparing_shows_the_difference_and_makes_nothing(member, version):
    answer = member.post(
        address(version, "edit/"), {**typed(version, trend_bars=80), "intent": "compare"}
    )

    assert "<ins>80</ins>" in answer.content.decode()
    assert StrategyVersion.objects.count() == 1


def test_saving_makes_a_draft_and_leaves_what_runs(member, version, deployment):
    answer = member.post(
        address(version, "edit/"),
        {**typed(version, trend_bars=80), "note": "slower", "intent": "save"},
    )

    draft = StrategyVersion.objects.latest("number")
    assert answer.url == address(version)
    assert (draft.number, draft.is_draft, draft.note) == (2, True, "slower")
    assert Deployment.objects.get(pk=deployment.pk).version_id == version.pk


def test_a_value_out_of_bounds_is_kept_next_to_its_reason(member, version):
    answer = member.post(
        address(version, "edit/"), {**typed(version, trend_bars=99999), "intent": "save"}
    )

    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'value="99999"' in page
    assert "it must be at most" in page
    assert StrategyVersion.objects.count() == 1


def test_equal_parameters_make_no_version(member, version):
    member.post(address(version, "edit/"), {**typed(version), "intent": "save"})

    assert StrategyVersion.objects.count() == 1


def test_running_a_draft_ends_the_draft(member, version):
    member.post(address(version, "edit/"), {**typed(version, trend_bars=80), "intent": "save"})

    member.post(address(version, "versions/2/run/"), {"symbol": "SPX", "capital": "5000"})

    running = Deployment.objects.get()
    assert (running.version.number, running.version.is_draft) == (2, False)


def test_too_much_capital_is_refused_with_its_limit(member, version):
    answer = member.post(
        address(version, "versions/1/run/"), {"symbol": "SPX", "capital": "5000000"}
    )

    assert answer.status_code == 422
    assert "which no other strategy has" in answer.content.decode()


def test_a_deployed_strategy_is_not_archived(member, version, deployment):
    member.post(address(version, "archive/"))

    version.strategy.refresh_from_db()
    assert not version.strategy.is_archived


def test_an_idle_strategy_is_archived(member, version):
    member.post(address(version, "archive/"))

    version.strategy.refresh_from_db()
    assert version.strategy.is_archived


@pytest.mark.parametrize("rest", ["", "edit/", "versions/1/run/"])
def test_the_pages_of_somebody_else_are_not_there(client, version, rest):
    client.force_login(portfolio_make().user)

    assert client.get(address(version, rest)).status_code == 404


def test_versions_tell_what_each_changed_and_which_is_a_draft(member, version):
    member.post(address(version, "edit/"), {**typed(version, trend_bars=80), "intent": "save"})

    page = member.get(address(version)).content.decode()

    assert "Trend bars 50 → 80" in page
    assert page.count("Run this version…") == 2
    assert ">draft<" in page
