"""A judged part of a few bars: nowhere a Sharpe ratio, a best value or a check that passes."""

from __future__ import annotations

import pytest

from trading.models import Backtest
from trading.services.backtests.drafts import draft_read
from trading.services.backtests.requests import backtest_request
from trading.services.backtests.runs import backtest_run
from trading.tests.backtest_rows import ASKED, walk_make
from trading.tests.factories import NOW
from trading.tests.views.pages import text

pytestmark = pytest.mark.django_db
SHORT = {"end_date": "2008-12-20", "parameters": {"fast": 2, "slow": 4}}


def run_make(user, **asked):
    made = backtest_request(user=user, draft=draft_read(ASKED | asked), now=NOW)
    assert backtest_run(backtest_id=made.pk, clock=lambda: NOW) == "SUCCEEDED"
    return Backtest.objects.get(pk=made.pk)


@pytest.fixture
def short(owner):
    """One run whose judged part has fewer bars than a Sharpe ratio needs, and looks splendid."""
    walk_make(500)
    found = run_make(owner, **SHORT)
    n = found.result.metrics["out_of_sample"]["n_bars"]
    assert 10 < n < 60
    found.result.metrics["out_of_sample"]["sharpe_ratio"] = 77.77
    found.result.save()
    return found


def few(backtest):
    return f"too few ({backtest.result.metrics['out_of_sample']['n_bars']})"


@pytest.mark.parametrize("tab", ["overview", "metrics"])
def test_a_result_gives_no_sharpe_ratio_of_a_few_bars(desk, short, tab):
    html = text(desk.get(f"/backtests/{short.pk}/?tab={tab}"))

    assert "77.77" not in html
    assert few(short) in html


def test_neither_the_list_nor_the_choice_to_compare_gives_one(desk, short):
    for address in ("/backtests/", "/backtests/compare/"):
        html = text(desk.get(address))
        assert "77.77" not in html
        assert few(short) in html


def test_a_run_of_a_few_trades_is_not_said_to_beat_luck(desk, short):
    short.result.metrics["all"]["n_round_trips"] = 3
    for row in short.result.honesty["rows"]:
        if row["key"] == "NULL_SHARPE":
            row["status"] = "PASS"
    short.result.save()

    assert f"/backtests/{short.pk}/" not in text(desk.get("/backtests/?luck=PASS"))
    assert "too few (3)" in text(desk.get("/backtests/"))


def test_a_few_bars_are_never_the_best_and_lead_no_list(desk, owner, short):
    other = run_make(owner)

    html = text(desk.get(f"/backtests/compare/?ids={short.pk},{other.pk}"))
    found = desk.get(f"/api/v1/backtests/compare/?ids={short.pk},{other.pk}").json()
    (row,) = (
        row
        for row in found["figures"]
        if (row["segment"], row["key"]) == ("out_of_sample", "sharpe_ratio")
    )
    listed = text(desk.get("/backtests/?sort=-sharpe"))

    assert "77.77" not in html
    assert row["is_best"] == [False, False]
    assert row["differences"] == [None, None]
    assert row["too_few"] == [short.result.metrics["out_of_sample"]["n_bars"], None]
    assert listed.index(f'id="pick-{other.pk}"') < listed.index(f'id="pick-{short.pk}"')


def test_the_panel_does_not_judge_what_was_kept_in_a_few_bars(short):
    (row,) = (row for row in short.result.honesty["rows"] if row["key"] == "OUT_OF_SAMPLE")

    assert row["status"] == "NOT_APPLICABLE"
    assert "60 are needed" in row["sentence"]


def test_the_panel_does_not_judge_what_was_kept_by_a_few_trades(owner):
    walk_make(500)
    found = run_make(owner, parameters={"fast": 40, "slow": 100})
    (row,) = (row for row in found.result.honesty["rows"] if row["key"] == "OUT_OF_SAMPLE")

    assert found.result.metrics["out_of_sample"]["n_bars"] >= 60
    assert found.result.metrics["out_of_sample"]["n_round_trips"] < 10
    assert row["status"] == "NOT_APPLICABLE"
    assert "trades after the split" in row["sentence"]
