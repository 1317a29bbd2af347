"""The small modules every page loads, each alone in a real browser, without a server."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, WebSocketRoute, expect

from elson.bootstrap import ROOT
from elson.common import formatting

ORIGIN = "http://elson.test"
NUMBERS = (
    "0", "0.005", "-0.005", "1.005", "-2.675", "100000", "101204.1", "-7", "-1234567.891",
    "999.99", "1000", "12345", "-15300", "999950", "1250000000", "0.00148673", "40", "0.784",
    "0.999", "-0.149",
)  # fmt: skip
MOMENTS = ("2020-03-08T06:59:59Z", "2020-03-08T07:00:00Z", "2008-09-15T20:00:00Z")
READERS = (
    ("en-US", "America/New_York"),
    ("en-GB", "Europe/London"),
    ("de-DE", "Europe/Berlin"),
    ("fr-FR", "Europe/Paris"),
    ("ja-JP", "Asia/Tokyo"),
)
WRITE_ALL = """async ([numbers, moments]) => {
  const f = await import("/static/js/common/format.js");
  const row = (v) => [
    f.money(v), f.money(v, "JPY", 0), f.signedMoney(v, "EUR"), f.percent(v),
    f.signedPercent(v, 1), f.price(v, "0.00000001"), f.quantity(v), f.signedNumber(v),
    f.probability(v), f.big(v), f.basisPoints(v),
  ];
  const moment = (t) => [f.when(t), f.clock(t), f.dayMedium(t)];
  return [...numbers.map(row), ...moments.map(moment)];
}"""
SHELL = """<!doctype html><html lang="en" data-locale="en-US" data-tz="UTC"><title>t</title>
<body data-stream="/ws/stream/" data-stream-channels="clock bars:SPX:1d">
<span id="stream-chip" data-state="connecting"><span data-chip-text></span></span>
<span data-live="equity.equity" data-format="money" data-currency="USD"></span></body></html>"""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    page = context.new_page()
    page.route(f"{ORIGIN}/**", _serve)
    yield page
    context.close()


def _serve(route: Route) -> None:
    path = urlsplit(route.request.url).path
    if not path.startswith("/static/"):
        route.fulfill(body=SHELL, content_type="text/html")
        return
    kind = mimetypes.guess_type(path)[0] or "text/javascript"
    route.fulfill(path=ROOT / path.lstrip("/"), content_type=kind)


@pytest.mark.parametrize(("locale", "time_zone"), READERS)
def test_the_browser_writes_numbers_as_the_server_does(
    page: Page, locale: str, time_zone: str
) -> None:
    page.goto(ORIGIN)
    page.evaluate(
        "(reader) => Object.assign(document.documentElement.dataset, reader)",
        {"locale": locale, "tz": time_zone, "tzNames": formatting.zone_names(time_zone, 2020)},
    )

    in_browser = page.evaluate(WRITE_ALL, [NUMBERS, MOMENTS])

    with formatting.use(locale, time_zone):
        on_server = [_row(Decimal(text)) for text in NUMBERS] + [_moment(text) for text in MOMENTS]
    assert in_browser == on_server


def _row(value: Decimal) -> list[str]:
    return [
        formatting.money(value),
        formatting.money(value, "JPY", 0),
        formatting.signed_money(value, "EUR"),
        formatting.percent(value),
        formatting.signed_percent(value, 1),
        formatting.price(value, Decimal("0.00000001")),
        formatting.quantity(value),
        formatting.signed_number(value),
        formatting.probability(value),
        formatting.big(value),
        formatting.basis_points(value),
    ]


def _moment(text: str) -> list[str]:
    at = datetime.fromisoformat(text)
    return [formatting.when(at), formatting.clock(at), formatting.day(at, "medium")]


class Server:
    """The other end of the socket, played by the test."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.sockets: list[WebSocketRoute] = []
        self.received: list[Any] = []
        page.route_web_socket(lambda url: url.endswith("/ws/stream/"), self._accept)

    def _accept(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.on_message(lambda text: self.received.append(json.loads(text)))

    def say(self, kind: str, ch: str = "", seq: int | None = None, **data: Any) -> None:
        # The page's clock runs ahead of ours with each turn; what it sees must not look late.
        ts = self.page.evaluate("new Date().toISOString()")
        message = {"v": 1, "ch": ch, "seq": seq, "ts": ts, "kind": kind, "data": data}
        self.sockets[-1].send(json.dumps(message))

    def wishes(self) -> list[str]:
        return [item["ch"] for frame in self.received for item in frame.get("sub", [])]


@pytest.fixture
def server(page: Page) -> Server:
    page.clock.install()
    served = Server(page)
    page.goto(ORIGIN)
    page.evaluate(
        """async () => {
          window.heard = [];
          for (const name of ["bars", "equity", "resync", "clock", "error"]) {
            const note = ({ detail }) => heard.push([name, detail.seq ?? null]);
            document.body.addEventListener(`stream:${name}`, note);
          }
          (await import("/static/js/common/stream.js")).start();
        }"""
    )
    _until(page, lambda: bool(served.wishes()))
    return served


def _until(page: Page, is_true: Callable[[], bool], turns: int = 200) -> None:
    for _ in range(turns):
        if is_true():
            return
        page.clock.run_for(50)
    raise AssertionError("what was awaited did not come")


def _heard(page: Page, name: str) -> list[int | None]:
    return [seq for topic, seq in page.evaluate("heard") if topic == name]


def test_a_page_asks_for_its_channels_and_shows_the_replay(page: Page, server: Server) -> None:
    server.say("snapshot", "clock", 1, state="RUNNING", speed=60, date="2008-09-15")

    expect(page.locator("[data-chip-text]")).to_have_text("Replay 60×")
    assert set(server.wishes()) == {"clock", "bars:SPX:1d"}


def test_a_missing_number_asks_for_a_snapshot_and_tells_the_page(
    page: Page, server: Server
) -> None:
    server.say("snapshot", "bars:SPX:1d", 1, bars=[])
    server.say("event", "bars:SPX:1d", 2, bar={})
    server.say("event", "bars:SPX:1d", 4, bar={})

    _until(page, lambda: server.wishes().count("bars:SPX:1d") == 2)
    assert _heard(page, "bars") == [1, 2]
    assert len(_heard(page, "resync")) == 1


def test_a_message_that_came_before_is_not_told_twice(page: Page, server: Server) -> None:
    server.say("snapshot", "bars:SPX:1d", 5, bars=[])
    server.say("event", "bars:SPX:1d", 5, bar={})
    server.say("event", "bars:SPX:1d", 6, bar={})

    _until(page, lambda: 6 in _heard(page, "bars"))
    assert _heard(page, "bars") == [5, 6]


def test_streamed_equity_is_written_into_the_page(page: Page, server: Server) -> None:
    server.say("event", "portfolio", 1, event="equity", equity="101204.1")

    expect(page.locator("[data-live] data")).to_have_text("$101,204.10")


def test_a_deploy_closes_the_socket_and_the_page_comes_back(page: Page, server: Server) -> None:
    server.say("snapshot", "bars:SPX:1d", 1, bars=[])
    _until(page, lambda: _heard(page, "bars") == [1])
    server.sockets[-1].close(code=4012)

    _until(page, lambda: len(server.sockets) == 2)
    _until(page, lambda: len(_heard(page, "resync")) == 1)
    server.say("heartbeat")
    expect(page.locator("#stream-chip")).to_have_attribute("data-state", "live")
    expect(page.locator("body")).not_to_have_class("is-stale")


@pytest.mark.parametrize(
    ("code", "word"), [(4401, "Signed out"), (4403, "Not in your plan"), (4429, "Too many tabs")]
)
def test_a_final_refusal_is_said_and_not_retried(
    page: Page, server: Server, code: int, word: str
) -> None:
    server.sockets[-1].close(code=code)

    expect(page.locator("[data-chip-text]")).to_have_text(word)
    page.clock.run_for(60_000)
    assert len(server.sockets) == 1


def test_silence_makes_prices_stale_and_a_heartbeat_fresh(page: Page, server: Server) -> None:
    server.say("heartbeat")
    expect(page.locator("#stream-chip")).to_have_attribute("data-state", "live")

    page.clock.run_for(12_000)

    expect(page.locator("#stream-chip")).to_have_attribute("data-state", "stale")
    expect(page.locator("body")).to_have_class("is-stale")


def test_a_page_asked_to_leave_for_a_file_is_itself_again(page: Page) -> None:
    page.clock.install()
    page.goto(ORIGIN)
    page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))  # it moves as it is told
    is_leaving = """async (asked) => {
      const leaving = await import("/static/js/common/leaving.js");
      if (asked) { leaving.start(); dispatchEvent(new Event("beforeunload")); }
      return leaving.isLeaving();
    }"""

    assert page.evaluate(is_leaving, True) is True
    page.clock.fast_forward(9_000)
    assert page.evaluate(is_leaving, False) is True
    page.clock.fast_forward(2_000)
    assert page.evaluate(is_leaving, False) is False
