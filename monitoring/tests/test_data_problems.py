"""Problems of the data a model was trained on: listed, chosen by kind, downloaded."""

from __future__ import annotations

import pytest

from trading.tests.model_rows import (
    gap_make,
    version_make,
)
from trading.tests.views.pages import text

pytestmark = pytest.mark.django_db


def test_the_page_of_models_shows_the_first_problems_and_leads_to_all(plus):
    version = version_make()
    version.training.symbols = [f"GONE{k}" for k in range(9)]
    version.training.save()

    part = text(plus.get("/models/?part=data", headers={"HX-Request": "true"}))
    whole = text(plus.get("/models/?part=data"))

    assert (part.count("import its bars"), whole.count("import its bars")) == (8, 9)
    assert "All <data" in part


def test_open_data_problems_name_the_market_and_lead_to_it(plus, walk):
    version = version_make()
    version.training.symbols = ["WALK", "GONE"]
    version.training.save()
    gap_make()

    html = text(plus.get("/models/?part=data"))
    rows = plus.get(f"/api/v1/models/{version.pk}/data-problems/").json()

    assert 'href="/markets/WALK/"' in html
    assert "A gap, 1990-02-01 to 1990-03-01" in html
    assert [(row["symbol"], row["kind"]) for row in rows] == [("GONE", "MISSING"), ("WALK", "GAP")]


def test_data_problems_can_be_chosen_by_kind_and_downloaded(plus):
    version = version_make()
    version.training.symbols = ["WALK", "GONE"]
    version.training.save()

    download = plus.get("/models/?part=data&format=csv").content.decode()

    assert "GONE,1d,MISSING" in download
    assert "No open problem of this kind." in text(plus.get("/models/?part=data&kind=GAP"))


def test_staff_are_led_to_the_series(plus, member, walk):
    client, person = member
    version_make()
    gap_make()
    person.is_staff = True
    person.save()

    assert "/staff/marketdata/barseries/?q=WALK" in text(client.get("/models/?part=data"))


def test_without_a_model_there_is_no_data_to_judge(plus):
    assert "No prices to judge yet." in text(plus.get("/models/?part=data"))
    assert 'id="window"' not in text(plus.get("/models/"))


def test_whole_prices_are_no_problem(plus):
    version = version_make()
    version.training.symbols = ["WALK"]
    version.training.save()

    assert "No open data problem." in text(plus.get("/models/?part=data"))
