"""What changes in each regime over REST: the numbers of the page, by name."""

from __future__ import annotations

from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from trading.engine import regimes
from trading.services.strategies import strategy_create
from trading.tests.factories import portfolio_make, user_make

pytestmark = pytest.mark.django_db
PATH = "/api/v1/regimes/changes/"


@pytest.fixture
def owner():
    return portfolio_make(max_position_weight=0.8, max_order_notional="1234.50").user


def test_each_regime_has_its_value_beside_base_bounds_and_reason(desk, owner):
    strategy_create(
        user=owner,
        key="volatility_adaptive_trend",
        name="Mine",
        parameters={"size_factor.HIGH": 0.5},
        limits={"max_position_weight": 0.25, "max_order_notional": 1000.0},
    )

    told = desk.get(PATH).json()

    (mine,) = told["strategies"]
    size = next(row for row in mine["parameters"] if row["key"] == "size_factor")
    assert size["by_regime"] == {"LOW": 1.0, "NORMAL": 1.0, "HIGH": 0.5, "EXTREME": 0.35}
    assert size["low"] <= 0.35 <= size["high"]
    assert size["because"]
    assert (mine["rules"], mine["version"]) == ("volatility_adaptive_trend", 1)
    assert mine["limits"]["max_position_weight"] == 0.25
    assert mine["limits"]["max_order_notional"] == "1000.00000000"
    assert mine["limits"]["max_open_orders"] is None
    assert told["portfolio_limits"]["max_position_weight"] == 0.8
    assert told["portfolio_limits"]["max_order_notional"] == "1234.50000000"


def test_a_strategy_that_adapts_nothing_says_so_by_an_empty_list(desk, owner):
    strategy_create(user=owner, key="sma_cross", name="Plain")

    (plain,) = desk.get(PATH).json()["strategies"]

    assert plain["parameters"] == []


def test_more_strategies_need_no_more_queries(desk, owner):
    def n_queries():
        with CaptureQueriesContext(connection) as asked:
            assert desk.get(PATH).status_code == 200
        return len(asked)

    strategy_create(user=owner, key="hybrid", name="H0")
    one = n_queries()
    for k in range(1, 5):
        strategy_create(user=owner, key="hybrid", name=f"H{k}")

    assert n_queries() == one


def test_nobody_elses_strategies_are_told(client, owner):
    strategy_create(user=owner, key="sma_cross", name="Canary")
    stranger = portfolio_make(user_make()).user
    client.force_login(stranger)

    assert client.get(PATH).json()["strategies"] == []


def test_the_definition_of_the_regimes_is_that_of_the_engine(desk, owner):
    told = desk.get("/api/v1/regimes/definition/").json()

    cuts = [0.0, *regimes.PERCENTILE_CUTS, 1.0]
    assert [row["regime"] for row in told["regimes"]] == ["LOW", "NORMAL", "HIGH", "EXTREME"]
    assert [(row["from_share"], row["to_share"]) for row in told["regimes"]] == list(pairwise(cuts))
    assert [row["to_level"] for row in told["regimes"]] == [*regimes.VOLATILITY_CUTS, None]
    assert (told["window_bars"], told["confirm_bars"]) == (regimes.WINDOW_BARS, regimes.N_CONFIRM)
    assert desk.get("/api/v1/regimes/definition/?x=1").status_code == 400
