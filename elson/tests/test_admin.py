from __future__ import annotations

import datetime as dt
import re

import pytest
from django.contrib import admin
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from elson.admin_site import StaffSite, staff_numbers
from elson.common.models import OutboxEvent
from elson.signup import person_sign_up
from marketdata.models import Instrument
from marketdata.tests.factories import market_make
from monitoring.models import Incident
from monitoring.selectors import today_get
from trading.models import ModelVersion
from trading.services.backtests.requests import backtest_describe
from trading.tests.backtest_rows import waiting_make
from trading.tests.factories import user_make
from trading.tests.model_rows import (
    drift_make,
    performance_make,
    predictions_make,
    version_make,
)

REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label)
OWN_APPS = {"accounts", "marketdata", "trading", "billing", "monitoring", "common"}
INLINE = re.compile(
    rb"<style\b|\sstyle\s*=\s*[\"']|\son[a-z]+\s*=\s*[\"']|<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>",
    re.IGNORECASE,
)
NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


@pytest.fixture
def staff(db):
    return User.objects.create_superuser("staff@example.com", "a long enough password")


@pytest.fixture
def desk(client, staff):
    client.force_login(staff)
    return client


def inline_code(content: bytes) -> list[bytes]:
    return [match.group() for match in INLINE.finditer(content)]


def assert_strict(response) -> None:
    assert response.status_code == 200
    assert "'unsafe-inline'" not in response["Content-Security-Policy"]
    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert inline_code(response.content) == []


def test_every_own_model_is_registered_for_staff():
    from django.apps import apps

    own = {
        model
        for app in apps.get_app_configs()
        if app.label in OWN_APPS
        for model in app.get_models()
        if not model.__name__.startswith("Historical")
    }
    shown_inside_another = {
        "WatchlistItem", "OrderEvent", "Posting", "BacktestTag", "BookChange", "DeploymentEvent",
    }  # fmt: skip

    missing = {model.__name__ for model in own - set(REGISTERED)}

    assert missing <= shown_inside_another


def test_admin_is_our_site():
    assert type(admin.site._wrapped if hasattr(admin.site, "_wrapped") else admin.site) is StaffSite


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label)
def test_list_page_renders_under_the_strict_policy(desk, model):
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"

    assert_strict(desk.get(reverse(name)))


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label)
def test_add_page_renders_under_the_strict_policy(desk, model):
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_add"

    response = desk.get(reverse(name))

    if response.status_code != 403:
        assert_strict(response)


def rows_of(model: type[models.Model]) -> models.QuerySet[models.Model]:
    return model._default_manager.all()


def test_change_pages_render_under_the_strict_policy(desk, staff, one_of_each):
    pages = 0
    for model in REGISTERED:
        for row in rows_of(model)[:1]:
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
            assert_strict(desk.get(reverse(name, args=[row.pk])))
            pages += 1

    assert pages >= 12


@pytest.fixture
def one_of_each(staff):
    """A person with everything sign-up makes, and a row of what else staff looks at."""
    market_make()
    person_sign_up(user=User(email="owner@example.com"), now=NOW)
    OutboxEvent.objects.create(name="trading.backtest_run", arguments={"backtest_id": 1})
    Incident.objects.create(check_key="redis", title="Live messages", opened_at=NOW)
    version = version_make()
    predictions_make(version, Instrument.objects.first(), {"LOW": 25, "HIGH": 3})
    drift_make(version)
    performance_make()


@pytest.mark.parametrize("path", ["", "password_change/", "jsi18n/", "accounts/", "ui/"])
def test_general_page_renders_under_the_strict_policy(desk, path):
    response = desk.get(f"/staff/{path}")

    if response["Content-Type"].startswith("text/html") and response.status_code == 200:
        assert_strict(response)
    assert response.status_code in (200, 302)


def test_index_shows_the_day_in_few_queries(desk, one_of_each, django_assert_max_num_queries):
    with django_assert_max_num_queries(10):
        response = desk.get("/staff/")

    page = response.content.decode()
    assert "Open incidents" in page
    assert "Live messages" in page


@pytest.mark.parametrize(
    "label",
    [
        "accounts/user",
        "trading/order",
        "trading/portfolio",
        "billing/plan",
        "marketdata/instrument",
        "trading/decision",
        "trading/modelversion",
        "trading/prediction",
        "trading/modelperformance",
    ],
)
def test_list_page_needs_few_queries(desk, one_of_each, label, django_assert_max_num_queries):
    with django_assert_max_num_queries(10):
        desk.get(f"/staff/{label}/")


@pytest.mark.parametrize("model", ["modelversion", "prediction", "driftreport", "backtest"])
def test_the_filtered_rows_can_be_saved(desk, one_of_each, model):
    whole = desk.get(f"/staff/trading/{model}/csv/")
    none = desk.get(f"/staff/trading/{model}/csv/?id__exact=0")

    assert whole["Content-Type"].startswith("text/csv")
    assert len(none.content.splitlines()) == 1
    assert b"Filtered rows as CSV" in desk.get(f"/staff/trading/{model}/").content


@pytest.mark.parametrize(
    ("model", "columns"),
    [
        ("backtestresult", ("curve", "round_trips", "daily", "manifest")),
        ("trial", ("parameters", "folds", "blocks")),
        ("decision", ("inputs", "parameters", "rules", "source")),
    ],
)
def test_a_file_reads_no_large_column_it_does_not_hold(desk, model, columns):
    with CaptureQueriesContext(connection) as asked:
        assert desk.get(f"/staff/trading/{model}/csv/").status_code == 200

    read = [query["sql"] for query in asked if f'FROM "trading_{model}"' in query["sql"]]
    assert read
    for column in columns:
        assert not any(f'"trading_{model}"."{column}"' in sql for sql in read)


def test_a_file_of_a_filter_nobody_knows_leads_to_the_list(desk):
    answer = desk.get("/staff/trading/backtest/csv/?colour=red")

    assert (answer.status_code, answer["Location"]) == (302, "/staff/trading/backtest/?e=1")


def test_a_version_shows_staff_the_matrix_of_the_model_page(desk, one_of_each):
    version = ModelVersion.objects.get()

    html = desk.get(f"/staff/trading/modelversion/{version.pk}/change/").content.decode()

    assert "walk-forward test" in html
    assert "too few (3)" in html
    assert "n=" in html


def test_the_file_is_for_staff_alone(client, one_of_each):
    client.force_login(User.objects.create_user(email="plain@example.com", password="x" * 12))

    assert client.get("/staff/trading/prediction/csv/").status_code == 302


def test_staff_numbers_add_up_what_failed(db):
    numbers = {item["label"]: item["value"] for item in staff_numbers(today_get(now=NOW))}

    assert numbers["Failed today"] == "0"
    assert numbers["Sign-ups today"] == "0"


def test_person_without_the_right_is_sent_to_sign_in(client, db):
    client.force_login(User.objects.create_user("owner@example.com", "a long enough password"))

    response = client.get("/staff/")

    assert response.status_code == 302
    assert "/login" in response["Location"]


def test_staff_without_second_factor_is_sent_to_set_one_up(desk, settings):
    settings.STAFF_NEEDS_SECOND_FACTOR = True

    response = desk.get("/staff/accounts/user/")

    assert response.status_code == 302
    assert response["Location"] == reverse("mfa_index")


def test_ledger_rows_cannot_be_added_changed_or_deleted(desk):
    for action in ("add", "1/change", "1/delete"):
        response = desk.post(f"/staff/trading/journalentry/{action}/", {})

        assert response.status_code in (302, 403)
    assert desk.get("/staff/trading/journalentry/add/").status_code == 403


def test_inline_code_is_found_by_the_test_itself():
    assert inline_code(b'<p style="color:red">')
    assert inline_code(b"<script>alert(1)</script>")
    assert inline_code(b'<a onclick="x()">')
    assert not inline_code(b'<script src="/static/x.js"></script>')


def test_a_backtest_shows_staff_the_words_it_is_filed_under(desk):
    made = waiting_make(user_make())
    backtest_describe(backtest=made, note="", tags="idea, slow")

    page = desk.get(f"/staff/trading/backtest/{made.pk}/change/").content.decode()
    found = desk.get("/staff/trading/backtest/?q=idea").content.decode()

    assert "idea, slow" in page
    assert f"/staff/trading/backtest/{made.pk}/change/" in found
