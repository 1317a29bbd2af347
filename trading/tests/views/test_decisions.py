"""What a decision is explained with: score, breaker, regime to come, limit, outcome, chart."""

from __future__ import annotations

import pytest

from trading.engine.breaker import BreakerState
from trading.models import Decision
from trading.selectors.own_books import outcome_of
from trading.selectors.regimes import next_regime_get
from trading.tests.factories import (
    DAY,
    FIRST_CLOSE,
)
from trading.tests.views.pages import address

pytestmark = pytest.mark.django_db


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
    assert 'class="reach" x="0" y="6" width="610.0"' in page
    assert '<path d="M700.0 0V24"/>' in page
    assert page.index("RSI gap") < page.index("Trend gap")
    assert 'class="bar down" x="4.00" y="1" width="56.00"' in page
    assert "Together" in page
    assert "An average bar" not in page


def test_the_arithmetic_of_a_size_writes_no_code(member, deployment):
    sizing = [{"label": "× breaker", "value": 1.0, "text": "× 1: NORMAL: everything is allowed"}]
    decision = decision_make(deployment, sizing=sizing)

    page = member.get(address(deployment.version, f"decisions/{decision.uuid}/")).content.decode()

    assert "× 1: Normal: everything is allowed" in page


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
