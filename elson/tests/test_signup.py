from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db.models import Sum

from accounts.models import Profile, User
from elson import signup
from elson.signup import person_sign_up
from marketdata.models import ReplaySession, Watchlist, WatchlistItem
from marketdata.tests.factories import market_make
from trading.models import Deployment, JournalEntry, Portfolio, Posting, Strategy

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
PASSWORD = "correct horse battery staple"
FORM = {"email": "ada@example.com", "password1": PASSWORD, "time_zone": "Europe/Berlin"}
MADE = (
    User, EmailAddress, Profile, ReplaySession, Portfolio, JournalEntry, Posting, Watchlist,
    WatchlistItem, Strategy, Deployment,
)  # fmt: skip
pytestmark = pytest.mark.django_db


@pytest.fixture
def market():
    market_make()


def unsaved(email: str = "ada@example.com") -> User:
    user = User(email=email)
    user.set_password(PASSWORD)
    return user


def counts() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in MADE}


def test_signing_up_makes_everything_a_first_visit_needs(market):
    user = person_sign_up(user=unsaved(), time_zone="Europe/Berlin", now=NOW)

    portfolio = Portfolio.objects.get(user=user)
    deployment = Deployment.objects.get(portfolio=portfolio)
    assert (portfolio.name, portfolio.kind) == ("Main", "PAPER")
    assert portfolio.replay.user == user
    assert deployment.status == "RUNNING"
    assert deployment.instrument == portfolio.replay.lead
    assert deployment.version.strategy.name == "Demo: Vol-Adaptive Trend"
    assert Watchlist.objects.get(user=user).items.count() == 5
    assert user.profile.time_zone == "Europe/Berlin"


def test_the_opening_entry_is_100000_usd_and_sums_to_zero(market):
    user = person_sign_up(user=unsaved(), now=NOW)

    entry = JournalEntry.objects.get(portfolio__user=user)
    cash = entry.postings.get(account__kind="CASH")
    assert entry.kind == "OPENING"
    assert (cash.amount, cash.account.currency) == (Decimal("100000.00"), "USD")
    assert entry.postings.aggregate(total=Sum("amount"))["total"] == 0


@pytest.mark.parametrize(
    "step", ["replay_open", "portfolio_open", "watchlist_create", "demo_deploy"]
)
def test_nothing_is_left_when_a_step_fails(market, monkeypatch, step):
    before = counts()

    def fail(**arguments):
        raise RuntimeError(step)

    monkeypatch.setattr(signup, step, fail)
    with pytest.raises(RuntimeError, match=step):
        person_sign_up(user=unsaved(), now=NOW)

    assert counts() == before


def test_the_form_signs_up_signs_in_and_leads_to_the_first_page(market, client):
    response = client.post("/accounts/signup/", FORM)

    user = User.objects.get(email="ada@example.com")
    assert response["Location"] == "/onboarding/"
    assert client.session["_auth_user_id"] == str(user.pk)
    assert user.profile.time_zone == "Europe/Berlin"
    assert Portfolio.objects.filter(user=user).count() == 1
    assert [message.to for message in mail.outbox] == [["ada@example.com"]]


def test_missing_prices_are_said_and_nothing_is_stored(client):
    response = client.post("/accounts/signup/", FORM)

    assert response.status_code == 503
    assert b"import_bars" in response.content
    assert User.objects.count() == 0


def test_a_taken_address_is_answered_by_e_mail_to_its_owner(market, client):
    person_sign_up(user=unsaved(), now=NOW)

    response = client.post("/accounts/signup/", FORM | {"email": "ADA@example.com"})

    assert response["Location"] == "/accounts/confirm-email/"
    assert "_auth_user_id" not in client.session
    assert User.objects.count() == 1
    assert mail.outbox[0].to == ["ada@example.com"]
    assert "already" in mail.outbox[0].body


def test_two_sign_ups_at_once_make_one_person(market, client, monkeypatch):
    person_sign_up(user=unsaved(), now=NOW)
    # The other request committed after this one had looked.
    monkeypatch.setattr("accounts.forms.user_get_by_email", lambda email: None)

    response = client.post("/accounts/signup/", FORM)

    assert response["Location"] == "/accounts/confirm-email/"
    assert User.objects.count() == Portfolio.objects.count() == 1


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "required"),
        ("elevenchars", "at least 12 characters"),
        ("123456789012", "entirely numeric"),
        ("qwertyuiop12", "common"),
        ("exactly12chr", None),
        ("correct horse battery staple", None),
        ("пароль из слов и пробелов", None),
        ("x1" * 64, None),
        ("ada@example.com", "similar"),
        ("1q2w3e4r5t6y", "common"),
    ],
)
def test_the_password_table(market, client, password, reason):
    response = client.post("/accounts/signup/", FORM | {"password1": password})

    if reason is None:
        assert response.status_code == 302
    else:
        assert response.status_code == 200
        text = re.sub(r"\s+", " ", response.content.decode())
        assert reason in text
        assert User.objects.count() == 0


def test_a_broken_mail_server_does_not_stop_a_sign_up(market, client, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9

    response = client.post("/accounts/signup/", FORM)

    assert response["Location"] == "/onboarding/"


def test_signing_up_again_while_signed_in_leads_on(market, client):
    client.post("/accounts/signup/", FORM)

    assert client.get("/accounts/signup/").status_code == 302
