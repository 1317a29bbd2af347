"""A result by a link: what it shows, whom it does not name, and that it can be taken back."""

from __future__ import annotations

import re

import pytest

from accounts.models import User
from trading.models import Backtest, BacktestShare
from trading.services.backtests.requests import backtest_describe
from trading.services.backtests.sharing import share_create, share_revoke
from trading.tests.backtest_rows import done_make, waiting_make
from trading.tests.factories import NOW, user_make
from trading.tests.views.pages import text

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return user_make()


def shared(owner, **words):
    made = done_make(owner)
    if words:
        backtest_describe(backtest=made, **words)
    return made, share_create(backtest=made, now=NOW)


def address(share):
    return f"/shared/backtests/{share.token}/"


def test_whoever_has_the_link_reads_the_result_marked_as_simulated(client, owner):
    made, share = shared(owner)

    page = text(client.get(address(share)))

    assert "Simulated" in page
    assert "nothing here was traded" in page
    assert made.result.honesty["verdict"] in page
    assert 'data-testid="by-regime"' in page
    assert re.search(r"<code>fast</code>.*?>5<", page)


def test_a_reader_learns_nothing_of_the_owner(client, owner):
    User.objects.filter(pk=owner.pk).update(email="secret.person@example.org")
    made, share = shared(owner, note="my private idea", tags="secret-tag")

    answer = client.get(address(share))

    page = answer.content.decode()
    for word in ("secret.person", "my private idea", "secret-tag", f"#{made.pk}<", "/backtests/"):
        assert word not in page.replace(address(share), ""), word
    assert "No other idea of the author on this instrument was judged" in page
    assert "of yours" not in page


def test_the_owner_is_told_what_of_the_account_a_reader_learns(desk, owner):
    made = shared(owner)[0]

    page = text(desk.get(f"/backtests/{made.pk}/share/"))

    assert "How many trials and other ideas of yours on this instrument came before it" in page
    assert "nothing else of your account" in page


def test_a_link_is_kept_out_of_search_engines_and_caches(client, owner):
    answer = client.get(address(shared(owner)[1]))

    assert answer["X-Robots-Tag"] == "noindex, nofollow, noarchive"
    assert answer["Cache-Control"] == "no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert '<meta name="robots" content="noindex' in answer.content.decode()


def test_a_link_taken_back_or_never_made_is_not_found(client, owner):
    made, share = shared(owner)
    share_revoke(backtest=made, now=NOW)

    for path in (address(share), "/shared/backtests/guess/", "/shared/backtests/%00/"):
        assert client.get(path).status_code == 404


def test_the_link_of_a_closed_account_is_not_found(client, owner):
    share = shared(owner)[1]
    User.objects.filter(pk=owner.pk).update(is_active=False)

    assert client.get(address(share)).status_code == 404


def test_a_link_is_long_and_drawn_anew_each_time(owner):
    made, first = shared(owner)
    share_revoke(backtest=made, now=NOW)
    second = share_create(backtest=made, now=NOW)

    assert first.token != second.token
    assert len(second.token) >= 43
    assert second.token not in str(second)


def test_two_clicks_make_one_link(desk, owner):
    made = done_make(owner)

    for _ in range(2):
        desk.post(f"/backtests/{made.pk}/share/")

    share = BacktestShare.objects.get()
    assert address(share) in desk.get(f"/backtests/{made.pk}/share/").content.decode()


def test_the_owner_takes_the_link_back(desk, owner):
    made, share = shared(owner)

    page = text(desk.post(f"/backtests/{made.pk}/share/", {"action": "revoke"}, follow=True))

    assert "The link is taken back" in page
    assert "There is no link to this result." in page
    assert share.token not in page
    assert desk.get(address(share)).status_code == 404


def test_taking_one_link_back_leaves_the_others(client, owner):
    first, kept = shared(owner)[0], shared(owner)[1]

    share_revoke(backtest=first, now=NOW)

    assert client.get(address(kept)).status_code == 200


def test_only_the_owner_shares_a_run(client, owner):
    made = done_make(owner)
    path = f"/backtests/{made.pk}/share/"

    assert client.get(path).url.startswith("/accounts/login/")
    client.force_login(user_make())
    assert (client.get(path).status_code, client.post(path).status_code) == (404, 404)
    assert not BacktestShare.objects.exists()


def test_a_run_without_a_result_cannot_be_shared(desk, owner):
    made = waiting_make(owner)

    assert "Only a finished run" in text(desk.get(f"/backtests/{made.pk}/share/"))
    assert desk.post(f"/backtests/{made.pk}/share/").status_code == 409
    assert not BacktestShare.objects.exists()


def test_the_doors_of_rest_make_show_and_take_back_a_link(client, owner):
    made = done_make(owner)
    path = f"/api/v1/backtests/{made.pk}/share/"
    assert client.get(path).status_code == 401
    client.force_login(user_make())
    assert [getattr(client, m)(path).status_code for m in ("get", "post", "delete")] == [404] * 3
    client.force_login(owner)

    assert client.get(path).status_code == 404
    first, second = client.post(path), client.post(path)

    assert first.status_code == 201
    assert first.json() == second.json() == client.get(path).json()
    assert client.get(first.json()["path"]).status_code == 200
    assert [client.delete(path).status_code for _ in range(2)] == [204, 204]
    assert client.get(first.json()["path"]).status_code == 404


# --- reporting a failure ------------------------------------------------------------------------


def failed(owner):
    made = waiting_make(owner)
    Backtest.objects.filter(pk=made.pk).update(
        status="FAILED", error="It broke.", error_code="INTERNAL", finished_at=NOW
    )
    return made


def test_a_failed_run_is_reported_with_its_number_and_code(desk, owner):
    made = failed(owner)

    before = text(desk.get(f"/backtests/{made.pk}/"))
    after = text(
        desk.post(f"/backtests/{made.pk}/report/", {"text": " It should run. "}, follow=True)
    )

    row = Backtest.objects.get()
    assert f"Run #{made.pk}, code <code>INTERNAL</code>" in before
    assert (row.report, row.reported_at is not None) == ("It should run.", True)
    assert f"Run #{made.pk} is reported." in after
    assert "Change the report" in after


def test_reporting_again_replaces_the_words_and_keeps_the_moment(desk, owner):
    made = failed(owner)
    Backtest.objects.update(report="First.", reported_at=NOW)

    desk.post(f"/backtests/{made.pk}/report/", {"text": "Second."})

    row = Backtest.objects.get()
    assert (row.report, row.reported_at) == ("Second.", NOW)


def test_a_run_that_did_not_fail_is_not_reported(desk, owner):
    made = waiting_make(owner)

    page = text(desk.post(f"/backtests/{made.pk}/report/", {"text": "Hm."}, follow=True))

    assert f"Backtest #{made.pk} is queued, not failed." in page
    assert Backtest.objects.get().reported_at is None


def test_a_report_that_is_too_long_is_refused_with_its_limit(desk, owner):
    made = failed(owner)

    page = text(desk.post(f"/backtests/{made.pk}/report/", {"text": "x" * 501}, follow=True))

    assert "Report has 501 characters; the limit is 500." in page
    assert Backtest.objects.get().report == ""


def test_a_report_no_database_can_store_is_refused(desk, owner):
    made = failed(owner)

    page = text(desk.post(f"/backtests/{made.pk}/report/", {"text": "a\0b"}, follow=True))

    assert "Report: Null characters are not allowed." in page
    assert Backtest.objects.get().report == ""


def test_the_door_of_rest_reports_for_the_owner_alone(client, owner):
    made = failed(owner)
    path = f"/api/v1/backtests/{made.pk}/report/"

    def report():
        return client.post(path, {"text": "Why?"}, content_type="application/json")

    assert report().status_code == 401
    client.force_login(user_make())
    assert report().status_code == 404
    client.force_login(owner)
    assert report().json()["reported_at"] is not None
    assert Backtest.objects.get().report == "Why?"
