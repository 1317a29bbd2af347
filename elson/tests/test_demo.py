from __future__ import annotations

import datetime as dt
import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from accounts.selectors import user_get_by_email
from elson import demo
from elson.demo import demo_create, demo_reset
from elson.serving.people import (
    DEMO_EMAIL,
    STAFF_EMAIL,
    sign_in_lines,
    sign_in_password,
    sign_ins_path,
)
from marketdata.tests.factories import market_make
from trading.selectors.portfolios import portfolio_of

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def market(db, settings, monkeypatch):
    market_make()
    settings.IS_DEVELOPMENT = True
    # The landing page's two runs need years of prices of their own.
    monkeypatch.setattr(demo, "showcase_request", lambda **_: None, raising=False)


def make(now: dt.datetime = NOW) -> demo.DemoMade:
    return demo_create(demo_password="a demo password", staff_password="a staff password", now=now)


def test_demo_person_has_a_portfolio_and_a_running_strategy():
    made = make()

    person = user_get_by_email(DEMO_EMAIL)
    assert made.created == (DEMO_EMAIL, STAFF_EMAIL)
    assert person.is_demo
    assert not person.is_staff
    assert portfolio_of(person).deployments.filter(status="RUNNING").count() == 1
    assert user_get_by_email(STAFF_EMAIL).is_superuser


def test_second_call_makes_nobody_new_and_sets_the_password_right():
    make()
    person = user_get_by_email(DEMO_EMAIL)
    person.set_password("forgotten")
    person.save()

    made = make()

    assert made.kept == (DEMO_EMAIL, STAFF_EMAIL)
    assert User.objects.count() == 2
    assert user_get_by_email(DEMO_EMAIL).check_password("a demo password")


def test_reset_begins_afresh_and_keeps_the_old_books():
    make()
    before = user_get_by_email(DEMO_EMAIL)
    portfolio = portfolio_of(before)

    demo_reset(demo_password="another password", now=NOW)

    after = user_get_by_email(DEMO_EMAIL)
    before.refresh_from_db()
    assert after.pk != before.pk
    assert portfolio_of(after).pk != portfolio.pk
    assert (before.is_active, before.has_usable_password()) == (False, False)
    assert portfolio_of(before).pk == portfolio.pk


def test_command_keeps_its_password_between_runs(settings, tmp_path):
    settings.STATE_DIR = tmp_path
    out = StringIO()

    call_command("create_demo", "--json", stdout=out)
    password = sign_in_password(tmp_path, DEMO_EMAIL)
    call_command("create_demo", "--json", stdout=out)

    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert (first["created"], second["created"]) == ([DEMO_EMAIL, STAFF_EMAIL], [])
    assert user_get_by_email(DEMO_EMAIL).check_password(password)
    assert sign_ins_path(tmp_path).stat().st_mode & 0o777 == 0o600
    assert any(password in line for line in sign_in_lines(tmp_path, "http://127.0.0.1:8000"))


@pytest.mark.parametrize("command", ["create_demo", "reset_demo"])
def test_public_site_asks_twice(settings, command):
    settings.IS_DEVELOPMENT = False

    with pytest.raises(CommandError, match="needs --yes"):
        call_command(command)

    assert not User.objects.exists()


def test_public_site_gets_no_member_of_staff(settings, tmp_path):
    settings.IS_DEVELOPMENT, settings.STATE_DIR = False, tmp_path

    call_command("create_demo", "--yes", verbosity=0)

    assert user_get_by_email(STAFF_EMAIL) is None
