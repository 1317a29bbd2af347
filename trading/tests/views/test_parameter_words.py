"""One word for one parameter on every page, and choices in words instead of codes."""

from __future__ import annotations

import re

import pytest

from trading.engine.adaptive import RULES
from trading.engine.strategies import STRATEGIES, strategy_get
from trading.models import Decision
from trading.selectors.parameter_words import choice_words, parameter_label
from trading.selectors.versions import parameters_diff
from trading.tests.backtest_rows import walk_make
from trading.tests.factories import DAY, FIRST_CLOSE
from trading.tests.study_rows import member_make
from trading.tests.views.pages import KEY, STUDY_FORM, address, said, typed
from trading.views.backtest_form import _parameter_field as backtest_field

pytestmark = pytest.mark.django_db
CODES = re.compile(r">\s*(close|resting|all_in|EQUITY_CLOSE|FX_EMERGING)\s*<")


def test_no_schema_gives_two_parameters_one_label():
    for spec in STRATEGIES.values():
        labels = [parameter_label(parameter.key) for parameter in spec.parameters]
        assert len(set(labels)) == len(labels), spec.key


def test_what_a_regime_makes_of_a_parameter_is_called_as_the_parameter():
    schema = {parameter_label(parameter.key) for parameter in strategy_get(KEY).parameters}
    by_regime = {parameter_label(name) for name in RULES}

    # The rest has no parameter of its own.
    assert by_regime - schema == {"Size factor", "Target ATR"}


def test_how_long_a_position_is_held_has_one_name_in_every_rule():
    names = {p.key for spec in STRATEGIES.values() for p in spec.parameters if "bars" in p.key}

    assert {parameter_label(key) for key in names & {"max_bars", "holding_bars"}} == {
        "Holding bars"
    }


def test_the_editor_names_and_writes_as_the_other_pages_do(member, version):
    page = member.get(address(version, "edit/")).content.decode()

    assert "Entry level in High" in said(member.get(address(version, "edit/")))
    assert not re.search(r"Entry threshold|Lookback bars|Stop, ATR", page)
    assert re.search(r'<option value="close"[^>]*>at the close</option>', page)
    assert '<option value="resting">resting orders</option>' in page


def test_the_pages_of_regimes_and_decisions_use_the_words_of_the_editor(member, version):
    page = said(member.get("/models/regimes/"))

    assert "Trend bars" in page
    assert not re.search(r"Entry threshold|Lookback bars|Stop, ATR", page)


def test_a_changed_choice_is_written_in_words(member, version):
    page = said(
        member.post(
            address(version, "edit/"), typed(version, protection="resting") | {"intent": "compare"}
        )
    )

    assert re.search(r"Protection\s*at the close\s*resting orders", page)


def test_a_new_name_is_shown_as_it_was_typed(member, version):
    answer = member.post(
        address(version, "edit/"), typed(version) | {"name": "MY_NAME", "intent": "compare"}
    )

    assert "<ins>MY_NAME</ins>" in answer.content.decode()


def test_numbers_of_a_version_are_written_as_numbers(member, version):
    page = member.get(address(version, "versions/1/run/")).content.decode()

    assert not re.search(r"<dd[^>]*>\d+\.0</dd>", page)
    assert not CODES.search(page)


def test_a_change_from_nothing_names_what_counts_instead():
    (change,) = [
        line
        for line in parameters_diff(strategy_key=KEY, old={}, new={"size_factor.HIGH": 0.5})
        if line.is_changed
    ]

    assert (change.old_text, change.new_text) == ("the rule’s", "0.5")


def test_every_choice_of_a_rule_is_offered_in_words():
    for spec in STRATEGIES.values():
        for parameter in spec.parameters:
            for code in parameter.choices:
                words = choice_words(parameter.key, code)
                assert "_" not in words
                assert words == "ETF" or not words.isupper()
            if parameter.choices:
                offered = dict(backtest_field(parameter).choices)
                assert offered == {c: choice_words(parameter.key, c) for c in parameter.choices}


def test_a_fixed_choice_of_a_search_is_chosen_and_not_typed(client):
    walk_make(500)
    client.force_login(member_make())

    page = client.get("/optimizations/new/?strategy_key=hybrid").content.decode()
    refused = client.post("/optimizations/new/", STUDY_FORM | {"s_sizing_value": "half"})

    assert '<option value="EQUITY_CLOSE">equity, closes only</option>' in page
    ticks = re.findall(r'name="s_protection_choices" value="(\w+)"', page)
    assert ticks == ["close", "resting"]
    assert re.search(r'value="resting"[^>]*checked[^>]*><span>resting orders</span>', page)
    assert refused.status_code == 422
    assert "half" in said(refused)


def test_a_version_made_from_a_choice_lists_it_in_words(member, version):
    member.post(
        address(version, "edit/"), typed(version, protection="resting") | {"intent": "save"}
    )

    assert "Protection at the close → resting orders" in said(member.get(address(version)))


def test_a_choice_is_written_in_words_where_a_decision_tells_its_parameters(member, deployment):
    line = {"base": "close", "now": "close", "because": "fixed: does not adapt"}
    decision = Decision.objects.create(
        deployment=deployment, market_at=FIRST_CLOSE + 649 * DAY, action="HOLD", regime="HIGH",
        price=1, reason="Hold.", parameters={"protection": line},
    )  # fmt: skip

    page = said(member.get(address(deployment.version, f"decisions/{decision.uuid}/")))

    assert re.search(r"Protection\s*at the close\s*at the close", page)


def test_a_strategy_that_runs_nowhere_leads_to_its_versions(member, version):
    page = member.get(address(version)).content.decode()

    assert 'href="#versions">Choose a version to run</a>' in page
    assert "No decision yet." in page
