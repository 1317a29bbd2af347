"""The editor of a strategy: what is typed becomes a draft version, or is kept beside its reason."""

from __future__ import annotations

import re

import pytest

from trading.engine.strategies import strategy_get
from trading.models import Deployment, Strategy, StrategyVersion
from trading.services.strategies import strategy_create
from trading.tests.views.pages import KEY, address, text, typed

pytestmark = pytest.mark.django_db


def test_the_editor_begins_with_the_newest_version_and_shows_every_regime(member, version):
    page = member.get(address(version, "edit/")).content.decode()

    assert f'value="{version.parameters["trend_bars"]}"' in page
    assert all(f"Size factor in {name}" in page for name in ("Low", "Normal", "High", "Extreme"))
    assert 'placeholder="0.35"' in page
    assert 'name="p_entry_level" value="15"' in page
    assert re.search(r'name="p_stop_atr"[^>]*>\s*<span[^>]*>ATR</span>', page)


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
    assert "1.5 does not fit; it must be at most 1." in answer.content.decode()
    assert "size_factor.HIGH of" not in answer.content.decode()


def test_comparing_shows_the_difference_and_makes_nothing(member, version):
    answer = member.post(
        address(version, "edit/"), {**typed(version, trend_bars=80), "intent": "compare"}
    )

    assert "<ins>80</ins>" in answer.content.decode()
    assert StrategyVersion.objects.count() == 1


def test_a_draft_is_compared_with_the_version_that_runs_too(member, version, deployment):
    member.post(address(version, "edit/"), {**typed(version, trend_bars=80), "intent": "save"})

    answer = member.post(
        address(version, "edit/"), {**typed(version, trend_bars=90), "intent": "compare"}
    )

    assert [
        (other.number, is_running, [(change.old, change.new) for change in changes])
        for other, is_running, changes in answer.context["compared"]
    ] == [(2, False, [(80, 90)]), (1, True, [(version.parameters["trend_bars"], 90)])]
    assert "Against version 1, which runs" in text(answer)


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
    assert "Largest position the portfolio’s → 50%" in page
    assert "Slippage, bp usual → 5" in page
    assert 'name="limit_max_position_weight" value="50%"' in editor


def test_emptied_limits_and_costs_are_gone_from_the_next_version(member, portfolio):
    own = {"limits": {"max_open_orders": 2}, "costs": {"spread_bps": 3}}
    version = strategy_create(user=portfolio.user, key=KEY, name="Tight", **own)
    member.post(address(version, "edit/"), {**typed(version), "intent": "save"})

    kept = StrategyVersion.objects.latest("number")
    assert (kept.number, kept.limits, kept.costs) == (2, {}, {})


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("limit_max_gross_exposure", "1.5", "must be above 0 and at most 100% of equity"),
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
    assert "<ins>3</ins>" in answer.content.decode()


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
    assert "at most 90%" in refused.content.decode()


FRAGMENT = {"HX-Request": "true"}
PREVIEW = {"intent": "preview", "symbols": "SPX", "capital": "10000"}


def test_each_adaptive_parameter_has_a_switch_and_its_rule_in_words(member, version):
    page = text(member.get(address(version, "edit/")))

    assert page.count("follows the regime</span>") == 5
    assert 'type="checkbox" name="p_size_factor.ADAPTIVE" value="on"' in page
    assert "Lowered in High (× 0.7) and Extreme (× 0.35). Between 0 and 1." in page
    assert "A rise of the regime counts at once, a fall after 3 bars." in page


def test_a_switch_taken_away_is_a_change_and_stays_taken_away(member, version):
    switched = {"p_size_factor.ADAPTIVE": "off", "intent": "save"}
    member.post(address(version, "edit/"), typed(version) | switched)

    kept = StrategyVersion.objects.latest("number")
    assert kept.parameters == {**version.parameters, "size_factor.ADAPTIVE": "off"}
    assert "Size factor follows the regime on → off" in text(member.get(address(version)))
    page = text(member.get(address(version, "edit/")))
    tick = page.split('type="checkbox" name="p_size_factor.ADAPTIVE"')[1].split(">")[0]
    assert "checked" not in tick


def test_a_tick_behind_its_hidden_off_says_on(member, version):
    both = {"p_size_factor.ADAPTIVE": ["off", "on"], "intent": "save"}
    member.post(address(version, "edit/"), typed(version) | both)

    assert StrategyVersion.objects.count() == 1


SCHEDULE = {
    "p_schedule.days": ["MON", "FRI"], "p_schedule.from": "10:00", "p_schedule.until": "15:30",
    "p_schedule.skip_minutes": "30", "p_schedule.every_bars": "5",
}  # fmt: skip


def test_a_schedule_is_kept_shown_as_changes_and_filled_in_again(member, version):
    member.post(address(version, "edit/"), typed(version) | SCHEDULE | {"intent": "save"})

    kept = StrategyVersion.objects.latest("number")
    assert kept.parameters == {
        **version.parameters,
        "schedule.days": "MON FRI", "schedule.from": "10:00", "schedule.until": "15:30",
        "schedule.skip_minutes": 30, "schedule.every_bars": 5,
    }  # fmt: skip
    shown = text(member.get(address(version)))
    assert "Enters on any → Mon, Fri" in shown
    assert "Bars between additions any → 5" in shown
    page = text(member.get(address(version, "edit/")))
    assert 'name="p_schedule.from" value="10:00"' in page
    assert [page.split(f'value="{day}"')[1][:40].count("checked") for day in ("MON", "TUE")] == [
        1,
        0,
    ]
    member.post(address(version, "edit/"), typed(kept) | {"intent": "save"})
    assert StrategyVersion.objects.count() == 2


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("p_schedule.days", "FUN", "FUN is not one of the available choices"),
        ("p_schedule.from", "25:00", "it must be a time from 00:00 to 24:00, written HH:MM"),
        ("p_schedule.skip_minutes", "1500", "it must be a whole number from 0 to 1439"),
        ("p_schedule.every_bars", "often", "it must be a whole number from 1 to 1000"),
    ],
)
def test_a_schedule_that_cannot_be_is_told_at_its_field(member, version, field, value, words):
    answer = member.post(address(version, "edit/"), {**typed(version), field: value})

    page = text(answer)
    assert answer.status_code == 422
    assert words in page
    assert f'href="#id_{field}"' in page
    assert StrategyVersion.objects.count() == 1


def test_the_preview_knows_the_schedule_and_the_switches(member, portfolio):
    crossing = {"fast": 50, "slow": 200}
    version = strategy_create(user=portfolio.user, key="sma_cross", name="X", parameters=crossing)
    where, asked = address(version, "edit/"), typed(version) | PREVIEW

    free = text(member.post(where, asked, headers=FRAGMENT))
    never = asked | {"p_schedule.from": "03:00", "p_schedule.until": "03:00"}
    bound = member.post(where, never, headers=FRAGMENT)
    wrong = member.post(where, asked | {"p_schedule.from": "3"}, headers=FRAGMENT)

    assert bound.status_code == 200
    assert "outside its schedule: entry of" in text(bound)
    assert "outside its schedule" not in free
    assert (wrong.status_code, "written HH:MM" in text(wrong)) == (422, True)


def test_renaming_makes_no_version_and_reaches_what_runs(member, version, deployment):
    answer = member.post(
        address(version, "edit/"), typed(version) | {"name": " Slow and sure ", "intent": "save"},
        follow=True,
    )  # fmt: skip

    assert StrategyVersion.objects.count() == 1
    assert "Trend is now named Slow and sure." in text(answer)
    assert "Slow and sure" in text(member.get("/strategies/"))


def test_a_new_name_and_new_values_are_taken_together_or_not_at_all(member, version, portfolio):
    strategy_create(user=portfolio.user, key=KEY, name="Taken")
    changed = typed(version, trend_bars=80) | {"intent": "save"}

    refused = member.post(address(version, "edit/"), changed | {"name": "Taken"})
    empty = member.post(address(version, "edit/"), changed | {"name": " "})

    assert (refused.status_code, empty.status_code) == (422, 422)
    assert "you already have a strategy named &#x27;Taken&#x27;" in text(refused)
    assert 'href="#id_name"' in text(refused)
    assert "the name has 0 characters; 1 to 80 are allowed" in text(empty)
    assert StrategyVersion.objects.filter(strategy=version.strategy).count() == 1
    member.post(address(version, "edit/"), changed | {"name": "Free"})
    assert Strategy.objects.get(pk=version.strategy_id).name == "Free"
    assert StrategyVersion.objects.filter(strategy=version.strategy).count() == 2


def test_comparing_shows_a_new_name_and_keeps_the_old(member, version):
    answer = member.post(
        address(version, "edit/"), typed(version) | {"name": "Other", "intent": "compare"}
    )

    assert "<del>Trend</del>" in answer.content.decode()
    assert Strategy.objects.get().name == "Trend"


def test_a_new_strategy_takes_a_schedule(member, portfolio):
    values = {f"p_{p.key}": str(p.default) for p in strategy_get(KEY).parameters}
    asked = {"key": KEY, "name": "Own", "symbol": "SPX", "capital": "1000"} | SCHEDULE
    wrong = member.post("/strategies/new/", values | asked | {"p_schedule.until": "noon"})
    member.post("/strategies/new/", values | asked)

    assert wrong.status_code == 422
    assert 'href="#id_p_schedule.until"' in text(wrong)
    assert StrategyVersion.objects.get().parameters["schedule.days"] == "MON FRI"


def test_the_size_of_the_hybrid_may_be_switched_off(member, portfolio):
    version = strategy_create(user=portfolio.user, key="hybrid", name="Dips")
    page = text(member.get(address(version, "edit/")))
    switched = {"p_size_factor.ADAPTIVE": "off", "intent": "save"}
    member.post(address(version, "edit/"), typed(version) | switched)

    assert page.count("follows the regime</span>") == 1
    assert "The same in every regime until you set one apart." in page
    assert StrategyVersion.objects.latest("number").parameters["size_factor.ADAPTIVE"] == "off"


def test_a_new_strategy_is_previewed_before_it_is_made(member, portfolio):
    values = {f"p_{p.key}": str(p.default) for p in strategy_get("sma_cross").parameters}
    asked = values | {"key": "sma_cross", "name": "Own", "symbol": "SPX", "capital": "1000"}
    never = asked | {"p_fast": "50", "p_slow": "200", "p_schedule.until": "03:00"}

    shown = member.post("/strategies/new/", never | {"intent": "preview"}, headers=FRAGMENT)
    whole = member.post("/strategies/new/", never | {"intent": "preview"})
    wrong = member.post(
        "/strategies/new/", never | {"capital": "much", "intent": "preview"}, headers=FRAGMENT
    )

    assert "outside its schedule: entry of" in text(shown)
    assert "<form" not in text(shown)
    assert "outside its schedule: entry of" in text(whole)
    assert wrong.status_code == 422
    assert "Capital: " in text(wrong)
    assert not StrategyVersion.objects.exists()
