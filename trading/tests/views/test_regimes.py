"""The regime page tells where every watched market stands, and nothing after the market date."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from marketdata.models import Instrument
from marketdata.services.watchlists import watchlist_create
from trading.engine.regimes import FEWEST_CASES
from trading.selectors.markets import regime_track, series_of
from trading.selectors.regimes import (
    regime_rows,
    strategies_by_regime,
    transition_rows,
    volatility_estimates,
)
from trading.services.strategies import strategy_create
from trading.tests.factories import (
    DAY,
    FIRST_CLOSE,
    bars_make,
    instrument_make,
    portfolio_make,
    user_make,
)

pytestmark = pytest.mark.django_db
N_BARS = 900
CURSOR = FIRST_CLOSE + 600 * DAY


def walk(seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    swing = np.where(np.arange(N_BARS) // 100 % 2 == 0, 0.006, 0.03)
    return list(100 * np.exp(np.cumsum(rng.normal(0, 1, N_BARS) * swing)))


@pytest.fixture
def portfolio():
    spx = instrument_make("SPX", walk(1))
    instrument_make("OIL", walk(2), is_close_only=True)
    return portfolio_make(user_make(), lead=spx, cursor_at=CURSOR)


def row_of(portfolio):
    return regime_rows(portfolio, [portfolio.replay.lead])[0]


def test_strangers_are_sent_to_sign_in(client):
    assert client.get("/models/regimes/").url.startswith("/accounts/login/")


def test_every_market_is_shown_where_it_is_asked_for(member, portfolio):
    watchlist_create(user=portfolio.user, name="Mine", symbols=["SPX"])

    watched, whole = (member.get("/models/regimes/", query) for query in ({}, {"markets": "all"}))

    shown = [[item["row"].symbol for item in page.context["rows"]] for page in (watched, whole)]
    assert [sorted(symbols) for symbols in shown] == [["SPX"], ["OIL", "SPX"]]
    assert 'href="?symbol=OIL&amp;markets=all#one"' in whole.content.decode()
    told = [
        sorted(row["symbol"] for row in member.get(f"/api/v1/regimes/now/{query}").json())
        for query in ("", "?markets=all")
    ]
    assert told == [["SPX"], ["OIL", "SPX"]]
    assert member.get("/api/v1/regimes/now/?markets=some").status_code == 400


def test_every_watched_market_has_its_row_and_the_first_its_detail(member):
    html = member.get("/models/regimes/").content.decode()

    assert 'href="?symbol=OIL#one"' in html
    assert 'href="?symbol=SPX#one"' in html
    assert "What came next" in html


def test_the_row_stands_at_the_market_date(portfolio):
    found = row_of(portfolio)

    assert found.last_at == CURSOR
    assert sum(part.n_bars for part in found.timeline) == 365
    assert found.timeline[-1].to_at == CURSOR
    assert found.timeline[-1].regime == found.regime


def test_bars_after_the_market_date_change_nothing(portfolio):
    before = row_of(portfolio), transition_rows(series_of(portfolio.replay.lead, "1d"), CURSOR)
    twin = instrument_make("TWIN", walk(1)[:601])
    cut = regime_rows(portfolio, [twin])[0], transition_rows(series_of(twin, "1d"), None)

    assert cut[0].following == before[0].following
    assert cut[0].timeline == before[0].timeline
    assert cut[1] == before[1]


def test_next_bar_shares_are_the_row_of_the_present_regime(portfolio):
    found = row_of(portfolio)
    rows = transition_rows(series_of(portfolio.replay.lead, "1d"), CURSOR)

    (row,) = [row for row in rows if row.regime == found.regime]

    assert row == found.following
    assert sum(cell.n for cell in row.cells) == row.n
    assert all(cell.low <= cell.probability <= cell.high for cell in row.cells)
    assert sum(cell.probability for cell in row.cells) == pytest.approx(1.0)


def test_too_few_cases_are_counted_and_not_divided(member, portfolio):
    (found,) = regime_rows(portfolio, [instrument_make("NEW", walk(3)[:26])])

    html = member.get("/models/regimes/?symbol=NEW").content.decode()

    assert 0 < found.following.n < FEWEST_CASES
    assert found.following.reason.startswith(found.following.regime.capitalize())
    assert f"too few ({found.following.n})" in html


def test_a_close_only_series_says_why_a_range_estimator_has_no_value(portfolio):
    oil = Instrument.objects.get(symbol="OIL")

    found = volatility_estimates(series_of(oil, "1d"), CURSOR)

    assert found[0].name == "EWMA"
    assert found[0].now == pytest.approx(regime_track(series_of(oil, "1d")).volatility[600])
    assert {item.name: item.missing for item in found if item.now is None} == dict.fromkeys(
        ("Parkinson", "Garman–Klass", "Yang–Zhang"), "this series has closes only"
    )


def test_range_estimators_see_what_closes_hide(portfolio):
    swings = [(100.0, 103.0, 97.0, 100.0)] * 60
    bars_make(instrument_make("SWING"), swings)
    swing = Instrument.objects.get(symbol="SWING")

    found = {item.name: item.now for item in volatility_estimates(series_of(swing, "1d"), CURSOR)}

    assert found["Close to close"] == 0.0
    assert min(found["Parkinson"], found["Garman–Klass"], found["Yang–Zhang"]) > 0.3


def test_adaptive_parameters_are_those_the_strategy_uses(portfolio):
    strategy_create(
        user=portfolio.user, key="volatility_adaptive_trend", name="Mine", parameters={}
    )
    strategy_create(
        user=portfolio.user, key="sma_cross", name="Plain", parameters={"fast": 2, "slow": 3}
    )

    mine, plain = strategies_by_regime(portfolio.user)

    assert {row.label: row.values for row in mine.rows}["Size factor"] == (1.0, 1.0, 0.7, 0.35)
    assert plain.rows == ()


def test_the_csv_has_the_filtered_rows(member, portfolio):
    regime = row_of(portfolio).regime

    text = member.get(f"/models/regimes/?regime={regime}&format=csv").content.decode()

    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["regime"] for row in rows} == {regime}
    assert "SPX" in {row["symbol"] for row in rows}


def test_sorting_puts_markets_without_a_value_last(member):
    instrument_make("VOID")

    text = member.get("/models/regimes/?sort=-volatility&format=csv").content.decode()

    symbols = [row["symbol"] for row in csv.DictReader(io.StringIO(text))]
    assert symbols[-1] == "VOID"


def test_an_unknown_symbol_fails_alone(member):
    response = member.get("/models/regimes/?symbol=NOPE")

    assert response.status_code == 200
    assert "This market cannot be shown." in response.content.decode()


def test_a_page_without_any_price_says_how_to_get_some(client):
    client.force_login(portfolio_make(user_make()).user)

    assert "No prices are stored." in client.get("/models/regimes/").content.decode()


def test_rest_answers_the_same_numbers(member, portfolio):
    found = row_of(portfolio)

    now = member.get("/api/v1/regimes/now/").json()
    matrix = member.get("/api/v1/regimes/transitions/?symbol=SPX").json()
    volatility = member.get("/api/v1/regimes/volatility/?symbol=SPX").json()

    (spx,) = [row for row in now if row["symbol"] == "SPX"]
    assert spx["volatility"] == pytest.approx(found.volatility)
    assert [row["regime"] for row in matrix["rows"]] == ["LOW", "NORMAL", "HIGH", "EXTREME"]
    assert volatility["estimates"][0]["now"] == pytest.approx(found.volatility)


def test_a_board_of_many_markets_needs_a_constant_number_of_queries(
    member, django_assert_max_num_queries
):
    for k in range(8):
        instrument_make(f"X{k}", walk(k)[:60])

    with django_assert_max_num_queries(40):
        member.get("/models/regimes/")
