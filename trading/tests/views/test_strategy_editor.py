"""The editor of a strategy: what is typed becomes a draft version, or is kept beside its reason."""

from __future__ import annotations

import pytest

from trading.engine.strategies import strategy_get
from trading.models import Deployment, StrategyVersion
from trading.services.strategies import strategy_create
from trading.tests.views.pages import KEY, address, typed

pytestmark = pytest.mark.django_db


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


def test_own_limits_and_costs_are_kept_and_shown_as_changes(member, version):
    terms = {"limit_max_position_weight": "0.5", "cost_slippage_bps": "5", "intent": "save"}
    member.post(address(version, "edit/"), typed(version) | terms)

    kept = StrategyVersion.objects.latest("number")
    page = member.get(address(version)).content.decode()
    editor = member.get(address(version, "edit/")).content.decode()
    assert (kept.limits, kept.costs) == ({"max_position_weight": 0.5}, {"slippage_bps": 5.0})
    assert "Max position weight the portfolio’s → 0.5" in page
    assert "Slippage bps usual → 5.0" in page
    assert 'name="limit_max_position_weight" value="0.5"' in editor


def test_emptied_limits_and_costs_are_gone_from_the_next_version(member, portfolio):
    own = {"limits": {"max_open_orders": 2}, "costs": {"spread_bps": 3}}
    version = strategy_create(user=portfolio.user, key=KEY, name="Tight", **own)
    member.post(address(version, "edit/"), {**typed(version), "intent": "save"})

    kept = StrategyVersion.objects.latest("number")
    assert (kept.number, kept.limits, kept.costs) == (2, {}, {})


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("limit_max_gross_exposure", "1.5", "must be above 0 and at most 1 of equity"),
        ("cost_slippage_bps", "5000", "must lie between 0 bp and 1,000 bp"),
    ],
)
def test_a_limit_or_cost_out_of_bounds_is_kept_next_to_its_reason(
    member, version, field, value, words
):
    answer = member.post(address(version, "edit/"), {**typed(version), field: value})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert words in page
    assert f'href="#id_{field}"' in page
    assert StrategyVersion.objects.count() == 1


def test_comparing_shows_a_changed_limit_beside_the_portfolios(member, version):
    answer = member.post(
        address(version, "edit/"),
        {**typed(version), "limit_max_open_orders": "3", "intent": "compare"},
    )

    assert "<del>the portfolio’s</del>" in answer.content.decode()
    assert "<ins>3.0</ins>" in answer.content.decode()


def test_the_first_version_of_a_strategy_takes_limits_and_costs(member, portfolio):
    values = {f"p_{p.key}": str(p.default) for p in strategy_get(KEY).parameters}
    asked = {"key": KEY, "name": "Own", "symbol": "SPX", "capital": "1000"}
    terms = {"limit_max_open_orders": "3", "cost_has_regime_costs": "on"}
    member.post("/strategies/new/", values | asked | terms)

    kept = StrategyVersion.objects.get()
    assert (kept.limits, kept.costs) == ({"max_open_orders": 3}, {"has_regime_costs": True})


def test_the_veto_of_the_hybrid_may_be_set_apart_in_a_regime(member, portfolio):
    version = strategy_create(user=portfolio.user, key="hybrid", name="Dips")
    page = member.get(address(version, "edit/")).content.decode()
    asked = typed(version) | {"p_veto_share.EXTREME": "0.5", "intent": "compare"}
    compared = member.post(address(version, "edit/"), asked).content.decode()
    refused = member.post(address(version, "edit/"), asked | {"p_veto_share.EXTREME": "2"})

    assert 'name="p_veto_share.EXTREME"' in page
    assert "Veto share in Extreme" in compared
    assert "at most 0.9" in refused.content.decode()
