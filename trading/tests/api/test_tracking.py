"""What the doors of tracking, counts and previews answer is what the pages show."""

from __future__ import annotations

import pytest

from marketdata.models import ReplaySession
from trading.selectors.own_books import book_of
from trading.services.runner import portfolio_advance
from trading.services.tracking import tracking_of
from trading.tests.factories import DAY, FIRST_CLOSE, NOW, instrument_make, portfolio_make
from trading.tests.views.test_strategy_tracking import deployed

pytestmark = pytest.mark.django_db
CLOSES = [100.0 + (k % 7) + k / 10 for k in range(60)]


@pytest.fixture
def deployment(client):
    lead = instrument_make("SPX", CLOSES)
    portfolio = portfolio_make(lead=lead, cursor_at=FIRST_CLOSE + 20 * DAY)
    client.force_login(portfolio.user)
    found = deployed(portfolio)
    until = FIRST_CLOSE + 50 * DAY
    ReplaySession.objects.filter(pk=portfolio.replay_id).update(cursor_at=until)
    portfolio_advance(portfolio_id=portfolio.pk, until=until, now=NOW)
    found.refresh_from_db()
    return found


def test_tracking_tells_book_comparison_and_costs(client, deployment):
    body = client.get(f"/api/v1/deployments/{deployment.pk}/tracking/").json()

    until = deployment.last_bar_at
    book, tracking = book_of(deployment, until=until), tracking_of(deployment, until=until)
    assert body["book"]["total_return"] == pytest.approx(book.total_return)
    assert body["book"]["n_fills"] == book.n_fills > 0
    assert body["against_backtest"]["n_bars"] == tracking.n_bars
    assert body["against_backtest"]["difference"] == pytest.approx(tracking.difference)
    assert [row["kind"] for row in body["costs"]][:2] == ["Slippage in the price", "Commission"]
    assert body["breaker"] is None


def test_one_that_has_not_filled_anything_has_costs_that_are_not_known(client):
    lead = instrument_make("SPX", CLOSES)
    portfolio = portfolio_make(lead=lead, cursor_at=FIRST_CLOSE + 20 * DAY)
    client.force_login(portfolio.user)

    answer = client.get(f"/api/v1/deployments/{deployed(portfolio).pk}/tracking/")

    assert answer.status_code == 200
    paid = [row["paid"] for row in answer.json()["costs"]]
    assert paid == [{"n": 0, "mean": None, "interval": None}] * 4


def test_a_stopped_one_is_judged_up_to_its_last_bar(client, deployment):
    stopped_at = deployment.last_bar_at
    type(deployment).objects.filter(pk=deployment.pk).update(status="STOPPED")
    before = client.get(f"/api/v1/deployments/{deployment.pk}/tracking/").json()
    ReplaySession.objects.update(cursor_at=stopped_at + 5 * DAY)

    after = client.get(f"/api/v1/deployments/{deployment.pk}/tracking/").json()

    assert after == before


def test_decisions_are_counted_by_action_and_by_what_blocked_them(client, deployment):
    strategy_id = deployment.version.strategy_id

    body = client.get(f"/api/v1/strategies/{strategy_id}/decisions/counts/").json()

    assert sum(body["actions"].values()) == deployment.decisions.count()
    assert body["actions"]["ENTER_LONG"] >= 1
    assert sum(body["blocked"].values()) == deployment.decisions.exclude(blocked_by="").count()


def test_a_preview_is_that_of_the_page_and_a_wrong_one_is_refused(client, deployment):
    path = f"strategies/{deployment.version.strategy_id}/versions/1/preview/"

    (row,) = client.get(f"/api/v1/{path}?symbols=SPX&capital=5000").json()
    shown = client.get(f"/{path}?symbols=SPX&capital=5000").context["holdings"][0]
    refused = client.get(f"/api/v1/{path}?symbols=A,B,C,D,E,F")

    assert (row["quantity"], row["reason"]) == (f"{shown.quantity:.8f}", shown.reason)
    assert row["weight"] == pytest.approx(shown.weight)
    assert "1 to 5 are allowed" in refused.json()["detail"]
    assert refused.status_code == 422


def test_rules_that_are_gone_are_named_by_the_preview_and_compared_with_nothing(client, deployment):
    strategy = deployment.version.strategy
    type(strategy).objects.filter(pk=strategy.pk).update(key="gone")

    preview = client.get(f"/api/v1/strategies/{strategy.pk}/versions/1/preview/?symbols=SPX")
    tracking = client.get(f"/api/v1/deployments/{deployment.pk}/tracking/")

    assert preview.status_code == 409
    assert "'gone'" in preview.json()["detail"]
    assert tracking.status_code == 200
    assert tracking.json()["against_backtest"] is None
