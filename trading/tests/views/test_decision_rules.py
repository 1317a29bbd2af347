"""Rules, source and order chain of a decision: as the runner stored them and as pages say them."""

from __future__ import annotations

import json

import pytest

from marketdata.models import Bar
from marketdata.selectors import bars_get, bars_hash
from trading.models import Decision, Order
from trading.tests.factories import DAY, FIRST_CLOSE, instrument_make
from trading.tests.services.test_runner import deploy, play
from trading.tests.views.pages import address, said

pytestmark = pytest.mark.django_db
CLOSES = [100.0, 101.0, 103.0, 106.0, 104.0, 101.0, 99.0, 100.0, 104.0, 108.0, 107.0, 103.0]


@pytest.fixture
def deployment(client):
    """A quick crossing that has traded for ten bars."""
    tape = instrument_make("TAPE", CLOSES, asset_class="CRYPTO")
    found = deploy(tape, "sma_cross", {"fast": 2, "slow": 3}, start_at=FIRST_CLOSE)
    play(found.portfolio, FIRST_CLOSE + 10 * DAY)
    client.force_login(found.portfolio.user)
    return found


def entry_of(deployment):
    return Decision.objects.filter(deployment=deployment, action="ENTER_LONG").earliest("pk")


def shown(client, decision):
    return client.get(address(decision.deployment.version, f"decisions/{decision.uuid}/"))


def test_the_runner_keeps_every_rule_with_value_and_limit(deployment):
    told = {rule["rule"]: rule for rule in entry_of(deployment).rules}

    assert {"WARM_UP", "NO_EQUITY", "CASH", "PAUSED"} <= set(told)
    assert told["WARM_UP"]["status"] == "PASS"
    assert told["WARM_UP"]["value"] >= told["WARM_UP"]["limit"] > 0


def test_the_runner_names_exactly_the_bars_a_decision_saw(deployment):
    decision = entry_of(deployment)
    seen = bars_get(deployment.instrument, "1d", until=decision.market_at)

    assert decision.source["content_hash"] == bars_hash(seen)
    assert decision.source["n_bars"] == decision.source["n_hashed"] == len(seen)
    assert decision.source["last_bar_at"][:10] == f"{decision.market_at:%Y-%m-%d}"
    assert decision.source["model"] is None
    Bar.objects.filter(closed_at=FIRST_CLOSE).update(close=99.0, low=99.0)
    deployment.instrument.series.update(version="00000000-0000-0000-0000-000000000001")
    changed = bars_get(deployment.instrument, "1d", until=decision.market_at)
    assert bars_hash(changed) != decision.source["content_hash"]


def test_the_page_shows_rules_of_the_strategy_and_of_the_account(deployment, client):
    page = said(shown(client, entry_of(deployment)))

    assert "Rules it went through" in page
    assert "needed before the rule is defined" in page
    assert "Of the account, for its order to buy" in page
    assert "Buying power" in page
    assert "MAX_POSITION_WEIGHT" not in page.split("As JSON")[0]
    assert "TAPE.XTST, 1d, " in page


def test_a_decision_without_an_order_says_that_the_account_was_not_asked(deployment, client):
    idle = Decision.objects.filter(deployment=deployment, orders__isnull=True).first()

    assert "the account’s own limits were not asked" in said(shown(client, idle))


def test_a_decision_from_before_says_since_when_rules_are_recorded(deployment, client):
    old = Decision.objects.create(
        deployment=deployment, market_at=FIRST_CLOSE, action="NO_TRADE", price=100.0,
        reason="No trade: nothing to do.", blocked_by="NO_TRADE_BAND",
    )  # fmt: skip
    first = Decision.objects.filter(deployment=deployment, rules__isnull=False).earliest("pk")

    page = said(shown(client, old))

    assert (
        f"Not recorded before {first.market_at:%Y-%m-%d}: this one names only what blocked it, "
        "“too small a change to trade”."
    ) in page
    assert "not recorded then" in page


def test_the_chain_goes_from_the_order_to_its_fills(deployment, client):
    decision = entry_of(deployment)
    fill = Order.objects.get(decision=decision).fills.get()

    answer = shown(client, decision)

    assert answer.content.decode().count('data-testid="fill"') == 1
    assert f"→ {fill.filled_at:%Y-%m-%d}: " in said(answer)


def test_the_copy_has_rules_data_version_and_what_the_account_said(deployment, client):
    decision = entry_of(deployment)
    told = json.loads(shown(client, decision).context["as_json"])
    rest = client.get(f"/api/v1/decisions/{decision.uuid}/").json()

    assert told["rules"] == rest["rules"] == decision.rules
    assert told["data"] == rest["data"] == decision.source
    assert told["version_id"] == deployment.version_id
    assert [rule["rule"] for rule in told["orders"][0]["rules"]][:2] == ["TRADABLE", "PRICE_KNOWN"]
