"""Journey 3: an order with its risk preview, reviewed, sent once, filled, and accounted for."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

from elson.tests.journeys.conftest import (
    Watch,
    axe_violations,
    pause_replay,
    resume_replay,
    sign_up,
)


def test_a_rule_blocks_an_order_that_is_too_big(page: Page, watch: Watch) -> None:
    watch.allowed_statuses = {422}
    sign_up(page)
    pause_replay(page)
    page.goto("/orders/new/?symbol=SPX")
    page.get_by_label("Quantity").fill("5000")

    rule = page.locator('[data-testid=preview] [data-status="FAIL"]')
    expect(rule.first).to_be_visible()
    page.get_by_role("button", name="Review order").click()

    summary = page.locator("[data-error-summary]")
    expect(summary).to_contain_text(re.compile("buying power|notional|weight", re.IGNORECASE))
    expect(page.get_by_label("Quantity")).to_have_value("5000")
    assert _mine(page) == []
    assert axe_violations(page) == []


def test_a_negative_quantity_is_refused_by_one_clear_sentence(page: Page, watch: Watch) -> None:
    watch.allowed_statuses = {422}
    sign_up(page)
    page.goto("/orders/new/?symbol=SPX")
    page.get_by_label("Quantity").fill("-3")
    page.get_by_role("button", name="Review order").click()

    expect(page.locator("[data-error-summary]")).to_contain_text("must be above 0")


def test_an_order_clicked_twice_is_sent_once_filled_and_accounted_for(page: Page) -> None:
    sign_up(page)
    pause_replay(page)
    page.goto("/orders/new/?symbol=NASDAQ")
    page.get_by_label("Quantity").fill("4")
    field = page.locator('[data-testid=preview] [data-field="notional"] data')
    expect(field).to_be_visible()
    page.get_by_role("button", name="Review order").click()
    expect(page.get_by_test_id("review")).to_be_visible()
    assert axe_violations(page) == []

    page.get_by_role("button", name="Send paper order").dblclick()
    page.wait_for_url("**/orders/*-*/")
    address = page.url
    assert len(_mine(page)) == 1

    resume_replay(page)
    page.goto(address)
    expect(page.get_by_test_id("order-status")).to_contain_text("Filled")
    pause_replay(page)
    _accounts_agree(page)


def test_a_stale_preview_is_shown_again_instead_of_sent(page: Page, watch: Watch) -> None:
    watch.allowed_statuses = {409}
    sign_up(page)
    page.goto("/orders/new/?symbol=SPX")
    page.get_by_label("Quantity").fill("1")
    page.get_by_role("button", name="Review order").click()
    expect(page.get_by_test_id("review")).to_be_visible()

    # Somebody looked at another price: as if the market had moved since.
    page.locator("input[name=previewed_price]").evaluate("input => { input.value = '2000'; }")
    page.get_by_role("button", name="Send paper order").click()

    expect(page.get_by_text("Look again.")).to_be_visible()
    assert _mine(page) == []


def _accounts_agree(page: Page) -> None:
    order = _mine(page)[0]
    positions = _api(page, "/api/v1/positions/")
    position = next(p for p in _results(positions) if p["symbol"] == "NASDAQ")
    assert float(position["quantity"]) == float(order["filled_quantity"]) == 4

    page.goto("/portfolio/ledger/")
    expect(page.get_by_text(re.compile("bought 4 NASDAQ")).first).to_be_visible()
    expect(page.get_by_test_id("ledger-sum")).to_contain_text("0.00")
    page.goto("/portfolio/activity/?kind=fill")
    expect(page.get_by_text(re.compile("Bought 4 NASDAQ")).first).to_be_visible()
    page.goto("/portfolio/")
    expect(page.locator("#holdings").get_by_text("NASDAQ").first).to_be_visible()


def _mine(page: Page) -> list[dict[str, Any]]:
    """Orders this person placed; the demo strategy places its own beside them."""
    orders = _results(_api(page, "/api/v1/orders/"))
    return [order for order in orders if order["client_order_id"].startswith("web-")]


def _results(answer: Any) -> list[dict[str, Any]]:
    return answer["results"] if isinstance(answer, dict) else answer


def _api(page: Page, path: str) -> Any:
    answer = page.request.get(path)
    assert answer.ok, answer.text()
    return answer.json()
