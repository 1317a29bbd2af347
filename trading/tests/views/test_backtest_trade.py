"""A trade says why it was entered and left, in the words its decisions were told in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.core.cache import cache
from django.test import Client

from elson.common.errors import NotFound
from trading.engine.backtest import run
from trading.engine.portfolio_backtest import run_portfolio
from trading.engine.shared_account import Leg
from trading.services.backtests import explaining
from trading.services.backtests.asked import bars_of, traded_config
from trading.services.backtests.experiment import Silent, engine_config
from trading.services.backtests.explaining import TradeUnexplained, trade_explain
from trading.services.bindings import binding_for
from trading.tests.backtest_rows import done_make, portfolio_make, waiting_make, walk_make
from trading.tests.factories import bars_make, user_make
from trading.tests.views.pages import text

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture(autouse=True)
def nothing_remembered():
    cache.clear()


@pytest.fixture
def done(owner):
    walk_make(700)
    return done_make(owner, strategy_key="rsi2_reversion", parameters={})


def address(backtest, number=1, part=""):
    return f"/backtests/{backtest.pk}/trades/{number}/{part}"


def told_config(backtest, bars):
    config = traded_config(backtest, binding_for(backtest.strategy_key))
    return replace(engine_config(bars, config, Silent()), keeps_decisions=True)


def test_the_reasons_of_a_trade_are_those_of_its_signal_and_of_its_exit(done):
    bars = bars_of(done, "WALK")
    whole = run(bars, "rsi2_reversion", {}, told_config(done, bars))
    for number, trip in list(enumerate(whole.round_trips, start=1))[-3:]:
        found = trade_explain(backtest=done, number=number)

        assert found.entry == whole.decisions[trip.signal_bar]
        assert found.exit == whole.decisions[trip.exit_bar - 1]


def test_a_trade_of_an_account_is_told_by_its_own_instrument(desk, owner):
    done = portfolio_make(owner)
    series = [bars_of(done, symbol) for symbol in done.symbols]
    legs = [Leg(bars, "sma_cross", done.parameters) for bars in series]
    whole = run_portfolio(legs, told_config(done, series[0])).account
    trip = done.result.round_trips[-1]

    found = trade_explain(backtest=done, number=trip["number"])

    assert {found.entry.symbol, found.exit.symbol} == {trip["symbol"]}
    assert found.entry in whole.decisions
    assert found.exit in whole.decisions
    assert str(found.entry.action) == "ENTER_LONG"
    assert str(found.exit.action) == "EXIT"
    assert "Why it was entered" in text(desk.get(address(done, trip["number"], "?part=why")))


def test_the_page_shows_the_trade_at_once_and_its_reasons_when_asked(desk, done):
    trip = done.result.round_trips[0]

    page = text(desk.get(address(done)))
    part = text(desk.get(address(done, part="?part=why"), **HTMX))
    whole = text(desk.get(address(done, part="?part=why")))

    assert trip["entry_at"][:10] in page
    assert 'hx-get="?part=why"' in page
    assert "why-say" not in page
    assert "<html" not in part
    assert "<html" in whole
    for html in (part, whole):
        assert "Why it was entered" in html
        assert "Why it was left" in html
        assert f"of {trip['signal_at'][:10]} at" in html
        assert "Buy with all cash: RSI(2)" in html
        assert "Parameters at the entry" in html


def test_each_trade_of_the_list_leads_to_its_reasons(desk, done):
    html = text(desk.get(f"/backtests/{done.pk}/?tab=trades"))

    for trip in done.result.round_trips[-3:]:
        assert f'href="{address(done, trip["number"])}"' in html


def test_a_trade_leads_to_the_one_before_and_the_one_after(desk, done):
    n = len(done.result.round_trips)

    first, second, last = (text(desk.get(address(done, number))) for number in (1, 2, n))

    assert 'rel="prev"' not in first
    assert f'rel="prev" href="{address(done, 1)}"' in second
    assert f'rel="next" href="{address(done, 3)}"' in second
    assert 'rel="next"' not in last


def test_trades_of_others_and_trades_that_were_not_made_are_not_found(desk, done):
    other = Client()
    other.force_login(user_make())

    assert other.get(address(done)).status_code == 404
    assert desk.get(address(done, 0)).status_code == 404
    assert desk.get(address(done, len(done.result.round_trips) + 1)).status_code == 404
    with pytest.raises(NotFound):
        trade_explain(backtest=done, number=0)


def test_a_run_without_a_result_has_no_trades(desk, owner):
    assert desk.get(address(waiting_make(owner))).status_code == 404


def test_bars_that_changed_since_the_run_are_said_and_not_used(desk, done):
    bars_make(
        done.instrument,
        [(1.0, 1.0, 1.0, 1.0)],
        start=done.instrument.series.get().last_at.replace(year=2030),
    )

    answer = desk.get(address(done, part="?part=why"), **HTMX)

    assert answer.status_code == 200
    assert "the bars of WALK have changed since the run. Run it again." in text(answer)


def test_a_run_that_asked_a_model_nobody_has_any_more_is_not_explained_by_another(done):
    done.result.manifest["settings"]["model"] = {"number": 3, "content_hash": "0" * 64, "kind": "X"}
    done.result.save()

    with pytest.raises(TradeUnexplained, match="There is no model"):
        trade_explain(backtest=done, number=1)


def test_a_rule_that_decides_otherwise_today_is_not_passed_off_as_the_reason(done):
    done.result.round_trips[0]["signal_at"] = done.result.round_trips[1]["entry_at"]
    done.result.save()

    with pytest.raises(TradeUnexplained, match="its rule decides otherwise today"):
        trade_explain(backtest=done, number=1)


def test_more_bars_than_anybody_waits_for_are_refused_with_their_number(done, monkeypatch):
    monkeypatch.setattr(explaining, "MOST_BARS", 20)

    with pytest.raises(TradeUnexplained, match=r"bars lead to it, and at most 20 .* later day\."):
        trade_explain(backtest=done, number=5)


def test_too_many_bars_are_refused_before_they_are_read_and_compared(done, monkeypatch):
    monkeypatch.setattr(explaining, "MOST_BARS", 20)
    done.result.manifest["data"]["sha256"] = "0" * 64
    done.result.save()

    with pytest.raises(TradeUnexplained, match="bars lead to it, and at most 20 are gone through"):
        trade_explain(backtest=done, number=5)


def test_a_trade_that_was_explained_is_not_gone_through_again(desk, done, monkeypatch):
    first = trade_explain(backtest=done, number=2)
    monkeypatch.setattr(explaining, "MOST_BARS", 0)

    assert trade_explain(backtest=done, number=2) == first
    with pytest.raises(TradeUnexplained):
        trade_explain(backtest=done, number=3)


def test_one_trade_is_explained_at_a_time_and_the_others_are_told(desk, done, monkeypatch):
    monkeypatch.setattr(explaining, "PATIENCE_SECONDS", 0.01)
    known = trade_explain(backtest=done, number=2)

    with explaining._turn:
        page = desk.get(address(done, part="?part=why"), **HTMX)
        door = desk.get(f"/api/v1{address(done)}")
        assert trade_explain(backtest=done, number=2) == known

    assert page.status_code == 200
    assert "Another trade is being explained at this moment." in text(page)
    assert (door.status_code, door.json()["code"]) == (503, "EXPLAINING_BUSY")
    assert door.has_header("Retry-After")
    assert desk.get(f"/api/v1{address(done)}").status_code == 200


def test_a_trade_that_cannot_be_explained_gives_its_turn_back(done, monkeypatch):
    monkeypatch.setattr(explaining, "MOST_BARS", 20)
    with pytest.raises(TradeUnexplained):
        trade_explain(backtest=done, number=5)

    assert not explaining._turn.locked()
