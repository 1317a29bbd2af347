"""Journey 8: run a backtest, leave, come back on another device, judge it."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, Page, expect

from elson.tests.journeys.conftest import (
    PASSWORD,
    RUN_MS,
    NewContext,
    Watch,
    axe_violations,
    screenshot,
    sign_up,
)
from elson.tests.journeys.own_strategies import HONEST, PLANTED

SHORT_SPAN = "symbol=SPX&commission_bps=1&start_date=2012-01-01&end_date=2014-12-31"


def test_a_backtest_survives_a_closed_tab_and_is_judged_on_another_device(
    new_context: NewContext,
) -> None:
    page = new_context().new_page()
    email = sign_up(page)
    page.goto("/backtests/new/")
    page.get_by_role("button", name="Run backtest").click()
    page.wait_for_url(re.compile(r"/backtests/\d+/$"))
    address = page.url
    page.close()

    other = _signed_in(new_context(width=360, height=740, theme="dark"), email)
    other.goto(address)
    expect(other.get_by_test_id("oos-tiles")).to_be_visible(timeout=RUN_MS)
    expect(other.get_by_test_id("verdict")).to_be_visible()
    expect(other.get_by_test_id("by-regime")).to_be_visible()
    expect(other.get_by_test_id("monthly")).to_be_visible()
    assert axe_violations(other) == []


def test_regimes_and_honesty_on_the_page_equal_the_api(page: Page) -> None:
    sign_up(page)
    page.goto("/backtests/new/")
    page.get_by_role("button", name="Run backtest").click()
    expect(page.get_by_test_id("verdict")).to_be_visible(timeout=RUN_MS)
    number = page.url.rstrip("/").rsplit("/", 1)[1]

    result = page.request.get(f"/api/v1/backtests/{number}/result/").json()
    expect(page.get_by_test_id("verdict")).to_contain_text(result["honesty"]["verdict"])
    rows = result["by_regime"]
    total = result["metrics"]["all"]["n_round_trips"]
    assert sum(rows[name]["n"] for name in ("LOW", "NORMAL", "HIGH", "EXTREME")) == total


def test_costs_months_and_the_tear_sheet_tell_what_the_api_tells(page: Page) -> None:
    sign_up(page)
    number = _run(page, "/backtests/new/?strategy_key=sma_cross&symbol=SPX&commission_bps=5")
    result = page.request.get(f"/api/v1/backtests/{number}/result/").json()

    cells = page.get_by_test_id("monthly").locator("tbody td")
    months = sum(len(year["months"]) + 1 for year in result["monthly"])
    expect(cells).to_have_count(months)
    page.emulate_media(media="print")
    expect(page.locator(".sidenav")).to_be_hidden()
    expect(page.locator(".topbar")).to_be_hidden()
    expect(page.get_by_test_id("by-regime")).to_be_visible()
    page.emulate_media(media="screen")
    page.get_by_role("link", name="Costs").click()
    expect(page.locator("[data-factor]")).to_have_count(len(result["costs"]["curve"]))
    assert axe_violations(page) == []
    screenshot(page, "backtest-costs")


def test_a_set_up_can_be_handed_on_as_an_address(page: Page) -> None:
    sign_up(page)
    page.goto("/backtests/new/?strategy_key=sma_cross&symbol=SPX")
    page.locator("#id_p_fast").fill("17")
    page.locator("#id_commission_bps").fill("3")
    page.get_by_role("button", name="Put this set-up into the address").click()
    page.wait_for_url("**p_fast=17**")
    address = page.url
    assert "csrf" not in address
    assert "client_key" not in address

    page.goto("/backtests/")
    page.goto(address)
    expect(page.locator("#id_p_fast")).to_have_value("17")
    expect(page.locator("#id_commission_bps")).to_have_value("3")


def test_a_run_without_trades_says_why(page: Page) -> None:
    sign_up(page)
    _run(
        page,
        "/backtests/new/?strategy_key=rsi2_reversion&symbol=SPX&commission_bps=5"
        "&p_entry_level=0.5&start_date=2017-01-01&end_date=2017-06-30",
    )

    card = page.get_by_role("heading", name="No trades")
    expect(card).to_be_visible()
    expect(page.get_by_role("group", name="Why nothing was traded")).to_contain_text("Warming up")
    expect(page.get_by_test_id("verdict")).to_have_attribute("data-verdict", "FAIL")


def test_a_planted_look_ahead_is_exposed_on_the_page(page: Page) -> None:
    sign_up(page)
    number = _run(page, f"/backtests/new/?strategy_key={PLANTED}&{SHORT_SPAN}")

    expect(page.get_by_test_id("verdict")).to_have_attribute("data-verdict", "FAIL")
    told = {row["key"]: row for row in _honesty(page, number)}
    for key in ("LOOK_AHEAD", "SHUFFLED_FUTURE"):
        row = page.locator("#honesty li", has_text=told[key]["title"])
        assert told[key]["status"] == "FAIL"
        expect(row).to_contain_text(told[key]["sentence"])
        expect(row.locator(".mark-crit")).to_be_visible()
    screenshot(page, "backtest-look-ahead")


def test_the_honest_twin_of_the_planted_rule_passes_the_same_checks(page: Page) -> None:
    sign_up(page)
    number = _run(page, f"/backtests/new/?strategy_key={HONEST}&{SHORT_SPAN}")

    told = {row["key"]: row["status"] for row in _honesty(page, number)}
    assert (told["LOOK_AHEAD"], told["SHUFFLED_FUTURE"]) == ("PASS", "PASS")


def test_several_instruments_share_one_account(page: Page) -> None:
    sign_up(page)
    number = _run(
        page,
        "/backtests/new/?strategy_key=rsi2_reversion&symbol=SPX&symbols=SPX,NASDAQ"
        "&commission_bps=2&max_participation=0.1",
    )

    result = page.request.get(f"/api/v1/backtests/{number}/result/").json()
    rows = page.get_by_test_id("by-instrument").locator("[data-symbol]")
    assert len(result["per_instrument"]) == 2
    expect(rows).to_have_count(2)
    total = sum(row["n"] for row in result["per_instrument"])
    assert total == result["metrics"]["all"]["n_round_trips"]
    assert axe_violations(page) == []
    screenshot(page, "backtest-portfolio")


def test_progress_only_rises_and_phases_come_in_order(page: Page) -> None:
    seen: list[tuple[str, float]] = []
    sign_up(page)
    page.on("websocket", lambda socket: socket.on("framereceived", lambda text: _note(text, seen)))
    page.goto("/backtests/new/")
    page.get_by_role("button", name="Run backtest").click()
    expect(page.get_by_test_id("verdict")).to_be_visible(timeout=RUN_MS)

    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    order = ["QUEUED", "LOADING", "SIMULATING", "NULL_MODEL", "STATISTICS", "DONE"]
    places = [order.index(phase) for phase, _ in seen]
    assert places == sorted(places)


def test_a_result_is_read_by_a_link_until_it_is_taken_back(
    page: Page, new_context: NewContext, watch: Watch
) -> None:
    email = sign_up(page)
    _run(page, f"/backtests/new/?strategy_key=rsi2_reversion&{SHORT_SPAN}")
    page.get_by_role("link", name="Share", exact=True).click()
    page.get_by_role("button", name="Make a link").click()
    href = page.get_by_test_id("share-link").locator("code").inner_text()

    reader = new_context(width=360).new_page()
    reader.goto(href)
    expect(reader.get_by_text("Simulated", exact=True)).to_be_visible()
    expect(reader.get_by_test_id("verdict")).to_be_visible()
    assert email not in reader.content()
    assert axe_violations(reader) == []
    screenshot(reader, "backtest-shared")
    page.get_by_role("button", name="Take the link back").click()
    expect(page.get_by_text("There is no link to this result.")).to_be_visible()
    watch.allowed_statuses = {404}
    answer = reader.reload()
    assert answer is not None
    assert answer.status == 404


def test_run_again_makes_one_run_of_two_clicks(page: Page) -> None:
    sign_up(page)
    number = _run(page, f"/backtests/new/?strategy_key=sma_cross&{SHORT_SPAN}")
    key = page.locator('form[action$="/rerun/"] input[name=client_key]').input_value()
    page.get_by_role("button", name="Run again").click()
    page.wait_for_url(lambda url: not url.endswith(f"/{number}/"))
    again = page.url
    expect(page.get_by_test_id("verdict")).to_be_visible(timeout=RUN_MS)

    page.go_back()
    page.locator('form[action$="/rerun/"] input[name=client_key]').evaluate(
        "(field, key) => { field.value = key; }", key
    )
    page.get_by_role("button", name="Run again").click()

    expect(page).to_have_url(again)


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


def _honesty(page: Page, number: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = page.request.get(f"/api/v1/backtests/{number}/result/").json()[
        "honesty"
    ]["rows"]
    return rows


def _run(page: Page, address: str) -> str:
    """Start what the address sets up, wait for its result, return its number."""
    page.goto(address)
    page.get_by_role("button", name="Run backtest").click()
    expect(page.get_by_test_id("verdict")).to_be_visible(timeout=RUN_MS)
    return page.url.rstrip("/").rsplit("/", 1)[1]


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
