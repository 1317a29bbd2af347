"""Journey 2: a chart that moves, equals what the server stored, and leads to the reasons."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from typing import Any

from playwright.sync_api import Page, Route, WebSocket, expect

from elson.tests.journeys.conftest import PATIENCE_MS, axe_violations, pause_replay, sign_up

CHART = "#price-chart"
WATCHED_SECONDS = 6
# The chart draws on the next frame; the one after it shows the result.
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def test_the_forming_bar_moves_at_most_four_times_a_second(page: Page) -> None:
    frames: list[dict[str, Any]] = []
    page.on("websocket", lambda socket: _listen(socket, frames))
    sign_up(page)
    _open_chart(page)

    first = _frames_of(page, frames, "event", 1)
    _frames_of(page, frames, "event", len(first) + WATCHED_SECONDS)

    # By the server's clock: a busy browser hands over late, and then several at once.
    sent = [_seconds(f) for f in frames if f["kind"] == "delta" and _is_bars(f)]
    assert len(sent) > 1
    assert (len(sent) - 1) / (sent[-1] - sent[0]) <= 4.5
    numbers = [frame["seq"] for frame in frames if _is_bars(frame)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_closed_bars_and_regimes_equal_the_servers(page: Page) -> None:
    sign_up(page)
    pause_replay(page)
    _open_chart(page)

    shown = [row for row in _rows(page) if not row["is_forming"]]
    stored = _api(page, f"/api/v1/bars/?symbol=SPX&timeframe=1d&limit={len(shown)}")["bars"]
    assert [row["time"] for row in shown] == [bar["closed_at"][:10] for bar in stored]
    assert [row["close"] for row in shown] == [float(bar["close"]) for bar in stored]

    bands = _api(page, "/api/v1/regimes/?symbol=SPX&timeframe=1d")["bands"]
    for row in shown[-100:]:
        band = next(b for b in bands if b["from"][:10] <= row["time"] <= b["to"][:10])
        assert row["regime"] == band["regime"]


def test_older_bars_come_without_moving_the_view(page: Page) -> None:
    sign_up(page)
    pause_replay(page)
    _open_chart(page)
    n_before = len(_rows(page))
    held: list[Route] = []
    page.route(re.compile("until="), lambda route: held.append(route))

    page.evaluate(
        "id => document.querySelector(id).elsonChart.chart.timeScale()"
        ".setVisibleLogicalRange({from: 5, to: 60})",
        CHART,
    )
    _until(page, lambda: bool(held))
    before = _visible_dates(page)
    held[0].continue_()
    _until(page, lambda: len(_rows(page)) > n_before)

    after = _visible_dates(page)
    dates = [row["time"] for row in _rows(page)]
    assert abs(dates.index(before[0]) - dates.index(after[0])) <= 1
    assert abs(dates.index(before[1]) - dates.index(after[1])) <= 1


def test_the_table_twin_says_what_the_canvas_shows(page: Page) -> None:
    sign_up(page)
    pause_replay(page)
    _open_chart(page)

    page.locator(f"{CHART} [data-chart-twin] summary").click()
    table = page.locator(f"{CHART} [data-chart-twin] tbody tr")
    expect(table.first).to_be_visible()
    assert table.count() >= 5
    assert axe_violations(page) == []


def test_a_marker_opens_the_decision_behind_it(page: Page) -> None:
    sign_up(page)
    page.goto("/dashboard/")
    page.locator('[data-testid=activity] [data-kind="fill"]').first.wait_for()
    pause_replay(page)
    _open_chart(page)

    at = page.evaluate(
        """id => {
          const figure = document.querySelector(id).elsonChart;
          const marked = figure.data.markers.filter((m) => m.href).at(-1);
          const time = marked.time.slice(0, 10);
          const scale = figure.chart.timeScale();
          const index = figure.rows().findIndex((row) => row.time === time);
          scale.setVisibleLogicalRange({from: index - 20, to: index + 20});
          return time;
        }""",
        CHART,
    )
    page.evaluate(TWO_FRAMES)
    x = page.evaluate(
        "([id, time]) => document.querySelector(id).elsonChart.chart.timeScale()"
        ".timeToCoordinate(time)",
        [CHART, at],
    )
    canvas = page.locator(f"{CHART} [data-chart-canvas]")
    height = canvas.evaluate("canvas => canvas.clientHeight")
    # By its place in the canvas, which waits until nothing above moves the canvas any more.
    canvas.click(position={"x": x, "y": height / 3})

    # A fill leads to its order, a signal that was not traded to its decision.
    page.wait_for_url(re.compile("/(orders|decisions)/"))
    why = page.get_by_role("link", name=re.compile(": why"))
    if why.count():
        why.click()
        page.wait_for_url("**/decisions/**")
    expect(page.get_by_text("What it saw")).to_be_visible()


def _open_chart(page: Page) -> None:
    page.goto("/markets/SPX/")
    page.locator(f"{CHART}[data-ready]").wait_for()


def _rows(page: Page) -> list[dict[str, Any]]:
    script = (
        "id => document.querySelector(id).elsonChart.rows().map((r) => "
        "({time: r.time, close: r.close, regime: r.regime, is_forming: Boolean(r.is_forming)}))"
    )
    rows: list[dict[str, Any]] = page.evaluate(script, CHART)
    return rows


def _visible_dates(page: Page) -> list[str]:
    # The chart takes a new range over on its next frame; before that it still answers the old one.
    page.evaluate(TWO_FRAMES)
    script = (
        "id => {const scale = document.querySelector(id).elsonChart.chart.timeScale();"
        "const r = scale.getVisibleRange();"
        "const d = (t) => typeof t === 'string' ? t : "
        "`${t.year}-${String(t.month).padStart(2,'0')}-${String(t.day).padStart(2,'0')}`;"
        "return [d(r.from), d(r.to)];}"
    )
    dates: list[str] = page.evaluate(script, CHART)
    return dates


def _api(page: Page, path: str) -> Any:
    answer = page.request.get(path)
    assert answer.ok, answer.text()
    return answer.json()


def _listen(socket: WebSocket, frames: list[dict[str, Any]]) -> None:
    socket.on("framereceived", lambda payload: frames.append(json.loads(payload)))


def _seconds(frame: dict[str, Any]) -> float:
    return dt.datetime.fromisoformat(frame["ts"]).timestamp()


def _is_bars(frame: dict[str, Any]) -> bool:
    return str(frame.get("ch", "")).startswith("bars:")


def _frames_of(page: Page, frames: list[dict[str, Any]], kind: str, n: int) -> list[dict[str, Any]]:
    def found() -> list[dict[str, Any]]:
        return [frame for frame in frames if frame["kind"] == kind and _is_bars(frame)]

    _until(page, lambda: len(found()) >= n)
    return found()


def _until(page: Page, is_true: Any, seconds: float = PATIENCE_MS / 1_000) -> None:
    """Let the page live until something holds; playwright's own waits need eval in the page."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen in time"
        page.wait_for_timeout(50)
