"""Worth, books, history and regimes over REST: exact, in pages, nothing after the cursor."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from trading.models import EquityPoint
from trading.services.fills import fill_record
from trading.services.orders import order_submit
from trading.tests.factories import (
    DAY,
    FIRST_CLOSE,
    NOW,
    instrument_make,
    portfolio_make,
    user_make,
)

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def portfolio():
    closes = [100.0 * (1 + 0.001 * (i % 7) + 0.02 * (i % 2) * (i > 300)) for i in range(400)]
    spx = instrument_make("SPX", closes, asset_class="CRYPTO")
    return portfolio_make(user_make(), lead=spx, cursor_at=FIRST_CLOSE + 350 * DAY)


@pytest.fixture
def api(client, portfolio):
    client.force_login(portfolio.user)
    return client


def trade(portfolio, n=3):
    for i in range(n):
        order = order_submit(
            portfolio=portfolio, instrument=portfolio.replay.lead, side="BUY", order_type="MARKET",
            quantity="2", client_order_id=f"o{i}", now=NOW,
        )  # fmt: skip
        fill_record(
            order=order, trade_id="t", quantity=D(2), price=D("100.5"), commission=D("0.1"),
            filled_at=FIRST_CLOSE + i * DAY,
        )  # fmt: skip


def pages(api, address):
    found = []
    while address:
        page = api.get(address).json()
        found += page["results"]
        address = page["next"]
    return found


def test_the_portfolio_is_told_in_exact_strings(api, portfolio):
    trade(portfolio)

    body = api.get("/api/v1/portfolio/").json()

    assert body["cash"] == "99396.70000000"
    assert body["commission_total"] == "0.30000000"
    assert D(body["equity"]) == D(body["cash"]) + D(body["positions_value"])
    assert isinstance(body["total_return"], float)


def test_positions_name_what_is_held(api, portfolio):
    trade(portfolio)

    (row,) = api.get("/api/v1/positions/").json()["results"]

    assert (row["symbol"], row["side"], row["quantity"]) == ("SPX", "LONG", "6.00000000")
    assert row["cost_basis"] == "603.00000000"


def test_the_ledger_comes_in_pages_whose_entries_sum_to_zero(api, portfolio):
    trade(portfolio)

    found = pages(api, "/api/v1/ledger/?page_size=2")

    assert [entry["sequence"] for entry in found] == [4, 3, 2, 1]
    assert found[-1]["kind"] == "OPENING"
    assert all(sum(D(line["amount"]) for line in entry["postings"]) == 0 for entry in found)
    assert found[0]["order_id"]


def test_the_balances_agree_with_each_other(api, portfolio):
    trade(portfolio)

    body = api.get("/api/v1/ledger/balances/").json()

    assert body["is_balanced"] is True
    assert body["total"] == "0.00000000"
    assert sum(D(row["balance"]) for row in body["balances"]) == 0


@pytest.mark.parametrize("kind", ["", "fill", "entry"])
def test_activity_pages_leave_nothing_out_and_repeat_nothing(api, portfolio, kind):
    trade(portfolio, 5)
    whole = pages(api, f"/api/v1/activity/?kind={kind}&page_size=500")

    found = pages(api, f"/api/v1/activity/?kind={kind}&page_size=2")

    assert found == whole
    assert len(whole) == {"": 6, "fill": 5, "entry": 1}[kind]


@pytest.mark.parametrize("cursor", ["odd", "YWJj", "YXxi"])
def test_a_forged_cursor_of_activity_is_refused(api, cursor):
    response = api.get(f"/api/v1/activity/?cursor={cursor}")

    assert (response.status_code, response.json()["code"]) == (400, "INVALID_CURSOR")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("activity/?kind=odd", "INVALID_KIND"),
        ("activity/?page_size=-1", "INVALID_PAGE_SIZE"),
        ("equity/?since=yesterday", "INVALID_TIME"),
        ("equity/?user=1", "UNKNOWN_PARAMETER"),
        ("regimes/?symbol=SPX&limit=0", "INVALID_LIMIT"),
    ],
)
def test_parameters_nobody_understands_are_refused_by_name(api, query, code):
    response = api.get(f"/api/v1/{query}")

    assert (response.status_code, response.json()["code"]) == (400, code)


def test_equity_comes_newest_first_from_a_moment_on(api, portfolio):
    for i in range(5):
        EquityPoint.objects.create(
            portfolio=portfolio, market_at=FIRST_CLOSE + i * DAY, equity=D(100_000 + i),
            cash=D(100_000), gross_exposure=0, net_exposure=0,
        )  # fmt: skip

    since = (FIRST_CLOSE + 2 * DAY).isoformat().replace("+00:00", "Z")
    found = pages(api, f"/api/v1/equity/?page_size=2&since={since}")

    assert [row["equity"] for row in found] == [
        "100004.00000000", "100003.00000000", "100002.00000000",
    ]  # fmt: skip


def test_regime_bands_cover_every_visible_bar_and_none_after_the_cursor(api, portfolio):
    body = api.get("/api/v1/regimes/?symbol=SPX").json()

    bands = body["bands"]
    assert sum(band["n_bars"] for band in bands) == 351
    assert set(bands[0]) == {"from", "to", "regime", "n_bars"}
    assert bands[0]["from"].startswith("2008-08-01T20:00:00")
    assert bands[0]["regime"] is None
    assert bands[-1]["to"] == body["visible_until"]
    assert [band["from"] for band in bands] == sorted(band["from"] for band in bands)
    assert all(a["regime"] != b["regime"] for a, b in itertools.pairwise(bands))
    assert len(bands) > 2


def test_the_newest_bands_are_kept_when_a_limit_is_set(api):
    whole = api.get("/api/v1/regimes/?symbol=SPX").json()

    last = api.get("/api/v1/regimes/?symbol=SPX&limit=1").json()

    assert last["bands"] == whole["bands"][-1:]
    assert (last["has_older"], whole["has_older"]) == (True, False)


@pytest.mark.parametrize(
    ("query", "status"), [("symbol=NOPE", 404), ("", 404), ("symbol=SPX&timeframe=3y", 404)]
)
def test_regimes_of_unknown_series_are_refused(api, query, status):
    response = api.get(f"/api/v1/regimes/?{query}")

    assert response.status_code in (status, 422)
    assert response["Content-Type"] == "application/problem+json"
