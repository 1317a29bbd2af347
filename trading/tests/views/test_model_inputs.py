"""Data problems of a model: overdue results and feeds of what is traded come first."""

from __future__ import annotations

import pytest

from trading.models import Prediction
from trading.selectors.model_inputs import data_problems, series_watched
from trading.services.deployments import deployment_start
from trading.services.strategies import strategy_create
from trading.tests.factories import DAY, FIRST_CLOSE, NOW, instrument_make, portfolio_make
from trading.tests.model_rows import predictions_make, version_make

pytestmark = pytest.mark.django_db
N_BARS = 60


@pytest.fixture
def walk():
    return instrument_make("WALK", [100.0 + (i % 9) for i in range(N_BARS)])


@pytest.fixture
def version():
    return version_make()


def running(portfolio, walk, key="hybrid"):
    version = strategy_create(user=portfolio.user, key=key, name="Run")
    deployment_start(version=version, portfolio=portfolio, instrument=walk, now=NOW)


def kinds(version, portfolio):
    return [problem.kind for problem in data_problems(version, portfolio)]


def test_a_market_in_trade_without_bars_is_stale(version, walk):
    late = portfolio_make(lead=walk, cursor_at=FIRST_CLOSE + (N_BARS + 20) * DAY)
    running(late, walk)

    assert kinds(version, late) == ["STALE"]


def test_a_market_another_strategy_trades_is_not_the_models(version, walk):
    late = portfolio_make(lead=walk, cursor_at=FIRST_CLOSE + (N_BARS + 20) * DAY)
    running(late, walk, key="sma_cross")

    assert kinds(version, late) == []
    assert series_watched(version, late) == 1


def test_results_overdue_by_market_time_are_named_once_a_market(version, walk):
    portfolio = portfolio_make(lead=walk, cursor_at=FIRST_CLOSE + 50 * DAY)
    predictions_make(version, walk, {"LOW": 40})
    Prediction.objects.filter(market_at__lt=NOW - 30 * DAY).update(
        resolved_at=None, net_return=None, is_win=None
    )

    (found,) = data_problems(version, portfolio)

    assert (found.kind, found.symbol) == ("WAITING", "WALK")
    assert f"{NOW - 40 * DAY:%Y-%m-%d}" in found.text


def test_results_not_due_yet_are_no_problem(version, walk):
    portfolio = portfolio_make(lead=walk, cursor_at=FIRST_CLOSE + 50 * DAY)
    predictions_make(version, walk, {"LOW": 20})
    Prediction.objects.update(resolved_at=None, net_return=None, is_win=None)

    assert kinds(version, portfolio) == []


def test_the_worst_problem_comes_first(version, walk):
    late = portfolio_make(lead=walk, cursor_at=FIRST_CLOSE + (N_BARS + 20) * DAY)
    running(late, walk)
    version.training.symbols = ["ABSENT", "WALK"]

    assert kinds(version, late) == ["STALE", "MISSING"]
