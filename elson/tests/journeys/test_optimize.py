"""Journey 9: start a search, watch it, brush, stop, open the hold-out, apply as a draft."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from elson.tests.journeys.conftest import (
    RUN_MS,
    NewContext,
    Watch,
    axe_violations,
    pause_replay,
    screenshot,
    sign_up,
)
from elson.tests.journeys.platform import Platform

GRANT = """
from accounts.models import User
from accounts.services import entitlement_grant
for key, value in (("optimize.trials_per_run", {trials}), ("optimize.runs_per_day", 3)):
    entitlement_grant(user=User.objects.get(email={email!r}), key=key, value=value, source="test")
"""
FAST = "#leaderboard tbody tr"
LIVE = "**/optimizations/*/live/**"
ASK_WHILE_LEAVING = """() => addEventListener("beforeunload", () => {
  const ask = () => document.body.dispatchEvent(new CustomEvent("stream:resync"));
  document.body.addEventListener("htmx:afterRequest", ask);
  setTimeout(ask);
})"""


def member(page: Page, platform: Platform, *, trials: int = 100) -> None:
    """Sign up and be given what the Plus plan has."""
    email = sign_up(page)
    platform.command("shell", "-c", GRANT.format(email=email, trials=trials))


def start(
    page: Page,
    *,
    strategy: str = "sma_cross",
    method: str = "RANDOM",
    trials: int = 40,
    **fields: str,
) -> None:
    """Set a search up on the form and start it."""
    page.goto(f"/optimizations/new/?strategy_key={strategy}&has_regime_costs=on&slippage_bps=2")
    page.locator("#id_method").select_option(method)
    page.get_by_label("Trials", exact=True).fill(str(trials))
    for label, value in fields.items():
        page.locator(f"#id_{label}").fill(value)
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"/optimizations/\d+/$"))


def ended(page: Page) -> None:
    """Wait for the verdict, and for what is below it on the page that loaded itself again."""
    expect(page.get_by_test_id("overfit")).to_be_visible(timeout=RUN_MS)
    page.wait_for_load_state()


def test_a_search_is_watched_left_judged_and_applied_as_a_draft(
    page: Page, platform: Platform
) -> None:
    member(page, platform)
    start(page)
    expect(page.locator(FAST).first).to_be_visible(timeout=RUN_MS)
    # Left and come back to in another tab: this one may load itself again in the same moment.
    address, left = page.url, page
    page = page.context.new_page()
    left.close()
    page.goto(address)
    ended(page)

    values = page.locator(f"{FAST} td.cell-value").all_inner_texts()
    numbers = [float(value.replace("−", "-")) for value in values if value.strip()]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) > 5
    # Averages of a price that goes nowhere for years: the best of them is a lonely peak.
    expect(page.get_by_test_id("overfit")).to_have_attribute("data-overfit", "1")
    suggested = page.get_by_test_id("suggested")
    expect(suggested).to_contain_text("Spike")
    assert suggested.get_attribute("data-pick") != suggested.get_attribute("data-best")
    screenshot(page, "optimization-1440-light")

    page.get_by_role("link", name="Apply as draft version…").click()
    expect(page.get_by_test_id("diff").locator("ins").first).to_be_visible()
    screenshot(page, "optimization-apply-1440-light")
    page.get_by_role("button", name="Make a new strategy").click()
    page.wait_for_url("**/strategies/*/")
    expect(page.get_by_text("is a draft; nothing runs it")).to_be_visible()


def test_lines_are_brushed_with_the_mouse_and_with_the_keyboard(
    page: Page, platform: Platform
) -> None:
    member(page, platform)
    start(page)
    ended(page)
    plot = page.locator("#parallel-plot")
    plot.scroll_into_view_if_needed()
    expect(plot).to_have_attribute("data-kept", re.compile(r"\d+"))
    everything = int(plot.get_attribute("data-kept") or 0)

    brush = page.locator("#parallel-svg .brush").first
    # Hovering waits until nothing above moves the axis any more.
    brush.locator(".overlay").hover(position={"x": 12, "y": 10})
    page.mouse.down()
    box = brush.locator(".overlay").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"]
    page.mouse.move(x, y + box["height"] / 3, steps=5)
    # The page draws itself again while the pointer is down, as it does when trials arrive.
    page.evaluate("dispatchEvent(new Event('resize'))")
    page.mouse.move(x, y + box["height"] / 2, steps=5)
    page.mouse.up()
    expect(brush.locator(".selection")).to_be_visible()
    expect(page.locator("#parallel-count")).to_contain_text("within the ranges")
    brushed = int(plot.get_attribute("data-kept") or 0)
    assert brushed < everything

    page.get_by_role("button", name="Clear ranges").click()
    page.get_by_text("Set ranges with the keyboard").click()
    page.get_by_label("out of sample at least").fill("99")
    page.get_by_label("out of sample at least").press("Enter")
    expect(page.locator("#parallel-count")).to_contain_text("0 of")


def test_a_stopped_search_opens_its_holdout_once(
    page: Page, platform: Platform, watch: Watch
) -> None:
    watch.allowed_statuses = {422}  # the hold-out asked for without its word
    # A hundred random trials are over before a pointer reaches the button; these learn for seconds.
    member(page, platform, trials=3000)
    start(page, strategy="volatility_adaptive_trend", method="TPE", trials=3000)
    expect(page.locator(FAST).first).to_be_visible(timeout=RUN_MS)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Open the hold-out")).to_be_visible(timeout=RUN_MS)

    page.get_by_role("button", name="Open the hold-out").click()
    page.get_by_role("button", name="Open the hold-out").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be closed again")
    page.get_by_label("Type “open” to confirm").fill("open")
    page.get_by_role("button", name="Open the hold-out").click()

    expect(page.get_by_test_id("holdout")).to_contain_text("It cannot be opened again")
    expect(page.get_by_role("button", name="Open the hold-out")).to_have_count(0)


def test_the_quota_is_counted_and_refused_with_its_numbers(
    page: Page, platform: Platform, watch: Watch
) -> None:
    watch.allowed_statuses = {422}
    member(page, platform, trials=50)
    start(page, trials=5)
    ended(page)
    page.goto("/optimizations/new/")
    expect(page.locator("main")).to_contain_text("2 of 3 left today")

    page.goto("/optimizations/new/?strategy_key=sma_cross&has_regime_costs=on")
    page.get_by_label("Trials", exact=True).fill("60")
    page.get_by_role("button", name="Start", exact=True).click()

    expect(page.locator("[data-error-summary]")).to_contain_text("60 trials are more than the 50")


def test_a_search_that_ends_does_not_fetch_back_who_just_left(
    page: Page, platform: Platform
) -> None:
    member(page, platform, trials=3000)
    start(page, strategy="volatility_adaptive_trend", method="TPE", trials=3000)
    expect(page.locator(FAST).first).to_be_visible(timeout=RUN_MS)
    other_tab = page.context.new_page()
    other_tab.goto(page.url)
    held: list[Route] = []
    told: list[Route] = []

    def answer(route: Route) -> None:
        """Let the page hear nothing until it is being left; then, once, that the search ended."""
        if held and not told:
            told.append(route)
            route.continue_()
        else:
            route.fulfill(status=204)

    page.route(LIVE, answer)
    page.route("**/dashboard/", lambda route: held.append(route))
    other_tab.get_by_role("button", name="Stop").click()
    ended(other_tab)

    page.evaluate(ASK_WHILE_LEAVING)
    # It asks once more: it is through with the answer, and still itself.
    with page.expect_request(lambda request: bool(told) and "/live/" in request.url):
        page.get_by_role("link", name="Dashboard").first.click(no_wait_after=True)
    held[0].continue_()

    expect(page).to_have_url(re.compile(r"/dashboard/$"))


def test_a_free_user_sees_the_locked_panel(page: Page) -> None:
    sign_up(page)
    page.goto("/optimizations/")

    expect(page.get_by_text("Optimization is part of Plus")).to_be_visible()
    page.goto("/optimizations/new/")
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()


@pytest.mark.parametrize(
    ("width", "theme"), [(1440, "light"), (1440, "dark"), (360, "light"), (360, "dark")]
)
def test_its_pages_are_accessible_with_data(
    new_context: NewContext, platform: Platform, width: int, theme: str
) -> None:
    page = new_context(width=width, theme=theme).new_page()
    member(page, platform)
    pause_replay(page)
    start(page)
    address = page.url
    ended(page)

    faults = []
    for path in ("/optimizations/", "/optimizations/new/", address, f"{address}apply/?trial=1"):
        page.goto(path)
        plot = page.locator("#parallel-plot")
        if plot.count():  # its lines are drawn after their data came
            expect(plot).to_have_attribute("data-kept", re.compile(r"\d+"))
        name = re.sub(r"\d+", "n", path.split("//")[-1].partition("/")[2]).replace("/", "-")
        screenshot(page, f"opt-{name.split('?')[0]}-{width}-{theme}")
        faults += [f"{path}: {fault}" for fault in axe_violations(page)]
        overflow = page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if overflow > 0:
            faults.append(f"{path}: scrolls sideways by {overflow} px at {width}")
    assert faults == []
