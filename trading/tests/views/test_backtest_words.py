"""Tags, splits and fixed weights on the pages: forms, filters, files."""

from __future__ import annotations

import csv
import io

import pytest

from trading.models import Backtest
from trading.services.backtests.requests import backtest_describe
from trading.tests.backtest_rows import done_make, portfolio_make, waiting_make, walk_make
from trading.tests.factories import user_make
from trading.views.backtest_words import model_words

pytestmark = pytest.mark.django_db
FORM = {"strategy_key": "sma_cross", "symbol": "WALK", "timeframe": "1d", "cash": "50000",
        "commission_bps": "5", "p_fast": "5", "p_slow": "20"}  # fmt: skip
SEVERAL = FORM | {"symbols": "OTHER", "allocation": "FIXED_WEIGHT"}


@pytest.fixture
def owner():
    return user_make()


def text(response):
    return response.content.decode()


def test_the_form_files_a_run_under_its_tags(desk):
    walk_make()

    desk.post("/backtests/new/", FORM | {"tags": "Idea, slow"})

    assert [tag.name for tag in Backtest.objects.get().tags.order_by("pk")] == ["idea", "slow"]


def test_the_list_is_filtered_by_tag_and_so_is_its_file(desk, owner):
    kept, other = done_make(owner), waiting_make(owner)
    backtest_describe(backtest=kept, note="", tags="idea")
    backtest_describe(backtest=other, note="", tags="rest")

    page = text(desk.get("/backtests/?tag=idea"))
    lines = list(csv.DictReader(io.StringIO(text(desk.get("/backtests/?tag=idea&format=csv")))))

    assert f'href="/backtests/{kept.pk}/"' in page
    assert f'href="/backtests/{other.pk}/"' not in page
    assert [(line["id"], line["tags"]) for line in lines] == [(str(kept.pk), "idea")]


def test_a_tag_nobody_used_shows_how_to_see_the_rest(desk, owner):
    waiting_make(owner)

    assert "No backtest matches this filter." in text(desk.get("/backtests/?tag=none"))


def test_note_and_tags_are_changed_on_their_own_page(desk, owner):
    made = waiting_make(owner)

    answer = desk.post(f"/backtests/{made.pk}/describe/", {"note": "n", "tags": "a, b"})

    assert answer.headers["Location"] == f"/backtests/{made.pk}/"
    page = text(desk.get(f"/backtests/{made.pk}/"))
    assert 'href="/backtests/?tag=a"' in page
    assert 'value="a, b"' in text(desk.get(f"/backtests/{made.pk}/describe/"))


def test_too_long_a_tag_is_refused_at_its_field_and_kept(desk, owner):
    made = waiting_make(owner)

    answer = desk.post(f"/backtests/{made.pk}/describe/", {"note": "", "tags": "x" * 30})

    assert answer.status_code == 422
    assert "the limit is 24" in text(answer)
    assert "x" * 30 in text(answer)


def test_words_of_somebody_else_are_not_found(client, owner):
    made = waiting_make(owner)
    client.force_login(user_make())

    assert client.get(f"/backtests/{made.pk}/describe/").status_code == 404
    assert client.post(f"/backtests/{made.pk}/describe/", {"tags": "x"}).status_code == 404


def test_the_form_asks_for_a_share_of_each_instrument(desk):
    walk_make()
    walk_make(200, "OTHER", 5)

    page = text(desk.get("/backtests/new/", SEVERAL))

    assert 'name="w_WALK" value="0.5"' in page
    assert 'name="w_OTHER" value="0.5"' in page
    assert 'name="w_WALK"' not in text(desk.get("/backtests/new/", FORM))


def test_shares_are_stored_and_set_the_form_up_again(desk):
    walk_make()
    walk_make(200, "OTHER", 5)

    desk.post("/backtests/new/", SEVERAL | {"w_WALK": "0.7", "w_OTHER": "0.2"})

    made = Backtest.objects.get()
    assert made.allocation["weights"] == {"WALK": 0.7, "OTHER": 0.2}
    assert 'name="w_OTHER" value="0.2"' in text(desk.get(f"/backtests/new/?from={made.pk}"))


def test_shares_above_the_whole_are_refused_beside_the_allocation(desk):
    walk_make()
    walk_make(200, "OTHER", 5)

    answer = desk.post("/backtests/new/", SEVERAL | {"w_WALK": "0.7", "w_OTHER": "0.4"})

    assert answer.status_code == 422
    assert "Weights sum to 1.1; the limit is 1." in text(answer)
    assert 'name="w_WALK" value="0.7"' in text(answer)


def test_the_slider_stands_at_the_day_of_the_address(desk):
    walk_make()

    page = text(desk.get("/backtests/new/", FORM | {"out_of_sample_from": "2009-03-02"}))

    assert 'name="out_of_sample_from" value="2009-03-02"' in page
    assert 'aria-valuetext="2009-03-02"' in page


@pytest.mark.parametrize("make", [done_make, portfolio_make])
def test_a_result_is_split_at_the_day_of_the_address(desk, owner, make):
    made = make(owner)

    page = text(desk.get(f"/backtests/{made.pk}/?tab=metrics&split=2009-02-02"))

    assert "2009-02-02 to" in page
    assert 'data-figure="sharpe_ratio"' in page
    assert "Random entries win" in page


@pytest.mark.parametrize(
    ("day", "sentence"), [("soon", "is not a day"), ("1950-01-01", "must lie between")]
)
def test_a_day_that_cannot_split_is_answered_with_a_sentence(desk, owner, day, sentence):
    made = done_make(owner)

    page = desk.get(f"/backtests/{made.pk}/?tab=metrics&split={day}")

    assert page.status_code == 200
    assert sentence in text(page)


def test_htmx_gets_the_split_alone(desk, owner):
    made = done_make(owner)
    path = f"/backtests/{made.pk}/?tab=metrics&split=2009-02-02"

    part = text(desk.get(path, headers={"HX-Request": "true"}))

    assert part.lstrip().startswith("<div") or 'id="split"' in part[:400]
    assert "<html" not in part


@pytest.mark.parametrize("make", [done_make, portfolio_make])
def test_the_chart_shows_the_chosen_trade_and_leads_to_its_neighbors(desk, owner, make):
    made = make(owner)
    trip = made.result.round_trips[1]

    page = text(desk.get(f"/backtests/{made.pk}/?tab=chart&trade={trip['number']}"))

    assert f"Trade {trip['number']}:" in page
    assert f'"time": "{trip["entry_at"]}"' in page
    assert 'rel="prev"' in page or 'rel="next"' in page


def test_the_chart_of_a_run_without_trades_shows_its_last_bars(desk, owner):
    made = done_make(owner)
    result = made.result
    result.round_trips = []
    result.save(update_fields=["round_trips"])

    page = text(desk.get(f"/backtests/{made.pk}/?tab=chart&trade=99"))

    assert "No completed trade of WALK" in page
    assert 'id="backtest-price"' in page


def test_trades_lead_to_their_place_on_the_chart_and_show_how_they_end(desk, owner):
    made = done_make(owner)

    page = text(desk.get(f"/backtests/{made.pk}/?tab=trades"))

    assert "?tab=chart&amp;trade=1" in page
    assert "How trades end" in page
    assert "How long they last" in page


def test_every_regime_shows_its_sharpe_ratio_with_interval_or_says_too_few(desk, owner):
    made = done_make(owner)

    page = text(desk.get(f"/backtests/{made.pk}/"))

    rows = page.split('data-testid="by-regime"')[1].split("</table>")[0]
    n_rows = rows.count("data-regime=")
    assert rows.count('data-label="Sharpe"') == n_rows + 1
    assert rows.count('data-label="Drawdown"') == n_rows + 1


def test_the_deflated_sharpe_ratio_stands_among_the_tiles_with_its_count(desk, owner):
    page = text(desk.get(f"/backtests/{done_make(owner).pk}/"))

    assert "Deflated Sharpe ratio" in page.split('data-testid="verdict"')[0]
    assert "counting 1 trial" in page


@pytest.mark.parametrize(
    ("key", "used", "said"),
    [
        ("hybrid", {"model": {"number": 3, "kind": "BOOSTING", "content_hash": "1a2b3c4d5e"}},
         "model 3 (boosting 1a2b3c4d)"),
        ("hybrid", {"model": None}, "rule without a model"),
        ("hybrid", {}, ""),
        ("sma_cross", {"model": None}, ""),
    ],
)  # fmt: skip
def test_a_result_says_which_model_decided(key, used, said):
    assert model_words(key, used) == said


def test_the_first_line_and_the_manifest_name_the_model(desk, owner):
    made = done_make(owner)
    Backtest.objects.update(strategy_key="hybrid")
    made.result.manifest["settings"]["model"] = None
    made.result.save()

    assert "rule without a model" in text(desk.get(f"/backtests/{made.pk}/"))
    assert "Rule without a model" in text(desk.get(f"/backtests/{made.pk}/?tab=parameters"))


def test_tiles_of_the_judged_part_name_what_is_of_the_whole_span(desk, owner):
    said = text(desk.get(f"/backtests/{done_make(owner).pk}/"))

    assert "whole span: probability" in said
    assert "random entries, whole span," in said
    assert "· shuffled bars " in said
    assert "on shuffled bars, where it does, it wins " in said


def test_a_result_from_before_shuffled_win_rates_does_not_speak_of_them(desk, owner):
    made = done_make(owner)
    rows = [row for row in made.result.honesty["rows"] if row["key"] != "NULL_BARS_WIN_RATE"]
    made.result.honesty["rows"] = rows
    made.result.save()

    said = text(desk.get(f"/backtests/{made.pk}/"))

    assert "random entries, whole span," in said
    assert "huffled bars, where" not in said
    assert "· shuffled bars" not in said


def test_averages_the_wrong_way_around_are_run_and_asked_about(desk, owner):
    usual = done_make(owner)
    turned = done_make(owner, parameters={"fast": 30, "slow": 10})

    assert "Is this meant?" not in text(desk.get(f"/backtests/{usual.pk}/"))
    assert "invested while prices turn down" in text(desk.get(f"/backtests/{turned.pk}/"))


def test_a_result_names_the_random_trades_it_stands_beside_and_an_old_one_says_so(desk, owner):
    made = done_make(owner)
    result = made.result

    seen = []
    for leave_by in ("LENGTHS", "RESTING", "WATCHED", "UNKNOWN", "MIXED", None):
        result.honesty.pop("null_leave_by", None)
        result.honesty |= {"null_leave_by": leave_by} if leave_by else {}
        result.save()
        page = text(desk.get(f"/backtests/{made.pk}/"))
        seen.append(page.split("Random entries: how often ")[1].split("Sharpe ratio")[0])

    assert len(set(seen)) == 6
    assert "a trade that leaves by the same stop and target, watched at the close," in seen[2]
    assert "This result is from before random entries left by levels watched" in seen[-1]
    assert not any("from before" in words for words in seen[:-1])


def test_a_new_result_says_what_its_random_trades_left_by(owner):
    assert done_make(owner).result.honesty["null_leave_by"] == "LENGTHS"
