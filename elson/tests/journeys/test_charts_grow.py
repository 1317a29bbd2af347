"""The charts of a portfolio and of a strategy gain a point with each bar that arrives.

What is looked at is the data the chart draws, not its pixels.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from elson.tests.journeys.conftest import PATIENCE_MS, pause_replay, resume_replay, sign_up
from elson.tests.journeys.test_strategy_explains import open_the_demo

ROWS = "id => document.querySelector(id).elsonChart.rows().map((r) => [r.time, r.value])"
# Resolves in the page's own frames once the chart has more points: those it has, and the line that
# the library was handed. Both in one look: a moment later the last point is another.
GROWN = """([id, n, limit]) => new Promise((done, fail) => {
  const until = performance.now() + limit;
  const look = () => {
    const chart = document.querySelector(id).elsonChart;
    const rows = chart.rows().map((r) => [r.time, r.value]);
    const line = chart.chart.panes()[0].getSeries()[0].data().map((p) => [p.time, p.value]);
    if (rows.length > n) return done([rows, line]);
    if (performance.now() > until) return fail(new Error(`${id} still has ${rows.length} points`));
    requestAnimationFrame(look);
  };
  look();
})"""
CHARTS = {"portfolio": "#equity", "strategy": "#tracking-chart", "dashboard": "#dashboard-equity"}


def rows(page: Page, chart: str) -> list[list[Any]]:
    """Time and value of every point, oldest first."""
    found: list[list[Any]] = page.evaluate(ROWS, chart)
    return found


def chart_open(page: Page, where: str) -> str:
    """Open a page on which a chart grows; return the chart."""
    if where == "strategy":
        open_the_demo(page)
    else:
        page.goto(f"/{where}/")
    page.locator(f"{CHARTS[where]}[data-ready]").wait_for()
    return CHARTS[where]


@pytest.mark.parametrize("where", ["portfolio", "strategy", "dashboard"])
def test_a_chart_gains_the_bars_that_arrive_while_it_is_watched(page: Page, where: str) -> None:
    sign_up(page)
    page.locator('[data-testid=activity] [data-kind="fill"]').first.wait_for()
    other = page.context.new_page()
    pause_replay(other)
    chart = chart_open(page, where)
    page.evaluate("window.elsonOpened = true")
    before = rows(page, chart)

    resume_replay(other)
    grown, drawn = page.evaluate(GROWN, [chart, len(before) + 1, PATIENCE_MS])

    # The same page all the time: nobody loaded it again.
    assert page.evaluate("window.elsonOpened")
    assert [time for time, _ in grown[: len(before)]] == [time for time, _ in before]
    times = [time for time, _ in grown]
    assert times == sorted(set(times))
    assert drawn == grown


def test_the_points_that_arrived_are_those_the_server_stored(page: Page) -> None:
    sign_up(page)
    page.locator('[data-testid=activity] [data-kind="fill"]').first.wait_for()
    other = page.context.new_page()
    pause_replay(other)
    chart = chart_open(page, "portfolio")
    n_before = len(rows(page, chart))
    resume_replay(other)
    grown, _ = page.evaluate(GROWN, [chart, n_before + 2, PATIENCE_MS])

    answer = page.request.get("/api/v1/equity/?page_size=500").json()

    stored = {point["market_at"][:10]: float(point["equity"]) for point in answer["results"]}
    arrived = grown[n_before:]
    assert len(arrived) >= 3
    assert dict(arrived) == {time: stored[time] for time, _ in arrived}
