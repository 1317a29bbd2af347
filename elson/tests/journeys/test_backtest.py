"""Journey 8: run a backtest, leave, come back on another device, judge it."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page, expect

from elson.tests.journeys.conftest import PASSWORD, NewContext, Watch, axe_violations, sign_up


def test_a_backtest_survives_a_closed_tab_and_is_judged_on_another_device(
    new_context: NewContext,
) -> None:
    page = new_context().new_page()
    email = sign_up(page)
    page.goto("/backtests/new/")
    page.get_by_role("button", name="Run backtest").click()
    page.wait_for_url("**/backtests/*/")
    address = page.url
    page.close()

    other = _signed_in(new_context(width=360, height=740, theme="dark"), email)
    other.goto(address)
    expect(other.get_by_test_id("oos-tiles")).to_be_visible(timeout=60_000)
    expect(other.get_by_test_id("verdict")).to_be_visible()
    expect(other.get_by_test_id("by-regime")).to_be_visible()
    expect(other.get_by_test_id("monthly")).to_be_visible()
    assert axe_violations(other) == []


def test_regimes_and_honesty_on_the_page_equal_the_api(page: Page) -> None:
    sign_up(page)
    page.goto("/backtests/new/")
    page.get_by_role("button", name="Run backtest").click()
    expect(page.get_by_test_id("verdict")).to_be_visible(timeout=60_000)
    number = page.url.rstrip("/").rsplit("/", 1)[1]

    result = page.request.get(f"/api/v1/backtests/{number}/result/").json()
    expect(page.get_by_test_id("verdict")).to_contain_text(result["honesty"]["verdict"])
    rows = result["by_regime"]
    total = result["metrics"]["all"]["n_round_trips"]
    assert sum(rows[name]["n"] for name in ("LOW", "NORMAL", "HIGH", "EXTREME")) == total


def test_progress_only_rises_and_phases_come_in_order(page: Page) -> None:
    seen: list[tuple[str, float]] = []
    sign_up(page)
    page.on("websocket", lambda socket: socket.on("framereceived", lambda text: _note(text, seen)))
    page.goto("/backtests/new/")
    page.get_by_role("button", name="Run backtest").click()
    expect(page.get_by_test_id("verdict")).to_be_visible(timeout=60_000)

    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    order = ["QUEUED", "LOADING", "SIMULATING", "NULL_MODEL", "STATISTICS", "DONE"]
    places = [order.index(phase) for phase, _ in seen]
    assert places == sorted(places)


def test_free_trading_needs_a_tick_and_bad_input_keeps_what_was_typed(
    page: Page, watch: Watch
) -> None:
    watch.allowed_statuses = {422}
    sign_up(page)
    page.goto("/backtests/new/?strategy=sma_cross")
    page.get_by_label("Starting cash").fill("-5")
    page.get_by_role("button", name="Run backtest").click()

    expect(page.locator("[data-error-summary]")).to_be_visible()
    expect(page.get_by_label("Starting cash")).to_have_value("-5")


def _signed_in(context: BrowserContext, email: str) -> Page:
    page = context.new_page()
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill(email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/dashboard/**")
    return page


def _note(text: str | bytes, seen: list[tuple[str, float]]) -> None:
    import json

    frame = json.loads(text)
    data = frame.get("data") or {}
    if str(frame.get("ch", "")).startswith("backtest:") and "progress" in data:
        seen.append((str(data["phase"]), float(data["progress"])))
