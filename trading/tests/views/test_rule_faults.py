"""A developer's rule that raises: the pages of its strategy say so and stay whole."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from trading.engine.strategies import STRATEGIES, strategy_get
from trading.engine.strategies.guard import guarded
from trading.models import Deployment
from trading.services.deployments import deployment_start
from trading.services.runner import portfolio_advance
from trading.services.strategies import strategy_create
from trading.tests.factories import DAY, FIRST_CLOSE, NOW
from trading.tests.views.pages import said

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true"}


def raising(features, i, state):
    raise ZeroDivisionError("a price of 0")


@pytest.fixture
def deployment(portfolio, monkeypatch):
    shipped = strategy_get("sma_cross")

    def prepare(bars, params):
        return replace(shipped.prepare(bars, params), table=None)

    spec = replace(shipped, key="raises", prepare=prepare, decide=raising, targets=None)
    monkeypatch.setitem(STRATEGIES._specs, "raises", guarded(spec))
    version = strategy_create(user=portfolio.user, key="raises", name="Raises")
    started = deployment_start(
        version=version, portfolio=portfolio, instrument=portfolio.replay.lead, now=NOW
    )
    until = FIRST_CLOSE + 654 * DAY
    portfolio.replay.cursor_at = until
    portfolio.replay.save()
    portfolio_advance(portfolio_id=portfolio.pk, until=until, now=NOW)
    return Deployment.objects.get(pk=started.pk)


def test_a_strategy_whose_rule_raises_is_told_beside_its_backtest(member, deployment):
    address = f"/strategies/{deployment.version.strategy_id}/"

    page = said(member.get(address))
    part = member.get(f"{address}tracking/", headers=PART)

    assert deployment.status == "ERROR"
    assert "a price of 0" in page
    assert "It ended with an error before its first decision." in page
    assert part.status_code == 200
    assert "Its rule ends with the error above" in said(part)


def test_what_it_would_hold_now_names_what_the_rule_raised(member, deployment):
    address = f"/strategies/{deployment.version.strategy_id}/versions/1/preview/"

    answer = member.get(address)

    assert answer.status_code == 200
    assert re.search(
        r"decide of strategy \S+ at bar \d+ of .* raised ZeroDivisionError: a price of 0",
        said(answer),
    )
