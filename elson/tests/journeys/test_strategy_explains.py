"""A strategy tells what it does and why, and its versions are made without touching what runs."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from elson.tests.journeys.conftest import axe_violations, pause_replay, screenshot, sign_up

# What a journey looks through for something that the replayed market holds.
MOST_BARS = 150


def open_the_demo(page: Page) -> str:
    """Open the page of the strategy that everybody begins with; return its address."""
    page.goto("/strategies/")
    page.locator("#deployments th a").filter(has_text="Demo").first.click()
    # It is left only then, and its scripts have run.
    page.wait_for_url(re.compile(r"/strategies/\d+/$"))
    return page.url


def decisions(page: Page, strategy_url: str) -> list[dict[str, str]]:
    """Every decision so far from the download, oldest first."""
    answer = page.request.get(f"{strategy_url}?format=csv")
    rows = list(csv.DictReader(io.StringIO(answer.text().lstrip("\ufeff"))))
    return rows[::-1]


def wait_for_regime_change(page: Page, strategy_url: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The last decision that follows one regime and the first that follows the next, as told.

    The replay holds one by itself. A fall of the regime is followed some bars later.
    """
    rows: list[dict[str, str]] = []
    # By bars, not by time: the same market comes at the pace of the machine.
    while len(rows) < MOST_BARS:
        rows = decisions(page, strategy_url)
        regimes = [row["regime"] for row in rows]
        for k in range(1, len(rows)):
            if not regimes[k - 1] or regimes[k - 1] == regimes[k]:
                continue
            near = [told_of(page, strategy_url, row) for row in rows[k - 1 : k + 4]]
            for before, after in itertools.pairwise(near):
                if followed(before) != followed(after):
                    return before, after
        page.wait_for_timeout(1_000)
    raise AssertionError(f"no regime change in {len(rows)} decisions")


def followed(told: dict[str, Any]) -> str:
    """The regime that adaptive parameters follow; the bar's own where none is named."""
    line = told["parameters"].get("regime_followed")
    return str(line["now"] if line else told["regime"])


def told_of(page: Page, strategy_url: str, decision: dict[str, str]) -> dict[str, Any]:
    page.goto(f"{strategy_url}decisions/{decision['id']}/")
    found: dict[str, Any] = json.loads(page.locator("pre").last.inner_text())
    return found


def test_the_sizes_multiply_and_the_parameters_follow_a_regime_change(page: Page) -> None:
    sign_up(page)
    page.locator('[data-testid=activity] [data-kind="fill"]').first.wait_for()
    strategy_url = open_the_demo(page)

    before, after = wait_for_regime_change(page, strategy_url)
    old, new = before["parameters"], after["parameters"]
    moved = {name for name in new if name in old and new[name]["now"] != old[name]["now"]}
    assert "size_factor" in moved
    assert followed(after) in new["size_factor"]["because"]
    screenshot(page, "regime-change")

    ordered = next(row for row in decisions(page, strategy_url) if row["action"] == "ENTER_LONG")
    told = told_of(page, strategy_url, ordered)
    lines = {line["label"]: line["value"] for line in told["sizing"]}
    product = lines["volatility-target weight"] * lines["× equity"] / lines["÷ close"]
    for label in ("× size factor", "× pullback share", "× breaker"):
        product *= lines.get(label, 1.0)
    assert product == pytest.approx(lines["wanted quantity"], rel=1e-9)
    assert lines["order quantity"] == pytest.approx(
        lines["target quantity"] - lines["held quantity"]
    )
    assert lines["target quantity"] <= lines["wanted quantity"]
    order = page.locator("#outcome .feed a").first
    assert f"{lines['order quantity']:.4f}".rstrip("0") in order.inner_text()


def test_a_strategy_explains_itself_and_is_edited_into_a_draft(page: Page) -> None:
    sign_up(page)
    page.locator('[data-testid=activity] [data-kind="fill"]').first.wait_for()
    pause_replay(page)
    strategy_url = open_the_demo(page)

    adaptive = page.get_by_role("region", name="Adaptive parameters now").or_(
        page.locator("table").filter(has_text="Because")
    )
    expect(adaptive.first).to_contain_text("Bounds")
    expect(page.locator("#tracking")).to_contain_text("Net return")
    screenshot(page, "strategy-explains")
    assert axe_violations(page) == []

    page.locator("#log-h").scroll_into_view_if_needed()
    page.get_by_role("link", name="Open this decision").click()
    page.wait_for_url("**/decisions/*/")
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
