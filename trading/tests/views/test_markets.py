"""The market pages show the person's market date and nothing after it."""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import json
import re
from typing import Any

import numpy as np
import pytest
from django.test import Client

from marketdata import selectors, services
from marketdata.models import ReplaySession
from marketdata.tests.factories import NOW, instrument_make, market_make, user_make
from trading.selectors.markets import market_rows, regime_spells, regimes_of_bars, series_of
from trading.services.portfolios import portfolio_open

pytestmark = pytest.mark.django_db


@pytest.fixture
def watcher(client: Client) -> Client:
    market_make(60)
    user = user_make()
    replay = services.replay_open(user=user, episode="sp500-2008", now=NOW)
    portfolio_open(user=user, name="Main", cash=100_000, replay=replay, now=NOW)
    client.force_login(user)
    return client


def cursor() -> dt.datetime:
    return ReplaySession.objects.get().cursor_at


def chart_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script id="price-chart-data" type="application/json">(.*?)</script>', html)
    assert found
    return json.loads(found[1])


def test_a_stranger_is_sent_to_sign_in(client: Client) -> None:
    for path in ("/markets/", "/markets/SPX/", "/markets/SPX/bars/"):
        assert client.get(path).url.startswith("/accounts/login/")


def test_markets_without_a_list_offer_every_instrument(watcher: Client) -> None:
    html = watcher.get("/markets/").content.decode()

    assert 'href="/markets/NASDAQ/"' in html
    assert "All instruments" in html


def test_markets_show_the_close_at_the_cursor(watcher: Client) -> None:
    last = selectors.last_bar_get("SPX", until=cursor())

    html = watcher.get("/markets/").content.decode()

    assert 'data-live="bars:SPX:1d.close" data-format="price"' in html
    assert f"{last.close:.2f}" in html


def test_markets_cost_the_same_queries_for_few_and_for_many(
    watcher: Client, django_assert_max_num_queries: Any
) -> None:
    for i in range(12):
        instrument_make(f"X{i}", [10, 11], start=dt.date(2008, 8, 28))
    watcher.get("/markets/?list=all")

    with django_assert_max_num_queries(22):
        html = watcher.get("/markets/?list=all").content.decode()

    assert "X11" in html


def test_markets_sort_on_the_server_and_put_the_unknown_last(watcher: Client) -> None:
    instrument_make("LATER", [10, 11], start=dt.date(2020, 1, 1))

    rows = csv.DictReader(
        io.StringIO(watcher.get("/markets/?sort=-last&format=csv").content.decode())
    )
    symbols = [row["symbol"] for row in rows]

    assert symbols == ["XOM", "JPM", "AAPL", "NASDAQ", "SPX", "LATER"]


def test_a_list_is_made_filled_and_cleared_by_forms(watcher: Client) -> None:
    watcher.post("/markets/lists/new/", {"name": "Mine"})
    user = ReplaySession.objects.get().user
    (mine,) = selectors.watchlist_list(user)
    watcher.post(f"/markets/lists/{mine.pk}/add/", {"symbol": "SPX · S&P 500"})
    watcher.post(f"/markets/lists/{mine.pk}/add/", {"symbol": "aapl"})
    watcher.post(f"/markets/lists/{mine.pk}/remove/", {"symbol": "SPX"})

    (again,) = selectors.watchlist_list(user)
    assert [i.symbol for i in selectors.watchlist_instruments(again)] == ["AAPL"]
    watcher.post(f"/markets/lists/{mine.pk}/delete/")
    assert not selectors.watchlist_list(user).exists()


def test_an_unknown_symbol_is_named_on_the_page(watcher: Client) -> None:
    made = services.watchlist_create(user=ReplaySession.objects.get().user, name="Mine")

    path = f"/markets/lists/{made.pk}/add/"
    html = watcher.post(path, {"symbol": "<b>"}, follow=True).content.decode()

    assert "There is no instrument &#x27;&lt;b&gt;&#x27;." in html
    assert "<b>" not in html


def test_anothers_list_is_not_found(watcher: Client) -> None:
    theirs = services.watchlist_create(user=user_make(), name="Theirs")

    assert watcher.get(f"/markets/?list={theirs.pk}").status_code == 404
    assert watcher.post(f"/markets/lists/{theirs.pk}/delete/").status_code == 404


def test_an_instrument_page_draws_its_chart_from_bars_up_to_the_cursor(watcher: Client) -> None:
    chart = chart_of(watcher.get("/markets/SPX/").content.decode())

    assert chart["bars"][-1]["closed_at"] == selectors.iso(cursor())
    assert chart["channel"] == "bars:SPX:1d"
    assert chart["style"] == "candles"
    assert chart_of(watcher.get("/markets/AAPL/").content.decode())["style"] == "line"


def test_no_later_number_is_anywhere_on_the_pages_of_an_instrument(watcher: Client) -> None:
    bars = selectors.bars_get("SPX")
    later = bars.close[bars.closed_at > selectors.nanoseconds(cursor())]
    paths = [
        "/markets/SPX/",
        "/markets/SPX/?range=All",
        "/markets/SPX/bars/?until=2030-01-01",
        "/markets/?list=all",
        "/markets/SPX/?part=quote",
        "/markets/SPX/?part=regimes",
    ]

    said = "".join(watcher.get(path).content.decode() for path in paths)

    assert later.shape[0] > 10
    for value in later.tolist():
        assert repr(value) not in said


def test_older_bars_join_the_chart_without_a_gap(watcher: Client) -> None:
    whole = watcher.get("/markets/SPX/bars/?limit=5000").json()["bars"]

    newest = watcher.get("/markets/SPX/bars/?limit=3").json()["bars"]
    older = watcher.get(f"/markets/SPX/bars/?until={newest[0]['closed_at'][:10]}").json()["bars"]

    assert older + newest == whole


def test_a_symbol_without_bars_yet_has_a_page_that_says_so(watcher: Client) -> None:
    instrument_make("LATER", [10, 11], start=dt.date(2020, 1, 1))

    html = watcher.get("/markets/LATER/").content.decode()

    assert "No bar of LATER is visible" in html
    assert chart_of(html)["bars"] == []
    assert watcher.get("/markets/NOPE/").status_code == 404


def test_opening_an_instrument_adds_it_to_what_the_replay_plays(watcher: Client) -> None:
    instrument_make("GE", [5.0, 6.0])

    watcher.get("/markets/GE/")

    played = selectors.replay_instruments(ReplaySession.objects.get())
    assert "GE" in {instrument.symbol for instrument in played}


@pytest.mark.parametrize("part", ["quote", "position", "why", "regimes"])
def test_each_block_of_an_instrument_renders_alone(watcher: Client, part: str) -> None:
    html = watcher.get(f"/markets/SPX/?part={part}").content.decode()

    assert "<html" not in html
    assert html.strip()


def test_regimes_known_at_a_bar_do_not_change_when_later_bars_arrive() -> None:
    rng = np.random.default_rng(3)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 400)))
    instrument_make("SPX", closes)
    short = instrument_make("PAST", closes[:300])
    bars = selectors.bars_get("SPX", limit=None)

    full = regimes_of_bars(series_of(selectors.instrument_get("SPX"), "1d"), bars)

    past = regimes_of_bars(series_of(short, "1d"), selectors.bars_get("PAST"))
    assert full[:300] == past
    assert len(set(full)) > 1


def test_regime_spells_cover_the_visible_bars_newest_first() -> None:
    rng = np.random.default_rng(4)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, 200)))
    instrument = instrument_make("SPX", closes)
    until = selectors.instant(int(selectors.bars_get("SPX").closed_at[149]))

    spells = regime_spells(series_of(instrument, "1d"), until)

    assert spells[0].to_at == until
    assert all(a.from_at > b.to_at for a, b in itertools.pairwise(spells))
    ups = [spell.simple_return for spell in spells]
    assert all(np.isfinite(ups))


def test_market_rows_give_the_change_against_the_bar_before(watcher: Client) -> None:
    portfolio = ReplaySession.objects.get().portfolio
    expected = selectors.last_bar_get("SPX", until=cursor())

    (row,) = market_rows(portfolio, [selectors.instrument_get("SPX")])

    assert row.last == expected.close
    assert row.change == pytest.approx(expected.change)
    assert row.simple_return == pytest.approx(expected.simple_return)
