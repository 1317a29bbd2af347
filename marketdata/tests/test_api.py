"""Who gets which bars over REST."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from marketdata import selectors, services
from marketdata.models import ReplaySession
from marketdata.providers.files import bars_read
from marketdata.tests.factories import NOW, instrument_make, market_make, user_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def watcher(client: Client) -> Client:
    market_make()
    user = user_make()
    services.replay_open(user=user, episode="sp500-2008", now=NOW)
    client.force_login(user)
    return client


def bars_of(client: Client, **query: Any) -> dict[str, Any]:
    return client.get("/api/v1/bars/", {"symbol": "SPX", **query}).json()


@pytest.mark.parametrize("path", ["instruments/", "bars/?symbol=SPX", "watchlists/", "replay/"])
def test_a_stranger_gets_nothing(client: Client, path: str) -> None:
    response = client.get(f"/api/v1/{path}")

    assert response.status_code in (401, 403)
    assert response["Content-Type"] == "application/problem+json"


def test_bars_end_at_the_callers_cursor_whatever_is_asked(watcher: Client) -> None:
    cursor = selectors.iso(ReplaySession.objects.get().cursor_at)

    for query in ({}, {"until": "2030-01-01"}, {"limit": 5000}, {"since": "2008-08-28"}):
        body = bars_of(watcher, **query)
        assert body["bars"][-1]["closed_at"] == cursor
        assert body["visible_until"] == cursor
    assert bars_of(watcher, since="2009-01-01")["bars"] == []


def test_bars_are_strings_that_read_back_as_the_same_floats(watcher: Client) -> None:
    stored = selectors.bars_get("SPX", until=ReplaySession.objects.get().cursor_at)

    rows = bars_of(watcher)["bars"]

    assert [float(row["close"]) for row in rows] == stored.close.tolist()
    assert all(isinstance(value, str) for value in rows[0].values())


def test_bars_come_in_pages_of_older_ones_without_a_gap_or_a_double(watcher: Client) -> None:
    whole = [row["closed_at"] for row in bars_of(watcher)["bars"]]
    found: list[str] = []
    query: dict[str, Any] = {"limit": 4}
    while True:
        body = bars_of(watcher, **query)
        page = [row["closed_at"] for row in body["bars"]]
        found = [stamp for stamp in page if stamp not in found] + found
        if not body["has_older"]:
            break
        query["until"] = page[0]

    assert found == whole


def test_bars_as_csv_can_be_imported_again(watcher: Client, tmp_path: Any) -> None:
    response = watcher.get("/api/v1/bars/", {"symbol": "SPX", "format": "csv"})
    path = tmp_path / "SPX.csv"
    path.write_bytes(response.content)

    raw = bars_read(path, is_daily=True, now=NOW)

    assert response["Content-Disposition"] == 'attachment; filename="SPX_1d.csv"'
    assert raw.faults.n == 0
    assert raw.close.tolist() == [float(row["close"]) for row in bars_of(watcher)["bars"]]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"symbol": "NOPE"}, 404, "UNKNOWN_SYMBOL"),
        ({"symbol": ""}, 404, "UNKNOWN_SYMBOL"),
        ({"timeframe": "2d"}, 422, "UNKNOWN_TIMEFRAME"),
        ({"timeframe": "1h"}, 404, "NO_BARS"),
        ({"since": "yesterday"}, 400, "INVALID_TIME"),
        ({"limit": "-1"}, 400, "INVALID_LIMIT"),
        ({"limit": "x"}, 400, "INVALID_LIMIT"),
        ({"symbol": "NOPE", "format": "csv"}, 404, "UNKNOWN_SYMBOL"),
    ],
)
def test_bars_name_what_is_wrong_with_a_question(
    watcher: Client, query: dict[str, str], status: int, code: str
) -> None:
    response = watcher.get("/api/v1/bars/", {"symbol": "SPX", **query})

    assert (response.status_code, response.json()["code"]) == (status, code)


def test_instruments_are_listed_and_searched_in_few_queries(
    watcher: Client, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(4):
        listed = watcher.get("/api/v1/instruments/").json()["results"]
    found = watcher.get("/api/v1/instruments/", {"q": "nas"}).json()["results"]

    assert [row["symbol"] for row in listed] == ["AAPL", "JPM", "NASDAQ", "SPX", "XOM"]
    assert [row["symbol"] for row in found] == ["NASDAQ"]
    assert listed[0]["tick_size"] == "0.01"


def test_an_instrument_shows_its_series_and_the_newest_visible_bar_only(watcher: Client) -> None:
    cursor = selectors.iso(ReplaySession.objects.get().cursor_at)

    body = watcher.get("/api/v1/instruments/spx/").json()

    assert body["last"]["closed_at"] == cursor
    assert body["series"][0]["last_at"] == cursor


def test_a_watchlist_is_made_filled_renamed_and_removed(watcher: Client) -> None:
    made = watcher.post(
        "/api/v1/watchlists/", {"name": "Mine", "symbols": ["spx"]}, content_type="application/json"
    ).json()
    path = f"/api/v1/watchlists/{made['id']}/"
    for _ in range(2):
        watcher.post(f"{path}items/", {"symbol": "AAPL"}, content_type="application/json")
    watcher.delete(f"{path}items/SPX/")
    watcher.patch(path, {"name": "Ours"}, content_type="application/json")

    assert watcher.get(path).json() == {"id": made["id"], "name": "Ours", "symbols": ["AAPL"]}
    assert watcher.delete(path).status_code == 204
    assert watcher.get(path).status_code == 404


def test_another_persons_watchlist_answers_like_one_that_does_not_exist(watcher: Client) -> None:
    theirs = services.watchlist_create(user=user_make(), name="Theirs")

    foreign = watcher.get(f"/api/v1/watchlists/{theirs.pk}/")
    unknown = watcher.get("/api/v1/watchlists/999999/")

    assert (foreign.status_code, foreign.json()["code"]) == (404, "NOT_FOUND")
    assert unknown.json()["title"] == foreign.json()["title"]


def test_watchlists_refuse_a_double_name_and_an_unknown_symbol(watcher: Client) -> None:
    post = {"content_type": "application/json"}
    watcher.post("/api/v1/watchlists/", {"name": "Mine"}, **post)

    double = watcher.post("/api/v1/watchlists/", {"name": " Mine "}, **post)
    unknown = watcher.post("/api/v1/watchlists/", {"name": "More", "symbols": ["NOPE"]}, **post)

    assert (double.status_code, double.json()["code"]) == (409, "WATCHLIST_EXISTS")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "UNKNOWN_SYMBOL")
    assert len(watcher.get("/api/v1/watchlists/").json()["results"]) == 1


def test_watchlists_are_listed_in_a_constant_number_of_queries(
    watcher: Client, django_assert_max_num_queries: Any
) -> None:
    user = ReplaySession.objects.get().user
    for name in "abcdef":
        services.watchlist_create(user=user, name=name, symbols=["SPX", "AAPL"])

    with django_assert_max_num_queries(4):
        body = watcher.get("/api/v1/watchlists/").json()

    assert body["results"][0]["symbols"] == ["SPX", "AAPL"]


def test_the_replay_is_paused_resumed_and_set_to_a_speed(watcher: Client) -> None:
    paused = watcher.post("/api/v1/replay/pause/").json()
    resumed = watcher.post("/api/v1/replay/resume/").json()
    faster = watcher.post("/api/v1/replay/speed/", {"speed": 300}, content_type="application/json")
    refused = watcher.post("/api/v1/replay/speed/", {"speed": 601}, content_type="application/json")

    assert [paused["state"], resumed["state"]] == ["PAUSED", "RUNNING"]
    assert faster.json()["speed"] == 300
    assert (refused.status_code, refused.json()["field"]) == (422, "speed")
    assert watcher.get("/api/v1/replay/").json()["speed"] == 300


def test_a_person_without_a_replay_sees_all_stored_bars(client: Client) -> None:
    instrument_make("SPX", [10, 11, 12], start=dt.date(2020, 1, 1))
    client.force_login(user_make())

    body = bars_of(client)

    assert (body["visible_until"], len(body["bars"])) == (None, 3)
