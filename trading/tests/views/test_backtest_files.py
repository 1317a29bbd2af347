"""Every table of a result, a search and a comparison as a file, sorted and filtered as shown."""

from __future__ import annotations

import csv
import html
import io
import re
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest

from accounts.services import entitlement_grant
from trading.models import Backtest, Trial
from trading.tests.backtest_rows import done_make, portfolio_make, waiting_make
from trading.tests.factories import NOW
from trading.tests.study_rows import member_make, study_finish, study_make
from trading.views.backtest_context import TABS
from trading.views.backtest_files import TABLES
from trading.views.backtest_trades import trade_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    person = member_make()
    entitlement_grant(user=person, key="backtests.at_once", value=100, source="test")
    entitlement_grant(user=person, key="backtests.per_day", value=100, source="test")
    return person


def lines_of(answer):
    assert answer.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def links_to_files(desk, address):
    """Where the links to files of a page lead; every one says that it is a download."""
    page = desk.get(address).content.decode()
    links = [link for link in re.findall(r"<a [^>]*>", page) if "format=csv" in link]
    assert all(" download" in link for link in links)
    hrefs = [html.unescape(re.search('href="([^"]*)"', link)[1]) for link in links]
    return [urljoin(address, href) for href in hrefs]


def file_of(desk, made, query):
    return lines_of(desk.get(f"/backtests/{made.pk}/?{query}&format=csv"))


@pytest.mark.parametrize("tab", sorted(TABLES))
def test_every_table_of_a_result_is_a_file(desk, owner, tab):
    made = done_make(owner)

    for table in TABLES[tab]:
        answer = desk.get(f"/backtests/{made.pk}/?tab={tab}&table={table}&format=csv")
        assert answer.headers["Content-Disposition"].endswith(f'-{table}.csv"')
        assert lines_of(answer) or table in ("instruments", "reasons", "folds")


def test_the_figures_in_the_file_are_those_of_the_result(desk, owner):
    made = done_make(owner)

    lines = {line["figure"]: line for line in file_of(desk, made, "tab=metrics")}

    told = made.result.metrics
    assert float(lines["total_return"]["out_of_sample"]) == told["out_of_sample"]["total_return"]
    assert float(lines["sharpe_low"]["all"]) == told["all"]["sharpe_low"]
    assert float(lines["cost_total"]["in_sample"]) == told["in_sample"]["cost_total"]
    assert lines["cost_total"]["benchmark"] == ""
    assert float(lines["max_drawdown"]["benchmark"]) == told["benchmark"]["all"]["max_drawdown"]
    assert lines["first_at"]["in_sample"] == told["in_sample"]["first_at"]


def test_the_file_of_a_split_is_of_the_day_in_the_address(desk, owner):
    made = done_make(owner)

    chosen, own = (
        file_of(desk, made, f"tab=metrics&table=split{day}") for day in ("&split=2009-02-02", "")
    )

    assert chosen[0]["figure"] == "n_bars"
    assert int(chosen[0]["out_of_sample"]) != int(own[0]["out_of_sample"])
    assert int(own[0]["out_of_sample"]) == made.result.metrics["out_of_sample"]["n_bars"]


def test_a_day_that_is_none_has_no_file(desk, owner):
    made = done_make(owner)

    answer = desk.get(f"/backtests/{made.pk}/?tab=metrics&table=split&split=soon&format=csv")

    assert answer.status_code == 422
    assert "is not a day" in answer.content.decode()


def test_a_table_that_is_none_is_not_found(desk, owner):
    made = done_make(owner)

    assert desk.get(f"/backtests/{made.pk}/?tab=log&table=months&format=csv").status_code == 404


def test_the_months_of_the_file_stand_as_on_the_page(desk, owner):
    made = done_make(owner)

    lines = file_of(desk, made, "tab=overview&table=months")

    newest = made.result.monthly[-1]
    assert [line["year"] for line in lines] == [str(r["year"]) for r in made.result.monthly[::-1]]
    assert float(lines[0]["total"]) == newest["total"]
    assert lines[0]["Jan"] == ("" if newest["months"][0] is None else str(newest["months"][0]))


def test_the_equity_file_holds_every_point_of_the_chart(desk, owner):
    made = done_make(owner)

    lines = file_of(desk, made, "tab=overview&table=equity")

    assert [float(line["equity"]) for line in lines] == made.result.curve["equity"]
    assert lines[0]["closed_at"] == "2009-01-01T00:00:00+00:00" or "T" in lines[0]["closed_at"]


def test_instruments_of_one_account_are_a_file(desk, owner):
    made = portfolio_make(owner)

    lines = file_of(desk, made, "tab=overview&table=instruments")

    assert [line["symbol"] for line in lines] == [r["symbol"] for r in made.result.per_instrument]
    assert all(float(line["pnl"]) == r["pnl"]
               for line, r in zip(lines, made.result.per_instrument, strict=True))  # fmt: skip


@pytest.mark.parametrize(
    ("sort", "name", "is_descending"),
    [("pnl", "pnl", False), ("-held", "bars_held", True), ("worst", "mae", False)],
)
def test_trades_are_sorted_alike_on_the_page_and_in_the_file(
    desk, owner, sort, name, is_descending
):
    made = done_make(owner)
    address = f"/backtests/{made.pk}/?tab=trades&sort={sort}"

    shown = [trip[name] for trip in desk.get(address).context["page"].object_list]
    sent = [float(line[name]) for line in lines_of(desk.get(f"{address}&format=csv"))]

    assert sent == sorted(sent, reverse=is_descending)
    assert sent[: len(shown)] == shown


def test_trades_without_the_figure_they_are_sorted_by_stand_at_the_end():
    def trip(number, **known):
        return {"number": number, "exit_reason": "STOP", "pnl": 1.0, "commission": 0.5,
                "regime": None, "is_out_of_sample": False, **known}  # fmt: skip

    trips = [trip(1), trip(2, mae=-0.1), trip(3, mae=-0.3)]

    for sort, order in (("worst", [3, 2, 1]), ("-worst", [2, 3, 1])):
        assert [row["number"] for row in trade_rows(trips, sort=sort)] == order
    assert trade_rows(trips)[0]["gross"] == 1.5


def test_the_file_of_trades_keeps_the_filter(desk, owner):
    made = done_make(owner)

    lines = file_of(desk, made, "tab=trades&part=out")

    n_outside = sum(trip["is_out_of_sample"] for trip in made.result.round_trips)
    assert len(lines) == n_outside > 0
    assert {line["is_out_of_sample"] for line in lines} == {"True"}


def test_an_unknown_order_of_trades_is_newest_first(desk, owner):
    made = done_make(owner)

    lines = file_of(desk, made, "tab=trades&sort=cash")

    numbers = [int(line["number"]) for line in lines]
    assert numbers == sorted(numbers, reverse=True)


def test_a_run_without_a_result_has_no_file(desk, owner):
    made = waiting_make(owner)

    answer = desk.get(f"/backtests/{made.pk}/?tab=metrics&format=csv")

    assert answer.headers["Content-Type"].startswith("text/html")


def test_the_file_of_a_search_is_sorted_and_cut_as_the_leaderboard(desk, owner):
    study = study_finish(study_make(owner))
    address = f"/optimizations/{study.pk}/?sort=drawdown&best=50"

    shown = [row["trial"].number for row in desk.get(address).context["leaders"]]
    sent = [int(line["number"]) for line in lines_of(desk.get(f"{address}&format=csv"))]

    assert sent == shown
    assert len(sent) == 6
    assert "sort=drawdown&amp;best=50&amp;format=csv" in desk.get(address).content.decode()


def test_map_lines_and_failures_of_a_search_are_files(desk, owner):
    study = study_finish(study_make(owner))
    failed = Trial.objects.filter(study=study).order_by("number").first()
    Trial.objects.filter(pk=failed.pk).update(status="FAILED", error="It broke.")
    address = f"/optimizations/{study.pk}/?x=fast&y=slow&format=csv&table="

    heat, lines, failures = (
        lines_of(desk.get(address + table)) for table in ("heat", "lines", "failed")
    )

    assert [row["slow"] for row in heat] == ["20", "30", "40"]
    assert set(heat[0]) == {"slow", "fast 3", "fast 6", "fast 9", "fast 12"}
    assert len(lines) == 11
    assert [(row["number"], row["error"]) for row in failures] == [
        (str(failed.number), "It broke.")
    ]
    assert desk.get(address + "nothing").status_code == 404


def test_every_table_of_a_comparison_is_a_file(desk, owner):
    ids = [done_make(owner, now=NOW).pk for _ in range(2)]
    address = f"/backtests/compare/?ids={ids[0]},{ids[1]}&format=csv&table="

    figures, pairs, regimes = (
        lines_of(desk.get(address + table)) for table in ("figures", "pairs", "regimes")
    )

    assert figures[0][f"A #{ids[0]}"] == figures[0][f"B #{ids[1]}"] != ""
    assert (pairs[0]["first"], pairs[0]["second"]) == ("A", "B")
    told = Backtest.objects.get(pk=ids[0]).result.by_regime
    for row in regimes:
        value = told[row["regime"]].get(row["figure"])
        assert row[f"A #{ids[0]}"] == ("" if value is None else str(value))
    assert lines_of(desk.get(address + "settings")) == []
    assert desk.get(address + "nothing").status_code == 404


def test_every_link_to_a_file_leads_to_that_file(desk, owner):
    ids = [done_make(owner, now=NOW).pk for _ in range(2)]
    account, study = portfolio_make(owner), study_finish(study_make(owner))
    results = [f"/backtests/{pk}/?tab={tab}" for pk in (ids[0], account.pk) for tab, _ in TABS]
    others = [f"/backtests/compare/?ids={ids[0]},{ids[1]}", f"/optimizations/{study.pk}/"]

    links = [link for page in results + others for link in links_to_files(desk, page)]

    for link in links:
        asked = parse_qs(urlsplit(link).query)
        answer = desk.get(link)
        assert answer.status_code == 200, link
        assert answer.headers["Content-Type"].startswith("text/csv"), link
        assert asked.get("table", [""])[0] in answer.headers["Content-Disposition"], link
    assert len(links) >= 25


def test_the_map_of_a_search_is_a_file_of_numbers(desk, owner):
    study = study_finish(study_make(owner))
    Trial.objects.filter(study=study).update(objective=-0.521)

    row = lines_of(desk.get(f"/optimizations/{study.pk}/?x=fast&y=slow&format=csv&table=heat"))[0]

    assert (row["slow"], row["fast 3"]) == ("20", "-0.521")


def test_a_table_with_an_endless_name_is_named_in_short(desk, owner):
    study, ids = study_make(owner), [done_make(owner, now=NOW).pk for _ in range(2)]

    for page in (f"/optimizations/{study.pk}/?", f"/backtests/compare/?ids={ids[0]},{ids[1]}&"):
        answer = desk.get(f"{page}format=csv&table={'x' * 5000}")
        assert answer.status_code == 404
        assert "x" * 81 not in answer.content.decode()
