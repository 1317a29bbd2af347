"""A strategy at work beside its backtest, its fills beside their costs, a draft beside now."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import numpy as np
import pytest

from marketdata.models import ReplaySession
from trading.models import Decision, Deployment, Fill, Order, StrategyVersion
from trading.services.deployments import deployment_start
from trading.services.runner import portfolio_advance
from trading.services.strategies import strategy_create
from trading.services.tracking import cost_lines, fill_costs, tracking_of
from trading.tests.factories import DAY, FIRST_CLOSE, NOW, instrument_make, portfolio_make
from trading.tests.views.pages import said

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true"}
N_BARS, START = 460, 380
FAST = {"fast": 2, "slow": 5}


@pytest.fixture
def portfolio():
    rng = np.random.default_rng(3)
    closes = list(100 * np.exp(np.cumsum(rng.normal(0.0005, 0.01, N_BARS))))
    lead = instrument_make("SPX", closes)
    return portfolio_make(
        lead=lead, cursor_at=FIRST_CLOSE + START * DAY, max_order_notional=10**9,
        max_daily_loss_ratio=1.0,
    )  # fmt: skip


def deployed(portfolio, **fields):
    version = strategy_create(
        user=portfolio.user, key="sma_cross", name="Cross", parameters=FAST, **fields
    )
    return deployment_start(
        version=version, portfolio=portfolio, instrument=portfolio.replay.lead, now=NOW
    )


def played(deployment, n_bars):
    until = FIRST_CLOSE + (START + n_bars) * DAY
    ReplaySession.objects.filter(pk=deployment.portfolio.replay_id).update(cursor_at=until)
    portfolio_advance(portfolio_id=deployment.portfolio_id, until=until, now=NOW)
    return Deployment.objects.select_related(
        "version__strategy", "instrument", "portfolio__replay"
    ).get(pk=deployment.pk)


def until_of(deployment):
    return deployment.portfolio.replay.cursor_at


def address(deployment, rest=""):
    return f"/strategies/{deployment.version.strategy_id}/{rest}"


def test_an_undisturbed_strategy_follows_its_backtest_to_the_cent(portfolio):
    deployment = played(deployed(portfolio), 60)

    found = tracking_of(deployment, until=until_of(deployment))

    assert Fill.objects.count() >= 4
    assert found.n_bars == 60
    assert np.allclose(found.live, found.expected, rtol=0, atol=0.01)
    assert abs(found.difference) < 1e-6
    assert found.standing == "inside"


def test_what_a_strategy_missed_shows_as_a_difference(portfolio):
    deployment = deployed(portfolio)
    Deployment.objects.filter(pk=deployment.pk).update(status="PAUSED")
    deployment = played(deployment, 60)

    found = tracking_of(deployment, until=until_of(deployment))

    assert found.live_return == 0.0
    assert found.difference == pytest.approx(-found.expected_return)
    assert found.expected_return != 0.0


def test_the_band_is_drawn_from_the_backtest_before_the_start(portfolio):
    deployment = played(deployed(portfolio), 30)

    found = tracking_of(deployment, until=until_of(deployment))

    assert (found.band.n_returns, found.n_history) == (START - 4, START - 4)
    assert found.band.low.shape == (30,)
    assert np.all(found.band.low <= found.band.middle)
    again = tracking_of(deployment, until=until_of(deployment))
    assert np.array_equal(found.band.high, again.band.high)


def test_too_few_bars_are_not_judged(member, portfolio):
    deployment = played(deployed(portfolio), 10)

    page = member.get(address(deployment, "tracking/"), headers=PART).content.decode()

    assert "too few (10)" in page
    assert "the band</span>" not in page


def test_a_short_history_has_no_band_and_says_how_short(client):
    lead = instrument_make("NDX", [100.0 + i % 7 for i in range(200)])
    portfolio = portfolio_make(lead=lead, cursor_at=FIRST_CLOSE + 100 * DAY)
    client.force_login(portfolio.user)
    deployment = deployed(portfolio)
    until = FIRST_CLOSE + 140 * DAY
    ReplaySession.objects.update(cursor_at=until)
    portfolio_advance(portfolio_id=portfolio.pk, until=until, now=NOW)

    page = client.get(address(deployment, "tracking/"), headers=PART).content.decode()

    assert "No band" in page
    assert "too few (96)" in page


def test_paper_fills_cost_what_was_expected(portfolio):
    deployment = played(deployed(portfolio), 70)

    rows = fill_costs(deployment)

    assert len(rows) >= 10
    assert all(row.slippage_bps == pytest.approx(1.0, abs=1e-3) for row in rows)
    assert all(row.paid_bps == pytest.approx(row.expected_bps, abs=1e-2) for row in rows)
    together = cost_lines(rows)[2]
    assert together.excess.mean == pytest.approx(0.0, abs=1e-2)
    assert together.interval is not None


def test_own_costs_of_the_version_are_what_is_expected(portfolio):
    deployment = played(deployed(portfolio, costs={"slippage_bps": 9.0}), 40)

    rows = fill_costs(deployment)

    assert all(row.expected_slippage_bps == pytest.approx(9.0) for row in rows)
    assert all(row.expected_commission_bps == 0.0 for row in rows)
    assert cost_lines(rows)[0].excess.mean == pytest.approx(-8.0, abs=1e-2)


def test_the_market_move_is_against_the_order_when_positive(portfolio):
    deployment = played(deployed(portfolio), 40)
    order = Order.objects.filter(side="SELL", fills__isnull=False).first()
    fill = order.fills.get()

    row = next(row for row in fill_costs(deployment) if row.filled_at == fill.filled_at)
    met = float(fill.price) * (1 + 1e-4)

    assert row.moved_bps == pytest.approx(-1e4 * (met / order.decision.price - 1), abs=0.05)


def test_fewer_than_ten_fills_have_no_interval(member, portfolio):
    deployment = played(deployed(portfolio), 15)
    n = Fill.objects.count()

    page = member.get(address(deployment, "tracking/"), headers=PART).content.decode()

    assert 0 < n < 10
    assert f"too few ({n})" in page


def test_fills_are_downloaded_with_their_costs(member, portfolio):
    deployment = played(deployed(portfolio), 40)

    answer = member.get(address(deployment, "tracking/?format=csv"))
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))

    assert len(rows) == Fill.objects.count()
    assert float(rows[0]["slippage_bps"]) == pytest.approx(1.0, abs=1e-3)


def test_before_the_first_bars_there_is_nothing_to_compare(member, portfolio):
    page = member.get(address(deployed(portfolio), "tracking/"), headers=PART).content.decode()

    assert "Nothing to compare yet" in page
    assert "No fill yet" in page


def test_a_stopped_strategy_is_judged_up_to_its_last_bar(member, portfolio):
    deployment = played(deployed(portfolio), 30)
    Deployment.objects.update(status="STOPPED")
    ReplaySession.objects.update(cursor_at=FIRST_CLOSE + (START + 60) * DAY)

    page = member.get(address(deployment, "tracking/"), headers=PART).content.decode()

    assert "30 bars since the start" in page


def test_the_tracking_part_opened_alone_leads_to_the_strategy(member, portfolio):
    deployment = deployed(portfolio)

    answer = member.get(address(deployment, "tracking/"))

    assert answer.url == f"{address(deployment)}#tracking"


@pytest.mark.parametrize("rest", ["tracking/", "versions/1/preview/"])
def test_somebody_else_sees_neither_tracking_nor_preview(client, portfolio, rest):
    deployment = deployed(portfolio)
    client.force_login(portfolio_make().user)

    assert client.get(address(deployment, rest)).status_code == 404


def test_the_preview_holds_what_the_running_strategy_holds(member, portfolio):
    deployment = played(deployed(portfolio), 60)
    held = deployment.state["quantity"]
    book = deployment.state["equity"]

    page = member.get(address(deployment, "versions/1/preview/?symbols=SPX&capital=100000"))
    row = page.context["holdings"][0]

    assert (row.quantity > 0) == (held > 0)
    close = row.close
    assert row.weight == pytest.approx(held * close / book, abs=0.01)
    assert "nothing is ordered" in page.content.decode()
    assert "begun flat with $100,000.00 of its own" in said(page)


def test_a_preview_orders_nothing_and_stores_nothing(member, portfolio):
    deployment = deployed(portfolio)
    member.get(address(deployment, "versions/1/preview/?symbols=SPX"))

    assert not Order.objects.exists()
    assert StrategyVersion.objects.count() == 1


def test_a_preview_is_cut_to_the_own_limit_and_names_it(client):
    lead = instrument_make("NDX", [100.0] * 300 + [101.0])
    portfolio = portfolio_make(lead=lead, cursor_at=FIRST_CLOSE + 300 * DAY)
    client.force_login(portfolio.user)
    deployment = deployed(portfolio, limits={"max_position_weight": 0.05})

    page = client.get(address(deployment, "versions/1/preview/?symbols=NDX&capital=50000"))

    row = page.context["holdings"][0]
    assert (row.quantity, row.order_side, row.refused_by) == (0.0, "Buy", "")
    assert row.order_size == pytest.approx(0.05 * 50_000 / 101.0, abs=1.0)
    words = "largest position 5.0% of equity, set by the strategy itself"
    assert words in page.content.decode()


def test_a_preview_names_the_limit_that_would_refuse_its_order(client):
    lead = instrument_make("NDX", [100.0] * 300 + [101.0])
    portfolio = portfolio_make(
        lead=lead, cursor_at=FIRST_CLOSE + 300 * DAY, max_order_notional=Decimal(1_000)
    )
    client.force_login(portfolio.user)
    deployment = deployed(portfolio)

    page = client.get(address(deployment, "versions/1/preview/?symbols=NDX&capital=50000"))

    row = page.context["holdings"][0]
    assert row.order_side == "Buy"
    assert "exceeds the limit of 1,000.00 USD" in row.refused_by
    assert row.refused_by in page.content.decode()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("symbols=A,B,C,D,E,F", "6 symbols; 1 to 5"),
        ("symbols=SPX&capital=0", "capital 0 must be a number from 1 to 1,000,000,000"),
        ("symbols=SPX&capital=lots", "lots"),
    ],
)
def test_a_wrong_preview_is_refused_with_its_limit(member, portfolio, query, words):
    answer = member.get(address(deployed(portfolio), f"versions/1/preview/?{query}"))

    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_an_instrument_without_bars_is_told_in_its_own_row(member, portfolio):
    answer = member.get(address(deployed(portfolio), "versions/1/preview/?symbols=SPX,NOPE"))

    assert answer.status_code == 200
    assert [bool(row.error) for row in answer.context["holdings"]] == [False, True]


def test_the_editor_previews_the_draft_as_typed_and_keeps_nothing(member, portfolio):
    deployment = played(deployed(portfolio), 20)
    asked = {"p_fast": "3", "intent": "preview", "symbols": "SPX"}
    typed = {f"p_{name}": value for name, value in deployment.version.parameters.items()} | asked

    part = member.post(address(deployment, "edit/"), typed, headers={"HX-Request": "true"})
    whole = member.post(address(deployment, "edit/"), typed)

    assert "nothing is ordered" in part.content.decode()
    assert "<html" not in part.content.decode()
    assert "nothing is ordered" in whole.content.decode()
    assert StrategyVersion.objects.count() == 1


def test_a_preview_of_a_wrong_draft_says_which_field(member, portfolio):
    typed = {"p_fast": "0", "p_slow": "9", "intent": "preview"}
    answer = member.post(
        address(deployed(portfolio), "edit/"), typed, headers={"HX-Request": "true"}
    )

    assert answer.status_code == 422
    assert "Fast" in answer.content.decode()


def test_the_outcome_of_a_decision_is_fetched_alone(member, portfolio):
    deployment = played(deployed(portfolio), 3)
    decision = Decision.objects.earliest("market_at")
    path = address(deployment, f"decisions/{decision.uuid}/")

    part = member.get(path + "?part=outcome").content.decode()
    whole = member.get(path).content.decode()

    assert "Since then" in part
    assert "<html" not in part
    assert f'hx-get="{path}?part=outcome"' in whole
