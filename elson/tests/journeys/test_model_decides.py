"""A model is promoted by staff, decides with a score that adds up, and is taken away again."""

from __future__ import annotations

import math
import re

from playwright.sync_api import Locator, Page, expect

from elson.tests.journeys.conftest import (
    NewContext,
    Watch,
    axe_violations,
    screenshot,
    sign_in_staff,
    sign_up,
)
from elson.tests.journeys.hand_made_models import COMMAND
from elson.tests.journeys.platform import Platform
from elson.tests.journeys.test_strategy_explains import MOST_BARS, decisions, open_the_demo


def move(page: Page, version_id: int, name: str, reason: str) -> None:
    """Ask for a change of a model's state on its staff page, with a reason."""
    page.goto(f"/staff/trading/modelversion/{version_id}/move/{name}/")
    page.get_by_label("Reason").fill(reason)
    page.locator("#content input[type=submit]").click()


def number_of(cell: Locator) -> float:
    return float(cell.inner_text().strip().replace("−", "-").replace("+", ""))


def stop_the_demo(page: Page) -> None:
    """The free plan runs one strategy at a time."""
    open_the_demo(page)
    page.get_by_role("button", name="Stop…", exact=True).click()
    page.get_by_role("button", name="Stop strategy", exact=True).click()
    expect(page.locator("main")).to_contain_text("Stopped")


def run_the_hybrid(page: Page) -> str:
    """Put the hybrid to work on the replayed index; return its page."""
    page.goto("/strategies/new/?key=hybrid")
    page.get_by_label("Instrument").select_option("SPX")
    page.get_by_role("button", name="Run on paper").click()
    page.wait_for_url(re.compile(r"/strategies/\d+/$"))
    return page.url


def wait_for_a_judged_dip(page: Page, strategy_url: str) -> str:
    """Address of the first decision in which the model was asked."""
    rows: list[dict[str, str]] = []
    # By bars, not by time: the same market comes at the pace of the machine.
    while len(rows) < MOST_BARS:
        rows = decisions(page, strategy_url)
        for row in rows:
            if "P(win)" in row["reason"]:
                return f"{strategy_url}decisions/{row['id']}/"
        page.wait_for_timeout(1_000)
    raise AssertionError(f"no dip in {len(rows)} decisions")


def test_a_promoted_model_decides_and_its_score_adds_up(
    page: Page, new_context: NewContext, platform: Platform, watch: Watch
) -> None:
    sound, failing = (int(pk) for pk in platform.command("shell", "-c", COMMAND).split()[-2:])
    staff = new_context().new_page()
    sign_in_staff(staff, platform)
    watch.allowed_statuses.add(409)

    move(staff, failing, "promote", "looks better")
    expect(staff.locator(".errornote")).to_contain_text("did not pass its gates: ECE 0.090 > 0.050")
    move(staff, sound, "promote", "calibrated in every regime")
    expect(staff.locator("#content")).to_contain_text("calibrated in every regime")
    screenshot(staff, "model-promoted")

    sign_up(page)
    stop_the_demo(page)
    strategy_url = run_the_hybrid(page)
    expect(page.locator("main")).to_contain_text("Model 901")
    decision_url = wait_for_a_judged_dip(page, strategy_url)

    page.goto(decision_url)
    score = page.locator("#score")
    cells = score.locator("tbody tr td:nth-child(2)")
    shown = [number_of(cells.nth(k)) for k in range(cells.count())]
    total = number_of(score.get_by_test_id("score-total").locator("td").first)
    assert len(shown) == 9  # average bar, six features, the smaller ones, the score
    assert round(sum(shown[:-1]) * 1_000) == round(total * 1_000)
    probability = re.search(r"([\d.]+)%", score.locator(".meter-head > .num").inner_text())
    assert probability is not None
    assert abs(1.0 / (1.0 + math.exp(-total)) * 100.0 - float(probability.group(1))) <= 0.1
    told = score.inner_text()
    screenshot(page, "decision-scored")
    assert axe_violations(page) == []

    move(staff, sound, "retire", "the journey is over")
    page.goto(decision_url)
    assert page.locator("#score").inner_text() == told
    page.goto(strategy_url)
    expect(page.locator("main")).to_contain_text("Fallback rules in use since")
