"""People in real browsers on the running product.

Every page a journey opens is watched: a blocked inline script, an uncaught error, a console error,
a failed request or a request to another origin fails the test that caused it.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from elson.settings.variables import BASE_DIR
from elson.tests.journeys.own_strategies import own_strategies_install
from elson.tests.journeys.platform import Platform, fresh_database

# What a page may take on two busy cores; the same for an action and for what is expected of it.
# Only a failure waits for its end.
PATIENCE_MS = 60_000
# What a backtest or a search may take there, behind those of others.
RUN_MS = 180_000
expect.set_options(timeout=PATIENCE_MS)

PASSWORD = "correct horse battery staple 7"
AXE = BASE_DIR / "static" / "vendor" / "axe-core" / "axe.min.js"
SCREENSHOTS = BASE_DIR / "var" / "screenshots"
BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The product with a package of own strategies, prepared and served once for all journeys."""
    state_dir = tmp_path_factory.mktemp("platform")
    name = f"elson_journeys_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    with fresh_database(os.environ.get("DATABASE_URL", ""), name) as database_url:
        packages = own_strategies_install(tmp_path_factory.mktemp("packages"))
        served = Platform(state_dir=state_dir, database_url=database_url, packages=packages)
        served.start()
        yield served
        served.stop()


@pytest.fixture(scope="session")
def playwright_driver() -> Iterator[Playwright]:
    """Playwright itself."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def chromium(playwright_driver: Playwright, chromium_path: str) -> Iterator[Browser]:
    """A real Chromium."""
    browser = playwright_driver.chromium.launch(
        executable_path=chromium_path, args=BROWSER_ARGUMENTS
    )
    yield browser
    browser.close()


# A page that is left takes the requests on their way with it; htmx says so as an error.
LEFT_BEHIND = ("htmx:sendAbort", "htmx:afterRequest")


@dataclass
class Watch:
    """What went wrong in a page, as the browser tells it."""

    origin: str
    faults: list[str] = field(default_factory=list)
    # A journey that provokes a refusal says so before.
    allowed_statuses: set[int] = field(default_factory=set)

    def attach(self, page: Page) -> None:
        """Listen to a page."""
        page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        page.on("console", self._console)
        page.on("response", self._response)
        page.on("request", self._request)

    def _console(self, message: object) -> None:
        text = message.text  # type: ignore[attr-defined]
        if message.type != "error":  # type: ignore[attr-defined]
            return
        if any(f"status of {status}" in text for status in self.allowed_statuses):
            return
        if text.startswith(LEFT_BEHIND):
            return
        self.faults.append(f"console: {text}")

    def _response(self, response: object) -> None:
        status = response.status  # type: ignore[attr-defined]
        if status >= 400 and status not in self.allowed_statuses:
            self.faults.append(f"{status} for {response.url}")  # type: ignore[attr-defined]

    def _request(self, request: object) -> None:
        parts = urlsplit(request.url)  # type: ignore[attr-defined]
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.origin:
            self.faults.append(f"request to another origin: {request.url}")  # type: ignore[attr-defined]


@pytest.fixture
def watch(platform: Platform) -> Iterator[Watch]:
    """Faults of every page of this test; none may be left at its end."""
    watched = Watch(origin=urlsplit(platform.url).netloc)
    yield watched
    assert watched.faults == []


NewContext = Callable[..., BrowserContext]


@pytest.fixture
def new_context(chromium: Browser, platform: Platform, watch: Watch) -> Iterator[NewContext]:
    """Make browser contexts: one person, one device."""
    contexts: list[BrowserContext] = []

    def make(
        *,
        width: int = 1440,
        height: int = 900,
        theme: str = "light",
        locale: str = "en-US",
        time_zone: str = "America/New_York",
    ) -> BrowserContext:
        context = chromium.new_context(
            base_url=platform.url,
            viewport={"width": width, "height": height},
            color_scheme=theme,
            reduced_motion="reduce",
            locale=locale,
            timezone_id=time_zone,
        )
        context.set_default_timeout(PATIENCE_MS)
        context.on("page", watch.attach)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_context: NewContext) -> Page:
    """A fresh visitor on a desktop."""
    return new_context().new_page()


def sign_up(page: Page) -> str:
    """Sign up as somebody new and skip the questions; return the e-mail address."""
    email = f"person-{secrets.token_hex(6)}@example.com"
    page.goto("/accounts/signup/")
    page.get_by_label("E-mail", exact=False).first.fill(email)
    page.locator("input[name=password1]").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url("**/onboarding/**")
    page.get_by_role("button", name="Skip").click()
    page.wait_for_url("**/dashboard/**")
    return email


def sign_in_staff(page: Page, platform: Platform) -> None:
    """Sign in as the person the platform made for staff, with the password it printed."""
    found = re.search(r"staff@elson\.local\s+(\S+)", platform.log.read_text())
    assert found is not None
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill("staff@elson.local")
    page.locator("input[name=password]").fill(found.group(1))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/dashboard/**")


def pause_replay(page: Page) -> None:
    """Stop the replay, so that two looks at it see the same."""
    page.goto("/replay/")
    page.locator("main").get_by_role("button", name="Pause").click()
    page.locator("main").get_by_role("button", name="Go on").wait_for()


def resume_replay(page: Page) -> None:
    """Let the replay go on."""
    page.goto("/replay/")
    page.locator("main").get_by_role("button", name="Go on").click()
    page.locator("main").get_by_role("button", name="Pause").wait_for()


def settled(page: Page) -> None:
    """Wait until the page is there with the parts it asks for itself, its charts drawn."""
    page.wait_for_load_state()
    asking = page.locator("[hx-get]:is([aria-busy=true], :has([aria-busy=true]))")
    expect(asking).to_have_count(0)
    expect(page.locator("figure[data-chart]:not([data-ready])")).to_have_count(0)


def axe_violations(page: Page) -> list[str]:
    """Accessibility rules the page breaks, each with the place."""
    settled(page)
    # Injected over the debugging protocol, so the page's own policy stays on.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {node['target']} {node.get('failureSummary', '')[:160]}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


def screenshot(page: Page, name: str) -> Path:
    """Keep a picture of the whole page in var/screenshots/."""
    settled(page)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path
