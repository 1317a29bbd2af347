from __future__ import annotations

import datetime as dt
import json
import re

import pytest
from django.core.cache import cache
from django.db import connection
from django.urls import reverse
from django.utils.text import slugify

from accounts.models import Profile, User
from accounts.tests.factories import PASSWORD, person_make
from elson import guides, showcase
from elson.context import Shell, replay_label
from elson.serving.people import DEMO_EMAIL
from elson.signup import person_sign_up
from elson.tests.test_templates import COMMENTS, TEMPLATES, faults_of
from marketdata.selectors import bars_get
from marketdata.tests.factories import instrument_make, market_make
from trading.engine.regimes import classify
from trading.models import Backtest, Strategy
from trading.services.backtests.runs import backtest_run
from trading.services.strategies import strategy_create

# Rooted addresses that a template writes out, also as a value handed to a component.
WRITTEN = re.compile(r"""(?:href|action)=["'](/[a-z][^"'{#?]*)""")
NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
PAGES = [("guides", document.slug) for document in guides.document_list("guides")] + [
    ("legal", document.slug) for document in guides.document_list("legal")
]
pytestmark = pytest.mark.django_db


@pytest.fixture
def member(db):
    market_make(200)
    user = User(email="ada@example.com")
    user.set_password(PASSWORD)
    return person_sign_up(user=user, now=NOW)


# --- landing -------------------------------------------------------------------------------------


def test_the_landing_page_does_without_data(client):
    response = client.get("/")

    text = response.content.decode()
    assert response.status_code == 200
    assert "Start a paper account" in text
    assert "tape-data" not in text
    assert "An honest look" not in text
    assert faults_of(text) == []


def test_the_landing_chart_is_made_of_stored_bars(client):
    market_make(200)

    text = client.get("/").content.decode()

    found = re.search(r'<script id="tape-data" type="application/json">(.+?)</script>', text)
    replay = json.loads(found.group(1))
    bars = bars_get("SPX")
    stored = {
        dt.datetime.fromtimestamp(ns / 1e9, tz=dt.UTC).date().isoformat(): round(close, 2)
        for ns, close in zip(bars.closed_at.tolist(), bars.close.tolist(), strict=True)
    }
    assert "Replayed real data" in text
    assert [stored[date] for date in replay["date"]] == replay["close"]


def test_the_landing_chart_shows_the_regimes_as_they_were_known(client):
    market_make(200)

    chart = showcase.landing_context()["chart"]

    bars = bars_get("SPX")
    codes = classify(bars.close, bars.bars_per_year).settled_codes
    first = next(
        i for i in range(len(bars)) if round(float(bars.close[i]), 2) == chart["replay"]["close"][0]
    )
    expected = [showcase.WORDS[code] if code >= 0 else "" for code in codes[first:]]
    assert chart["replay"]["regime"] == expected[: len(chart["replay"]["regime"])]


def test_the_bands_cover_the_chart_without_a_gap():
    bands = showcase._bands(["LOW", "LOW", "HIGH", "LOW"], 10.0)

    assert [(band["regime"], band["x"], band["width"]) for band in bands] == [
        ("LOW", 0.0, 20.0),
        ("HIGH", 20.0, 10.0),
        ("LOW", 30.0, 10.0),
    ]


def test_the_landing_page_leads_members_to_their_dashboard(client):
    client.force_login(person_make())

    text = client.get("/").content.decode()

    assert 'href="/dashboard/">Go to dashboard' in text
    assert "Start a paper account" not in text


@pytest.fixture
def demo(db):
    market_make(200)
    instrument_make("WTI", [100 - i * 0.2 for i in range(200)], name="Crude oil")
    user = User(email=DEMO_EMAIL, is_demo=True)
    user.set_password(PASSWORD)
    return person_sign_up(user=user, now=NOW)


def test_the_runs_of_the_landing_page_are_asked_for_once(demo):
    showcase.showcase_request(user=demo, now=NOW)
    showcase.showcase_request(user=demo, now=NOW)

    assert Backtest.objects.filter(user=demo).count() == len(showcase.RUNS) == 2


def test_results_are_shown_when_both_runs_have_finished(demo, client):
    showcase.showcase_request(user=demo, now=NOW)
    first, second = Backtest.objects.order_by("pk")

    backtest_run(backtest_id=first.pk, clock=lambda: NOW)
    assert showcase.landing_context()["results"] == []
    backtest_run(backtest_id=second.pk, clock=lambda: NOW)

    cache.clear()
    text = client.get("/").content.decode()
    second.refresh_from_db()
    assert "An honest look at two results" in text
    assert second.result.honesty["verdict"] in text
    assert faults_of(text) == []


# --- guides and legal texts ----------------------------------------------------------------------


@pytest.mark.parametrize(("folder", "slug"), PAGES)
def test_a_text_is_shown_in_the_shell_with_working_links(client, folder, slug):
    url = reverse("guide" if folder == "guides" else "legal", args=[slug])

    response = client.get(url)

    text = response.content.decode()
    assert response.status_code == 200
    assert faults_of(text) == []
    assert len(re.findall(r"<h1[ >]", text)) == 1


@pytest.mark.parametrize(("folder", "slug"), PAGES)
def test_links_of_a_text_lead_a_visitor_there_or_to_sign_in_first(client, member, folder, slug):
    links = re.findall(r'href="(/[^"#]*)', guides.document_get(folder, slug).body)

    answers = {link: client.get(link) for link in links}
    client.force_login(member)

    for link, answer in answers.items():
        waits = f"{reverse('account_login')}?next={link}"
        assert answer.status_code == 200 or answer.headers["Location"] == waits, link
        assert client.get(link).status_code == 200, link


def test_no_two_guides_share_an_address():
    assert len(PAGES) == len(set(PAGES))


def test_unknown_texts_are_not_found(client):
    assert client.get("/docs/nothing/").status_code == 404
    assert client.get("/legal/nothing/").status_code == 404


def test_the_list_names_every_guide(client):
    text = client.get("/docs/").content.decode()

    assert all(document.title in text for document in guides.document_list("guides"))


def test_html_in_a_text_is_shown_and_not_obeyed(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    folder = tmp_path / "docs" / "guides"
    folder.mkdir(parents=True)
    evil = "# Title\n\nSum.\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) <b>y</b>\n"
    (folder / "10-evil.md").write_text(evil, encoding="utf-8")

    body = guides.document_get("guides", "evil").body

    assert "<script" not in body
    assert "<b>" not in body
    assert 'href="javascript' not in body


def test_every_heading_of_a_text_can_be_linked_to():
    body = guides.document_get("guides", "glossary").body

    for name in ("Sharpe ratio", "Max drawdown", "Win rate", "Break-even cost"):
        assert f'<h3 id="{slugify(name)}">' in body


# --- shell ---------------------------------------------------------------------------------------


def test_the_shell_asks_nothing_for_strangers(rf, django_assert_num_queries):
    from django.contrib.auth.models import AnonymousUser

    request = rf.get("/")
    request.user = AnonymousUser()
    shell = Shell(request)

    with django_assert_num_queries(0):
        assert {part: shell[part] for part in shell} == dict.fromkeys(Shell.PARTS)


def test_the_shell_asks_two_questions_for_members(rf, member, django_assert_num_queries):
    request = rf.get("/")
    request.user = User.objects.get(pk=member.pk)
    shell = Shell(request)

    with django_assert_num_queries(2):
        profile, portfolio, replay = shell["profile"], shell["portfolio"], shell["replay"]

    assert profile["updown"] == "default"
    assert (portfolio["name"], portfolio["kind"]) == ("Main", "PAPER")
    assert replay["speed"] == 60
    assert replay["label"].endswith("one day a second. Not live. Simulated money.")


def test_the_label_says_other_speeds_in_words(member):
    replay = member.portfolios.get().replay
    replay.speed = 120

    assert "120 days a minute" in replay_label(replay)


def test_a_member_without_a_portfolio_still_gets_pages(client):
    client.force_login(person_make())

    assert client.get("/more/").status_code == 200


# --- checklist -----------------------------------------------------------------------------------


def test_the_checklist_ticks_what_a_person_opened(client, member):
    client.force_login(member)
    steps = Shell(_request_of(member))["checklist"]["steps"]
    visited = next(step["key"] for step in steps if step["key"] in {"watch", "why", "honesty"})

    response = client.post(reverse("checklist_step", args=[visited]))

    assert response.status_code == 302
    assert Profile.objects.get(user=member).checklist_steps == [visited]
    again = Shell(_request_of(User.objects.get(pk=member.pk)))["checklist"]
    assert next(step for step in again["steps"] if step["key"] == visited)["is_done"]


def test_the_checklist_does_not_believe_that_a_second_factor_is_on(client, member):
    client.force_login(member)

    client.post(reverse("checklist_step", args=["mfa"]))

    assert Profile.objects.get(user=member).checklist_steps == []


def test_an_unknown_step_is_not_found(client, member):
    client.force_login(member)

    assert client.post(reverse("checklist_step", args=["nothing"])).status_code == 404
    assert client.get(reverse("checklist_step", args=["why"])).status_code == 405


def test_a_dismissed_checklist_is_gone(client, member):
    client.force_login(member)

    client.post("/onboarding/checklist/dismiss/")

    assert Shell(_request_of(User.objects.get(pk=member.pk)))["checklist"] is None


def _request_of(user):
    from django.test import RequestFactory

    request = RequestFactory().get("/")
    request.user = user
    return request


# --- addresses written out -----------------------------------------------------------------------


def test_every_address_a_template_writes_out_exists(client, member):
    client.force_login(member)
    texts = (COMMENTS.sub("", path.read_text(encoding="utf-8")) for path in TEMPLATES)
    written = sorted({found for text in texts for found in WRITTEN.findall(text)})

    missing = [address for address in written if client.get(address).status_code == 404]

    assert len(written) > 20
    assert missing == []


# --- search --------------------------------------------------------------------------------------


def test_what_is_not_there_can_be_searched_for(client, member):
    client.force_login(member)

    lost = client.get("/nothing/")
    found = client.get("/search/?q=spx").content.decode()

    assert lost.status_code == 404
    assert 'action="/search/"' in lost.content.decode()
    assert 'href="/markets/SPX/"' in found


def test_what_was_made_with_rules_that_are_gone_is_found_by_its_key(client, member):
    strategy_create(user=member, key="sma_cross", name="Crossing", parameters={})
    Strategy.objects.update(key="gone_rules")
    client.force_login(member)

    text = client.get("/search/?q=crossing").content.decode()

    assert "gone_rules" in text


def test_a_visitor_finds_guides_and_nobody_s_runs(client, member):
    text = client.get("/search/?q=regime").content.decode()

    assert 'href="/docs/regimes/"' in text
    assert "/backtests/" not in text
    assert "Nothing was found." in client.get("/search/?q=zzzz").content.decode()


@pytest.mark.parametrize("path", ["/", "/api/v1/portfolios/"])
def test_who_is_signed_in_is_told_too_that_the_tables_are_old(client, member, path):
    client.force_login(member)
    client.raise_request_exception = False
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_profile RENAME COLUMN time_zone TO absent")

    response = client.get(path)

    assert response.status_code == 503
    assert "manage.py migrate" in response.content.decode()
    assert response.has_header("Retry-After")


@pytest.mark.parametrize("path", ["/search/?q=%00", "/orders/?symbol=%00"])
def test_a_query_with_a_nul_has_a_page_that_says_so(client, member, path):
    client.force_login(member)

    response = client.get(path)

    assert response.status_code == 400
    assert "NUL character" in response.content.decode()
