"""The blocks of a strategy's page: what it holds and ordered, its log, how its parameters moved."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from trading.models import Decision, DeploymentEvent, Order
from trading.selectors.parameter_changes import parameter_changes
from trading.services.deployments import deployment_pause, deployment_resume, deployment_stop
from trading.services.orders import order_submit
from trading.tests.factories import DAY, FIRST_CLOSE, NOW
from trading.tests.views.pages import address, said
from trading.views.parameter_strips import strip_of, strip_text

pytestmark = pytest.mark.django_db
LATER = FIRST_CLOSE + 700 * DAY


def decided(deployment, day, factor=1.0, regime="NORMAL", **fields):
    lines = {
        "size_factor": {"base": 1.0, "now": factor, "low": 0.0, "high": 2.0, "because": regime},
        "breaker": {"base": "NORMAL", "now": "NORMAL", "low": None, "high": None, "because": ""},
    }
    return Decision.objects.create(
        deployment=deployment, market_at=FIRST_CLOSE + day * DAY, action="HOLD", regime=regime,
        price=100.0, reason="Hold: all is well.", parameters=lines, **fields,
    )  # fmt: skip


def ordered(deployment, key, **fields):
    return order_submit(
        portfolio=deployment.portfolio, instrument=deployment.instrument, client_order_id=key,
        deployment=deployment, now=NOW,
        **{"side": "BUY", "order_type": "LIMIT", "quantity": "1", "limit_price": "1"} | fields,
    )  # fmt: skip


def part(member, path):
    return member.get(path, HTTP_HX_REQUEST="true")


def n_rows(answer):
    return answer.content.decode().count('id="decision-')


# --- positions and orders ------------------------------------------------------------------------


def test_positions_are_valued_at_the_last_price_and_left_ones_say_so(member, deployment):
    deployment.state |= {"quantity": 10.0, "avg_entry_price": 80.0}
    deployment.save()
    deployment.portfolio.positions.create(
        instrument=deployment.instrument, quantity=10, avg_entry_price=80, last_price=100
    )

    page = said(member.get(address(deployment.version)))
    deployment_stop(deployment=deployment, now=NOW)
    stopped = said(member.get(address(deployment.version)))

    assert "$1,000.00" in page
    assert "+$200.00 (+25.00%)" in page
    assert "left to you when it was stopped" not in page
    assert "left to you when it was stopped" in stopped


def test_orders_at_work_come_with_what_rests_for_the_position_marked_and_last(
    member, portfolio, deployment
):
    portfolio.positions.create(
        instrument=deployment.instrument, quantity=10, avg_entry_price=80, last_price=100
    )
    ordered(deployment, f"s{deployment.pk}-stop", side="SELL", order_type="STOP_MARKET",
            limit_price=None, stop_price="1", protection="STOP")  # fmt: skip
    ordered(deployment, f"s{deployment.pk}-1")

    answer = member.get(address(deployment.version))

    assert [order.protection for order in answer.context["desk"].working] == ["", "STOP"]
    assert "Stop, rests for its position" in said(answer)


def test_the_page_lists_the_last_twenty_orders_and_the_file_all(member, deployment):
    for k in range(22):
        order = ordered(deployment, f"s{deployment.pk}-{k}")
        Order.objects.filter(pk=order.pk).update(market_at=FIRST_CLOSE + k * DAY, status="CANCELED")
    path = address(deployment.version, "orders/")

    shown = said(part(member, path))
    rows = list(csv.DictReader(io.StringIO(member.get(f"{path}?format=csv").content.decode())))

    assert "The last 20 of 22 orders" in shown
    assert f"{FIRST_CLOSE + 21 * DAY:%Y-%m-%d}" in shown
    assert f"{FIRST_CLOSE + 1 * DAY:%Y-%m-%d}" not in shown
    assert len(rows) == 22
    assert (rows[0]["version"], rows[0]["protection"]) == ("1", "")


def test_the_block_of_orders_opened_alone_leads_to_the_page(member, deployment):
    answer = member.get(address(deployment.version, "orders/"))

    assert (answer.status_code, answer.url) == (302, f"{address(deployment.version)}#desk")


# --- the log -------------------------------------------------------------------------------------


def test_the_first_page_of_the_log_follows_the_stream(member, deployment):
    decided(deployment, 649)

    page = member.get(address(deployment.version)).content.decode()

    opening = page.split('<div id="log"')[1].split(">")[0]
    assert f'hx-get="{address(deployment.version, "decisions/")}"' in opening
    assert "stream:decision" in opening
    assert "stream:resync" in opening
    assert 'id="log-news"' not in page


def test_fetching_the_log_again_shows_each_decision_once(member, deployment):
    path = address(deployment.version, "decisions/")
    decided(deployment, 648)
    before = part(member, path)
    newer = decided(deployment, 649)

    after, again = part(member, path), part(member, path)

    assert (n_rows(before), n_rows(after), n_rows(again)) == (1, 2, 2)
    assert after.content.decode().count(f'id="decision-{newer.pk}"') == 1
    assert "<html" not in after.content.decode()
    assert 'href="?action=HOLD"' in after.content.decode()


@pytest.mark.parametrize("query", ["action=HOLD", "page=2"])
def test_a_filtered_or_older_page_stays_and_counts_what_is_new(member, deployment, query):
    for day in range(600, 630):
        decided(deployment, day)
    page = member.get(f"{address(deployment.version)}?{query}").content.decode()
    asked = page.split('id="log-news"')[1].split('hx-get="')[1].split('"')[0].replace("&amp;", "&")

    nothing = part(member, asked)
    Decision.objects.create(
        deployment=deployment, market_at=LATER, action="EXIT", price=1.0, reason="Exit: stop."
    )
    news = said(part(member, asked))

    assert nothing.content.decode().strip() == ""
    assert "1 new decision" in news
    assert ("0 of them “Hold”" in news) is query.startswith("action")
    assert "Show the newest" in news


def test_the_address_of_the_log_leads_a_person_to_the_page(member, deployment):
    answer = member.get(address(deployment.version, "decisions/?action=HOLD"))

    assert answer["Location"] == address(deployment.version, "?action=HOLD#log")


# --- parameters ----------------------------------------------------------------------------------


def test_a_parameter_says_when_it_changed_and_draws_its_steps(member, deployment):
    for day, factor, regime in (
        (600, 9.0, "LOW"), (640, 1.0, "NORMAL"), (641, 1.0, "HIGH"), (642, 0.6, "HIGH"),
        (643, 0.6, "HIGH"),
    ):  # fmt: skip
        decided(deployment, day, factor, regime)

    changes = parameter_changes(deployment)
    history = changes.histories["size_factor"]
    drawn = strip_of(history, changes)

    assert changes.n_bars == 4  # the one of day 600 lies before the month
    assert history.changed_at == FIRST_CLOSE + 642 * DAY
    assert changes.histories["breaker"].changed_at is None
    assert [(rect["slug"], rect["width"]) for rect in drawn["rects"]] == [
        ("normal", "250.0"), ("high", "250.0"), ("high", "500.0")
    ]  # fmt: skip
    assert drawn["path"] == "M0.0 3.0L250.0 3.0L250.0 3.0L500.0 3.0L500.0 19.0L1000.0 19.0"
    assert strip_text(history) == (
        f"Size factor over the last 30 days: 1 from {FIRST_CLOSE + 640 * DAY:%Y-%m-%d}, "
        f"0.6 from {FIRST_CLOSE + 642 * DAY:%Y-%m-%d}"
    )
    page = said(member.get(address(deployment.version)))
    assert f"not since {FIRST_CLOSE + 640 * DAY:%Y-%m-%d}" in page


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("RUNNING", "The next bar closes within 2 seconds: the replay shows 30 a minute."),
        ("PAUSED", "The replay stands still: it decides when the next bar is shown."),
    ],
)
def test_before_the_first_decision_it_is_said_when_the_next_bar_closes(
    member, portfolio, deployment, state, words
):
    type(portfolio.replay).objects.update(state=state, speed=30)

    assert words in said(member.get(address(deployment.version)))


def test_the_strips_are_a_table_and_a_file_too(member, deployment):
    decided(deployment, 640)
    decided(deployment, 641, 0.5, "HIGH")
    path = address(deployment.version, "parameters/")

    page = said(member.get(path))
    rows = list(csv.DictReader(io.StringIO(member.get(f"{path}?format=csv").content.decode())))

    assert "2 decisions from" in page
    moved = [(row["value"], row["regime"]) for row in rows if row["parameter"] == "size_factor"]
    assert moved == [("1.0", "NORMAL"), ("0.5", "HIGH")]
    assert (names := [row["parameter"] for row in rows]) == sorted(names)


def test_the_file_of_decisions_reads_no_large_column_it_does_not_hold(member, deployment):
    decided(deployment, 640, rules=[], source={})

    with CaptureQueriesContext(connection) as asked:
        answer = member.get(f"{address(deployment.version)}?format=csv")

    assert "Hold: all is well." in answer.content.decode()
    sent = " ".join(query["sql"] for query in asked)
    assert '"trading_decision"."reason"' in sent
    for column in ("inputs", "parameters", "sizing", "rules", "source"):
        assert f'"trading_decision"."{column}"' not in sent


def test_there_are_no_parameters_before_the_first_decision(member, version, deployment):
    assert "No parameters yet." in said(member.get(address(version, "parameters/")))


def test_a_month_of_parameters_is_read_in_two_statements(deployment, django_assert_num_queries):
    for day in range(600, 650):
        decided(deployment, day)

    with django_assert_num_queries(2):
        parameter_changes(deployment)


# --- what was done to it -------------------------------------------------------------------------


def test_what_was_done_to_it_is_kept_and_shown(member, deployment):
    deployment_pause(deployment=deployment)
    deployment_pause(deployment=deployment)
    deployment_resume(deployment=deployment)

    page = said(member.get(address(deployment.version)))

    kinds = list(DeploymentEvent.objects.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["STARTED", "PAUSED", "RUNNING"]
    assert page.index("Resumed: version 1 on SPX") < page.index("Paused: version 1 on SPX")
