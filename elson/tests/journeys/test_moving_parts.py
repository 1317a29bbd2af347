"""A part of a page that moves by itself does not take a click away from who is making it."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page

from elson.tests.journeys.conftest import pause_replay, sign_up

LIST = "**/strategies/"
# Resolves once the page is through with the answer of a part that it asked for.
MOVED = """() => new Promise((done) => {
  document.body.addEventListener("htmx:afterRequest", () => done(), { once: true });
  document.body.dispatchEvent(new CustomEvent("stream:resync"));
})"""


def deployment_of(page: Page) -> Locator:
    """Open the list of strategies, which moves with the replay; return the demo's link in it."""
    sign_up(page)
    page.locator('[data-testid=activity] [data-kind="fill"]').first.wait_for()
    pause_replay(page)
    page.goto("/strategies/")
    return page.locator("#deployments th a").filter(has_text="Demo").first


def press(page: Page, link: Locator) -> None:
    link.hover()
    page.mouse.down()
    page.evaluate(MOVED)


def test_a_link_is_followed_that_moved_while_it_was_pressed(page: Page) -> None:
    link = deployment_of(page)

    press(page, link)
    page.mouse.up()

    page.wait_for_url(re.compile(r"/strategies/\d+/$"))


def test_a_part_that_waited_for_the_pointer_is_asked_for_again(page: Page) -> None:
    link = deployment_of(page)

    press(page, link)
    page.mouse.move(0, 0)  # thought better of it
    with page.expect_response(LIST):
        page.mouse.up()

    page.evaluate(MOVED)
    link.click()
    page.wait_for_url(re.compile(r"/strategies/\d+/$"))
