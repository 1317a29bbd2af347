"""A strategy tells what it does and why, and its versions are made without touching what runs."""

from __future__ import annotations

import json

from playwright.sync_api import Page, expect

from elson.tests.journeys.conftest import axe_violations, pause_replay, screenshot, sign_up


def test_a_strategy_explains_itself_and_is_edited_into_a_draft(page: Page) -> None:
    sign_up(page)
    page.locator('[data-testid=activity] [data-kind="fill"]').first.wait_for(timeout=60_000)
    pause_replay(page)
    page.goto("/strategies/")
    page.locator("#deployments th a").filter(has_text="Demo").first.click()

    adaptive = page.get_by_role("region", name="Adaptive parameters now").or_(
        page.locator("table").filter(has_text="Because")
    )
    expect(adaptive.first).to_contain_text("Bounds")
    expect(page.locator("#tracking")).to_contain_text("Net return")
    screenshot(page, "strategy-explains")
    assert axe_violations(page) == []
    strategy_url = page.url

    page.locator("#log-h").scroll_into_view_if_needed()
    page.get_by_role("link", name="Open this decision").click()
    expect(page.locator("#why")).to_be_visible()
    expect(page.locator("#around")).to_contain_text(
        "The decision above stays as it was; what came of it goes on"
    )
    told = json.loads(page.locator("pre").last.inner_text())
    assert told["reason"] in page.locator("#why").inner_text()
    assert all({"base", "now", "because"} <= set(line) for line in told["parameters"].values())
    screenshot(page, "decision-explains")
    assert axe_violations(page) == []

    page.goto(strategy_url)
    page.get_by_role("link", name="Edit into a new version").click()
    page.get_by_label("Size factor in High").fill("0.5")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_test_id("diff")).to_contain_text("Size factor in High")
    screenshot(page, "strategy-edit")
    assert axe_violations(page) == []
    page.get_by_role("button", name="Save as a draft version").click()
    expect(page.locator("#versions")).to_contain_text("draft")
