"""Every page of the product: accessible, inside its window, without a blocked line of code.

Signed in, with data, in both themes at two widths; pictures stay in var/screenshots/.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from elson.tests.journeys.conftest import (
    RUN_MS,
    NewContext,
    axe_violations,
    pause_replay,
    screenshot,
    sign_in_staff,
    sign_up,
)
from elson.tests.journeys.platform import Platform

PUBLIC = ["/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/docs/",
          "/docs/regimes/", "/status/"]  # fmt: skip
MEMBERS = [
    "/dashboard/",
    "/markets/",
    "/markets/SPX/",
    "/markets/AAPL/",
    "/orders/",
    "/orders/new/?symbol=SPX",
    "/portfolio/",
    "/portfolio/activity/",
    "/portfolio/ledger/",
    "/replay/",
    "/strategies/",
    "/strategies/new/?key=rsi2_reversion",
    "/backtests/",
    "/backtests/new/",
    "/backtests/compare/",
    "/models/",
    "/models/?part=detector",
    "/models/?part=data",
    "/optimizations/",
    "/optimizations/new/",
    "/models/regimes/",
    "/settings/profile/",
    "/more/",
    "/search/?q=spx",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/2fa/",
    "/onboarding/",
]
STAFF = [
    "/staff/",
    "/staff/ui/",
    "/staff/trading/order/",
    "/staff/trading/modelversion/",
    "/staff/trading/modelversion/by-regime/",
    "/staff/trading/modelperformance/",
]
RUN = (
    "strategy_key=rsi2_reversion&symbol=SPX&commission_bps=5&start_date=2015-01-01"
    "&end_date=2017-12-31&walk_forward_folds=3&benchmark=CASH"
)
LOOKS = [(1440, "light"), (1440, "dark"), (360, "light"), (360, "dark")]


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_public_pages_are_accessible(new_context: NewContext, width: int, theme: str) -> None:
    page = new_context(width=width, theme=theme).new_page()

    assert _faults(page, PUBLIC, width, theme) == []


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_pages_of_a_member_are_accessible(new_context: NewContext, width: int, theme: str) -> None:
    page = new_context(width=width, theme=theme).new_page()
    sign_up(page)
    page.locator('[data-testid=activity] [data-kind="fill"]').first.wait_for()
    pause_replay(page)
    found = _links(page, "/strategies/", r"^/strategies/\d+/$")[:1]
    found += _links(page, found[0], r"^/strategies/\d+/decisions/")[:1]
    found += _links(page, found[0], r"^/strategies/\d+/(edit|versions/\d+/(run|preview))/$")[:3]
    found += [f"{found[0]}stop/", f"{found[0]}parameters/"]
    found += _links(page, "/orders/", r"^/orders/[0-9a-f-]{36}/$")[:1]
    found += _result_pages(page)

    assert len(found) == 20
    assert _faults(page, MEMBERS + found, width, theme) == []
    if (width, theme) == LOOKS[0]:
        assert _tables_that_scroll(page, MEMBERS + found) == []


def _result_pages(page: Page) -> list[str]:
    """Run a short backtest and share it; return every page of its result."""
    page.goto(f"/backtests/new/?{RUN}")
    page.get_by_role("button", name="Run backtest").click()
    expect(page.get_by_test_id("verdict")).to_be_visible(timeout=RUN_MS)
    run = urlsplit(page.url).path
    page.goto(f"{run}share/")
    page.get_by_role("button", name="Make a link").click()
    shared = page.get_by_role("link", name="See it as a reader does").get_attribute("href")
    assert shared is not None
    tabs = ("trades", "chart", "metrics", "costs", "parameters", "log")
    return [
        run, *(f"{run}?tab={tab}" for tab in tabs), f"{run}trades/1/?part=why",
        f"{run}describe/", f"{run}adopt/", f"{run}share/", shared,
    ]  # fmt: skip


def test_staff_pages_are_accessible(new_context: NewContext, platform: Platform) -> None:
    page = new_context().new_page()
    sign_in_staff(page, platform)

    assert _faults(page, STAFF, 1440, "light") == []


def _faults(page: Page, paths: list[str], width: int, theme: str) -> list[str]:
    found = []
    for path in paths:
        page.goto(path)
        page.locator("main, #main, #content").first.wait_for()
        screenshot(page, f"{_name(path)}-{width}-{theme}")
        found += [f"{path}: {fault}" for fault in axe_violations(page)]
        overflow = page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if overflow > 0:
            found.append(f"{path}: scrolls sideways by {overflow} px at {width}")
    return found


def _tables_that_scroll(page: Page, paths: list[str]) -> list[str]:
    """Tables wider than their card on a small desktop; heatmaps may be."""
    page.set_viewport_size({"width": 1024, "height": 768})
    found = []
    for path in paths:
        page.goto(path)
        page.locator("main, #main, #content").first.wait_for()
        wide = page.evaluate(
            "() => [...document.querySelectorAll('.table-wrap:not(:has(> .heat))')]"
            ".filter((one) => one.scrollWidth > one.clientWidth + 1)"
            ".map((one) => one.getAttribute('aria-label'))"
        )
        overflow = page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        found += [f"{path}: {label}" for label in wide]
        found += [f"{path}: scrolls sideways by {overflow} px at 1024"] if overflow > 0 else []
    return found


def _links(page: Page, path: str, pattern: str) -> list[str]:
    page.goto(path)
    hrefs = page.locator("main a").evaluate_all("all => all.map((a) => a.getAttribute('href'))")
    return [href for href in hrefs if href and re.search(pattern, href)]


def _name(path: str) -> str:
    plain = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|[\w-]{43}", "id", path)
    return re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-") or "landing"
