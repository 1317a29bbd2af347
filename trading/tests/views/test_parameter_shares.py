"""Shares are read and typed in percent at every form; rules and addresses have the number."""

from __future__ import annotations

import re

import pytest

from trading.models import Backtest, Study
from trading.tests.backtest_rows import walk_make
from trading.tests.study_rows import member_make
from trading.tests.views.pages import STUDY_FORM, address, said, text, typed

pytestmark = pytest.mark.django_db
TREND = {
    "strategy_key": "volatility_adaptive_trend", "symbol": "WALK", "timeframe": "1d",
    "cash": "50000", "commission_bps": "5", "slippage_bps": "1", "out_of_sample_share": "0.3",
    "seed": "7", "client_key": "shares",
}  # fmt: skip


@pytest.fixture
def owner():
    return member_make()


def held(page, name):
    """What a field of the page holds."""
    return re.search(rf'name="{re.escape(name)}"[^>]*? value="([^"]*)"', page)[1]


def test_every_form_shows_a_share_in_percent_and_no_pure_ratio(desk, member, version):
    walk_make(500)
    pages = {
        "p_max_weight": desk.get(f"/backtests/new/?strategy_key={version.strategy.key}"),
        "s_max_weight_value": desk.get(f"/optimizations/new/?strategy_key={version.strategy.key}"),
    }
    pages |= {"p_breaker_daily_loss": member.get(address(version, "edit/"))}

    found = {name: held(text(page), name) for name, page in pages.items()}

    assert found == {
        "p_max_weight": "95%", "s_max_weight_value": "95%", "p_breaker_daily_loss": "3%",
    }  # fmt: skip
    assert all("5% to 100%" in text(page) for page in list(pages.values())[::2])
    assert all(not re.search(r">\(?ratio\)?<|\(ratio\)", text(page)) for page in pages.values())


@pytest.mark.parametrize("value", ["60%", "60 %", "0.6"])
def test_a_backtest_takes_a_share_in_percent_or_as_its_number(desk, value):
    walk_make(900)

    made = desk.post("/backtests/new/", TREND | {"p_max_weight": value})

    assert made.status_code == 302
    assert Backtest.objects.get().parameters["max_weight"] == 0.6


@pytest.mark.parametrize("value", ["60%", "0.6"])
def test_a_version_takes_a_share_in_percent_or_as_its_number(member, version, value):
    member.post(address(version, "edit/"), typed(version, max_weight=value) | {"intent": "save"})

    assert version.strategy.versions.get(number=2).parameters["max_weight"] == 0.6
    assert "Max weight 95% → 60%" in said(member.get(address(version)))


def test_an_address_with_the_number_shows_it_in_percent(desk):
    walk_make(500)

    page = text(desk.get("/backtests/new/", TREND | {"p_max_weight": "0.125"}))

    assert held(page, "p_max_weight") == "12.5%"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("90", "90 is 9,000%; it must be at most 100%."),
        ("2%", "0.02 is 2%; it must be at least 5%."),
        ("x%", "it must be a number"),
    ],
)
def test_a_share_out_of_bounds_is_told_in_percent_and_kept_as_typed(desk, value, sentence):
    walk_make(500)

    answer = desk.post("/backtests/new/", TREND | {"p_max_weight": value})

    assert answer.status_code == 422
    assert sentence in " ".join(answer.context["form"].errors["p_max_weight"])
    assert held(text(answer), "p_max_weight") == value


def test_a_search_takes_its_shares_in_percent(desk):
    walk_make(900)
    shares = {"holdout_share": "25%", "deepest_drawdown": "-40%", "s_slow_value": "30"}
    sizing = {"s_sizing_value": "volatility_target", "s_target_volatility_moves": "on"}
    bounds = {"low": "10%", "high": "0.2", "step": "5%"}
    bounds = {f"s_target_volatility_{part}": value for part, value in bounds.items()}

    made = desk.post("/optimizations/new/", STUDY_FORM | shares | sizing | bounds)

    study = Study.objects.get()
    assert made.url == f"/optimizations/{study.pk}/"
    assert (study.holdout_share, study.deepest_drawdown) == (0.25, -0.4)
    assert study.space["target_volatility"] == {"low": 0.1, "high": 0.2, "step": 0.05, "log": False}


def test_a_refused_share_of_a_search_names_its_limits_in_percent(desk):
    walk_make(500)

    answer = desk.post("/optimizations/new/", STUDY_FORM | {"holdout_share": "5%"})

    assert "Hold-out share 5% must lie between 15% and 50%" in text(answer)
