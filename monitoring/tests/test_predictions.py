"""Predictions of a version over REST: by plan, by regime, and nothing from after one's date."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.services import entitlement_grant
from trading.tests.factories import DAY, NOW, instrument_make, portfolio_make
from trading.tests.model_rows import predictions_make, version_make

pytestmark = pytest.mark.django_db
CURSOR = NOW - 5 * DAY


@pytest.fixture
def lead():
    return instrument_make("SPX", [100.0] * 3)


@pytest.fixture
def member(client, lead):
    person = portfolio_make(lead=lead, cursor_at=CURSOR).user
    entitlement_grant(user=person, key="models.detail", value=1, source="test")
    client.force_login(person)
    return client


def path_of(version):
    return f"/api/v1/models/{version.pk}/predictions/"


def test_predictions_are_told_up_to_the_market_date_of_who_asks(member, lead):
    version = version_make()
    predictions_make(version, lead, {"LOW": 20})

    rows = member.get(path_of(version)).json()["results"]

    assert len(rows) == version.predictions.filter(market_at__lte=CURSOR).count() == 16
    # Each was resolved at NOW, which lies after the reader's date.
    assert {row["net_return"] for row in rows} == {None}
    assert {row["resolved_at"] for row in rows} == {None}
    assert {row["is_win"] for row in rows} == {None}


def test_an_outcome_before_the_market_date_is_told(member, lead):
    version = version_make()
    predictions_make(version, lead, {"LOW": 20})
    version.predictions.update(resolved_at=CURSOR)

    rows = member.get(path_of(version)).json()["results"]

    assert all(row["is_win"] is (row["net_return"] > 0) for row in rows)


def test_predictions_are_filtered_by_regime_and_read_at_once(member, lead):
    version = version_make()
    predictions_make(version, lead, {"LOW": 10, "HIGH": 20})

    with CaptureQueriesContext(connection) as few:
        high = member.get(f"{path_of(version)}?regime=HIGH&page_size=2").json()["results"]
    with CaptureQueriesContext(connection) as many:
        every = member.get(f"{path_of(version)}?regime=HIGH").json()["results"]

    assert {row["regime"] for row in every} == {"HIGH"}
    assert (len(high), len(many)) == (2, len(few))
    assert member.get(f"{path_of(version)}?regime=HOT").status_code == 400


def test_the_free_plan_is_refused(client, lead):
    client.force_login(portfolio_make(lead=lead).user)

    answer = client.get(path_of(version_make()))

    assert (answer.status_code, answer.json()["code"]) == (403, "PLAN_TOO_SMALL")
