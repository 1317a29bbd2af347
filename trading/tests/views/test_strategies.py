"""The pages of strategies: versions are made and run, and what runs is never edited."""

from __future__ import annotations

import pytest

from marketdata.selectors import bars_get
from trading.engine.strategies import strategy_get
from trading.engine.types import OrderSide, OrderType
from trading.models import Backtest, Deployment, Fill, Order, StrategyVersion
from trading.selectors.decision_views import ParameterRow
from trading.selectors.own_books import book_of
from trading.services.strategies import strategy_create
from trading.tests.factories import (
    DAY,
    FIRST_CLOSE,
    portfolio_make,
    user_make,
)
from trading.tests.services.model_rows import version_make as model_make
from trading.tests.views.pages import KEY, address, said, text, typed
from trading.views.backtest_address import version_values

pytestmark = pytest.mark.django_db


def test_a_backtest_of_a_version_begins_with_its_parameters_and_costs(member, portfolio):
    version = strategy_create(
        user=portfolio.user, key=KEY, name="Own",
        parameters={"trend_bars": 80, "size_factor.HIGH": 0.5}, costs={"spread_bps": 9.0},
    )  # fmt: skip
    page = member.get(f"/backtests/new/?version={version.pk}").content.decode()

    assert 'name="p_trend_bars" value="80"' in page
    assert 'name="p_size_factor.HIGH" value="0.5"' in page
    assert 'name="spread_bps" value="9"' in page
    assert "size factor in High 0.5" in page


def test_a_version_of_somebody_else_sets_no_backtest_up(client, version):
    client.force_login(user_make())

    assert client.get(f"/backtests/new/?version={version.pk}").status_code == 404


OWN = {
    "size_factor.HIGH": 0.5, "stop_atr.ADAPTIVE": "off", "schedule.days": "MON FRI",
    "schedule.from": "09:30", "schedule.every_bars": 3,
}  # fmt: skip


def test_a_backtest_runs_with_all_that_a_version_has_beyond_the_schema(member, portfolio):
    version = strategy_create(user=portfolio.user, key=KEY, name="Own", parameters=OWN)
    values = version_values(version) | {"symbol": "SPX", "timeframe": "1d", "seed": "7"}
    page = text(member.get(f"/backtests/new/?version={version.pk}"))
    answer = member.post("/backtests/new/", values)

    assert answer.status_code == 302, answer.content.decode()
    assert OWN.items() <= Backtest.objects.get().parameters.items()
    assert "Kept from the version: enters on MON FRI" in page
    assert "bars between additions 3" in page
    assert "stop ATR follows the regime off" in page


def test_a_schedule_at_fault_is_told_at_its_field_of_a_backtest(member, portfolio):
    version = strategy_create(user=portfolio.user, key=KEY, name="Own", parameters=OWN)
    values = version_values(version) | {"symbol": "SPX", "p_schedule.from": "9"}
    answer = member.post("/backtests/new/", values)

    assert answer.status_code == 422
    assert 'href="#id_p_schedule.from"' in text(answer)
    assert "it must be a time from 00:00 to 24:00, written HH:MM" in text(answer)


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


def test_the_own_book_is_its_fills_over_the_visible_closes(portfolio, deployment):
    spx = portfolio.replay.lead
    order = Order.objects.create(
        portfolio=portfolio, instrument=spx, deployment=deployment, side=OrderSide.BUY,
        order_type=OrderType.MARKET, quantity=10, client_order_id="one", market_at=FIRST_CLOSE,
    )  # fmt: skip
    Fill.objects.create(
        order=order, trade_id="1", quantity=10, price=50, commission=3,
        filled_at=FIRST_CLOSE + 651 * DAY,
    )  # fmt: skip

    book = book_of(deployment, until=FIRST_CLOSE + 653 * DAY)

    closes = bars_get(spx, "1d", until=FIRST_CLOSE + 653 * DAY).close[-3:]
    assert book.equity[1:].tolist() == pytest.approx([100_000 - 503 + 10 * c for c in closes])
    assert book.return_month is None


def test_the_list_is_filtered_sorted_and_downloaded(member, deployment):
    listed = member.get("/strategies/?sort=-drawdown").content.decode()
    paused = member.get("/strategies/?state=PAUSED").content.decode()
    rows = member.get("/strategies/?format=csv").content.decode().splitlines()

    assert "Nothing to list here." not in listed
    assert "Nothing to list here." in paused
    assert rows[0].startswith("name,rule,version,state,symbol,regime,exposure")
    assert rows[1].startswith("Trend,Volatility-adaptive trend,1,RUNNING,SPX,,0.0,0.0")


def test_a_parameter_that_is_a_word_is_shown_as_one():
    row = ParameterRow("breaker", "Breaker", "NORMAL", "CAUTIOUS", None, None, "drawdown")

    assert row.is_text
    assert row.is_adapted
    assert not ParameterRow("stop_atr", "Stop", 2.5, 3.0, 0.5, 6.0, "wide swings").is_text


def test_a_strategy_that_cannot_start_is_not_kept(member, portfolio):
    values = {f"p_{p.key}": str(p.default) for p in strategy_get(KEY).parameters}
    asked = {"key": KEY, "name": "Own", "symbol": "SPX", "capital": "1000000000"}

    refused = member.post("/strategies/new/", values | asked)

    assert refused.status_code == 422
    assert not StrategyVersion.objects.exists()
    assert member.post("/strategies/new/", values | asked | {"capital": "1000"}).status_code == 302


def test_a_new_strategy_can_be_kept_as_a_draft_that_nothing_runs(member, portfolio, deployment):
    """Also where the plan lets no second one run."""
    asked = {"key": "sma_cross", "name": "Mine", "symbol": "SPX", "capital": "1000"}
    asked |= {"p_fast": "7", "p_slow": "30", "p_sizing": "all_in", "p_target_volatility": "0.15"}

    sent = member.post("/strategies/new/", asked | {"intent": "save", "limit_max_open_orders": "3"})

    kept = StrategyVersion.objects.get(strategy__name="Mine")
    assert sent.url == address(kept)
    assert (kept.number, kept.is_draft, kept.parameters["fast"]) == (1, True, 7)
    assert kept.limits == {"max_open_orders": 3}
    assert not Deployment.objects.filter(version=kept).exists()
    refused = member.post("/strategies/new/", asked | {"intent": "save", "p_fast": "0"})
    assert refused.status_code == 422


def test_the_pages_say_how_many_strategies_the_plan_lets_run(member, version):
    warning = "No more can run now."
    forms = ["/strategies/new/?key=sma_cross", address(version, "versions/1/run/")]

    assert "0 of 1 that your plan lets run at once are at work" in said(member.get("/strategies/"))
    assert [warning in text(member.get(path)) for path in forms] == [False, False]
    member.post(forms[1], {"symbol": "SPX", "capital": "1000"})

    assert "1 of 1 that your plan lets run at once is at work" in said(member.get("/strategies/"))
    assert [warning in text(member.get(path)) for path in forms] == [True, True]
    told = member.get("/api/v1/deployments/quota/").json()
    assert told == {"n_running": 1, "n_left": 0, "at_once": 1}


def test_two_clicks_on_one_form_start_one_strategy(member, portfolio):
    values = {f"p_{p.key}": str(p.default) for p in strategy_get(KEY).parameters}
    asked = {"key": KEY, "name": "Own", "symbol": "SPX", "capital": "1000", "client_key": "one"}

    first, second = (member.post("/strategies/new/", values | asked) for _ in range(2))

    assert (first.status_code, second["Location"]) == (302, first["Location"])
    assert Deployment.objects.count() == 1


def test_two_clicks_on_one_form_run_a_version_once(member, version):
    page = member.get(address(version, "versions/1/run/"))
    key = page.context["form"]["client_key"].value()
    asked = {"symbol": "SPX", "capital": "1000", "client_key": key}

    for _ in range(2):
        member.post(address(version, "versions/1/run/"), asked)

    assert Deployment.objects.count() == 1


def test_what_the_hybrid_is_really_bound_to_is_said(member, portfolio):
    words = "Rules decide alone: no model has been trained yet."
    hybrid = strategy_create(user=portfolio.user, key="hybrid", name="Dips")

    assert words in member.get("/strategies/").content.decode()
    assert words in member.get("/models/regimes/").content.decode()
    model_make(number=7, state="ACTIVE")
    assert "Model 7 decides with the rules." in member.get("/strategies/").content.decode()
    assert "Model 7 decides with the rules." in member.get("/models/regimes/").content.decode()
    assert hybrid.number == 1


def test_a_strategy_that_never_ran_is_listed_as_a_draft(member, portfolio):
    drafted = strategy_create(user=portfolio.user, key=KEY, name="From a backtest")

    everything = member.get("/strategies/").content.decode()
    drafts = member.get("/strategies/?state=DRAFT").content.decode()
    running = member.get("/strategies/?state=RUNNING").content.decode()

    assert all(address(drafted) in page for page in (everything, drafts))
    assert address(drafted, "versions/1/run/") in drafts
    assert address(drafted) not in running


def test_a_stopped_strategy_stays_in_the_list_until_it_is_put_away(member, version, deployment):
    Deployment.objects.update(status="STOPPED")

    for state in ("", "STOPPED"):
        assert address(version) in member.get(f"/strategies/?state={state}").content.decode()
    assert address(version) not in member.get("/strategies/?state=RUNNING").content.decode()
    type(version.strategy).objects.update(is_archived=True)
    assert address(version) not in member.get("/strategies/").content.decode()


def test_a_strategy_that_runs_again_is_listed_once(member, version, deployment):
    Deployment.objects.update(status="STOPPED")
    member.post(address(version, "versions/1/run/"), {"symbol": "SPX", "capital": "1000"})

    page = member.get("/strategies/").content.decode()

    assert Deployment.objects.count() == 2
    assert page.count(f'class="cell-main"><a href="{address(version)}"') == 1


def test_a_new_strategy_without_a_rule_leads_to_the_rules(member):
    answer = member.get("/strategies/new/")

    assert (answer.status_code, answer.url) == (302, "/strategies/#gallery-h")
    assert 'id="gallery-h"' in member.get("/strategies/").content.decode()
