"""The pages of strategies: versions are made and run, and what runs is never edited."""

from __future__ import annotations

import numpy as np
import pytest

from marketdata.selectors import bars_get
from trading.engine.breaker import BreakerState
from trading.engine.strategies import strategy_get
from trading.engine.types import OrderSide, OrderType
from trading.models import Backtest, Decision, Deployment, Fill, Order, StrategyVersion
from trading.selectors.decision_views import ParameterRow
from trading.selectors.own_books import book_of, outcome_of
from trading.selectors.regimes import next_regime_get
from trading.services.deployments import deployment_start
from trading.services.strategies import strategy_create
from trading.tests.factories import (
    DAY,
    FIRST_CLOSE,
    NOW,
    instrument_make,
    portfolio_make,
    user_make,
)
from trading.tests.services.model_rows import version_make as model_make
from trading.views.backtest_address import version_values

pytestmark = pytest.mark.django_db
KEY = "volatility_adaptive_trend"


@pytest.fixture
def portfolio():
    rng = np.random.default_rng(3)
    closes = list(100 * np.exp(np.cumsum(rng.normal(0, 0.01, 700))))
    return portfolio_make(lead=instrument_make("SPX", closes), cursor_at=FIRST_CLOSE + 650 * DAY)


@pytest.fixture
def member(client, portfolio):
    client.force_login(portfolio.user)
    return client


@pytest.fixture
def version(portfolio):
    return strategy_create(user=portfolio.user, key=KEY, name="Trend")


@pytest.fixture
def deployment(portfolio, version):
    return deployment_start(
        version=version, portfolio=portfolio, instrument=portfolio.replay.lead, now=NOW
    )


def typed(version, **changes):
    return {f"p_{name}": str(value) for name, value in {**version.parameters, **changes}.items()}


def address(version, rest=""):
    return f"/strategies/{version.strategy_id}/{rest}"


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


def test_a_backtest_of_a_version_begins_with_its_parameters_and_costs(member, portfolio):
    version = strategy_create(
        user=portfolio.user, key=KEY, name="Own",
        parameters={"trend_bars": 80, "size_factor.HIGH": 0.5}, costs={"spread_bps": 9.0},
    )  # fmt: skip
    page = member.get(f"/backtests/new/?version={version.pk}").content.decode()

    assert 'name="p_trend_bars" value="80"' in page
    assert 'name="p_size_factor.HIGH" value="0.5"' in page
    assert 'name="spread_bps" value="9"' in page
    assert "size factor in high 0.5" in page


def test_a_version_of_somebody_else_sets_no_backtest_up(client, version):
    client.force_login(user_make())

    assert client.get(f"/backtests/new/?version={version.pk}").status_code == 404


def test_a_backtest_runs_with_the_own_values_per_regime(member, portfolio):
    version = strategy_create(
        user=portfolio.user, key=KEY, name="Own", parameters={"size_factor.HIGH": 0.5}
    )
    values = version_values(version) | {"symbol": "SPX", "timeframe": "1d", "seed": "7"}
    answer = member.post("/backtests/new/", values)

    assert answer.status_code == 302, answer.content.decode()
    assert Backtest.objects.get().parameters["size_factor.HIGH"] == 0.5


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


def decision_make(deployment, **fields):
    given = {
        "deployment": deployment,
        "market_at": FIRST_CLOSE + 649 * DAY,
        "action": "NO_TRADE",
        "regime": "NORMAL",
        "price": 100.0,
        "reason": "No trade: nothing to do.",
    }
    return Decision.objects.create(**given | fields)


def test_the_score_is_shown_with_its_threshold_and_signed_contributions(member, deployment):
    inputs = {"close": 1.0, "probability": 0.61, "threshold": 0.7}
    shares = {"contribution:rsi_gap": -0.4, "contribution:trend_gap": 0.2}
    decision = decision_make(deployment, inputs=inputs | shares)

    page = member.get(address(deployment.version, f"decisions/{decision.uuid}/")).content.decode()

    assert "below the threshold of" in page
    assert page.index("RSI gap") < page.index("Trend gap")
    assert 'class="bar down" x="4.00" y="1" width="56.00"' in page
    assert "Together" in page
    assert "An average bar" not in page


def test_what_is_shown_of_a_score_adds_up_in_the_digits_shown(member, deployment):
    shares = {f"contribution:f{k}": 0.1004 + k / 1_000 for k in range(8)}
    score = 0.2504 + sum(shares.values())
    told = {"score_base": 0.2504, "score": score, "score_is_log_odds": 1.0}
    decision = decision_make(
        deployment, inputs={"probability": 0.7, "threshold": 0.6} | shares | told
    )

    page = member.get(address(deployment.version, f"decisions/{decision.uuid}/"))

    found = page.context["view"].score
    shown = [found.base, *(row.value for row in found.contributions), found.left_out]
    assert sum(round(value * 1_000) for value in shown) == round(found.total * 1_000)
    assert found.total == pytest.approx(score, abs=5e-4)
    assert (found.n_left_out, len(found.contributions)) == (2, 6)
    text = page.content.decode()
    assert "An average bar" in text
    assert "Score is log odds" not in text


def test_no_score_is_shown_where_no_model_was_asked(member, deployment):
    decision = decision_make(deployment, inputs={"close": 1.0, "probability": None})

    page = member.get(address(deployment.version, f"decisions/{decision.uuid}/")).content.decode()

    assert "What the model said" not in page


def test_the_breaker_is_shown_only_where_it_has_seen_a_bar(member, deployment):
    before = member.get(address(deployment.version)).content.decode()
    halted = BreakerState(level=3, rule=4, value=0.21, limit=0.2)
    deployment.state |= {"breaker": halted.to_dict()}
    deployment.save()

    assert "Circuit breaker" not in before
    assert (
        "drawdown 21.0% reached the limit"
        in member.get(address(deployment.version)).content.decode()
    )


def test_what_was_blocked_is_counted(member, deployment):
    decision_make(deployment, blocked_by="NO_TRADE_BAND")

    page = member.get(address(deployment.version)).content.decode()
    rest = member.get(f"/api/v1/strategies/{deployment.version.strategy_id}/decisions/counts/")

    assert "Blocked: too small a change to trade" in page
    assert rest.json()["blocked"]["NO_TRADE_BAND"] >= 1


def test_the_next_regime_is_given_with_its_cases_or_with_a_reason(portfolio):
    spx = portfolio.replay.lead
    shown = next_regime_get(spx, "1d", until=portfolio.replay.cursor_at)
    early = next_regime_get(spx, "1d", until=FIRST_CLOSE + 40 * DAY)

    assert sum(cell.n for cell in shown.cells) == shown.n >= 30
    assert shown.reason == ""
    assert all(cell.probability is None for cell in early.cells)
    assert "a share needs 30" in early.reason


def test_a_decision_counts_the_next_regime_up_to_its_own_bar(member, deployment):
    decision = decision_make(deployment)
    then = next_regime_get(deployment.instrument, "1d", until=decision.market_at)

    page = member.get(address(deployment.version, f"decisions/{decision.uuid}/"))

    assert page.context["following"] == then


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


def test_the_outcome_begins_with_the_bar_after_the_decision(deployment):
    decision = decision_make(deployment)

    assert outcome_of(decision, until=decision.market_at) is None
    assert outcome_of(decision, until=decision.market_at + 2 * DAY)[0] == 2


def test_the_chart_of_a_decision_ends_at_the_market_date(member, deployment):
    decision = decision_make(deployment)

    answer = member.get(address(deployment.version, f"decisions/{decision.uuid}/"))

    bars = answer.context["figure"]["payload"]["bars"]
    assert len(bars) == 61
    assert bars[-1]["closed_at"][:10] == f"{FIRST_CLOSE + 650 * DAY:%Y-%m-%d}"
    assert answer.context["outcome"][0] == 1


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


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"is_dip": 1.0, "is_tradable": 1.0}, "the rule decided alone"),
        ({"is_dip": 1.0, "is_tradable": 0.0}, "costs are as large as the edge"),
        ({"is_dip": 0.0, "is_tradable": 1.0}, "it judges dips, and this bar is none"),
    ],
)
def test_it_is_said_why_no_model_was_asked(member, deployment, inputs, words):
    decision = decision_make(deployment, inputs=inputs | {"probability": None})

    page = member.get(address(deployment.version, f"decisions/{decision.uuid}/")).content.decode()

    assert words in page


def test_a_limit_of_its_own_is_named_in_words(member, deployment):
    decision = decision_make(deployment, blocked_by="SIZE_LIMIT")

    page = member.get(address(deployment.version, f"decisions/{decision.uuid}/")).content.decode()

    assert "blocked: its own limits of size" in page


def test_the_chart_of_a_decision_is_fetched_alone_until_its_bars_are_complete(member, deployment):
    decision = decision_make(deployment)
    path = address(deployment.version, f"decisions/{decision.uuid}/")

    part = member.get(path + "?part=figure").content.decode()
    whole = member.get(path).content.decode()

    assert "<html" not in part
    assert 'id="decision-chart"' in part
    assert 'hx-preserve="true"' in part
    assert f'hx-get="{path}?part=figure"' in whole
    assert "bars:SPX:1d" in whole
