"""What was said against what happened, by window, and what each sub-model adds."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest
from django.utils import timezone

from trading.tests.model_rows import (
    candidates,
    members_make,
    predictions_make,
    version_make,
)
from trading.tests.views.pages import text

pytestmark = pytest.mark.django_db


def test_reliability_is_judged_by_window_and_can_be_downloaded(plus):
    version_make()

    html = text(plus.get("/models/?over=quarter"))
    download = plus.get("/models/?over=quarter&part=reliability&format=csv").content.decode()
    rows = list(csv.DictReader(io.StringIO(download)))

    assert re.search(r">4</data> windows with at least 20 results", html)
    assert "2018 Q4" in html
    assert [row["n"] for row in rows] == ["100"] * 4
    assert rows[0]["quarter"] == "2018 Q4"


def test_a_rolling_year_joins_its_quarters(plus):
    version = version_make()

    rows = plus.get(f"/api/v1/models/{version.pk}/reliability/?source=tested&over=year").json()

    assert [(row["quarter"], row["n"]) for row in rows] == [
        ("2018 Q1", 100),
        ("2018 Q2", 200),
        ("2018 Q3", 300),
        ("2018 Q4", 400),
    ]


def test_live_reliability_goes_by_the_market_date_and_needs_twenty(plus, walk):
    version = version_make()
    predictions_make(version, walk, {"LOW": 12}, now=timezone.now())

    html = text(plus.get("/models/?source=live"))

    assert "Too few results: a window needs 20." in html
    assert "too few (" in html.split('id="reliability"')[1]


def test_the_free_plan_has_no_reliability_over_rest(member):
    client, _ = member
    version = version_make()

    assert client.get(f"/api/v1/models/{version.pk}/reliability/").status_code == 403
    assert client.get(f"/api/v1/models/{version.pk}/").json()["members"] is None
    assert "over time" not in text(client.get("/models/")).split("part of Plus")[1]


def test_an_unknown_source_of_reliability_is_refused(plus):
    version = version_make()

    refused = plus.get(f"/api/v1/models/{version.pk}/reliability/?source=other")

    assert refused.json()["code"] == "INVALID_SOURCE"


def test_a_single_model_is_said_to_decide_alone(plus):
    version = version_make()

    for address in ("/models/", f"/models/{version.pk}/"):
        assert "A single model decides: logistic regression" in text(plus.get(address))


def test_each_sub_model_has_its_weight_and_its_own_skill_by_regime(plus):
    version = version_make()
    p, net = candidates(400, 1)
    version.kind = "ENSEMBLE"
    version.metrics["members"] = [
        members_make("LOGISTIC", 1 / 3, p, net),
        members_make("RANDOM_FOREST", 1 / 3, np.full(400, 0.5), net),
        members_make("HIST_GRADIENT_BOOSTING", 1 / 3, 1.0 - p, net),
    ]
    version.save()

    html = text(plus.get("/models/")).split('id="members"')[1].split("</section>")[0]

    assert html.count("33%") == 3
    assert html.split("Most skill alone")[1].count("Logistic regression") == 4


def test_an_older_ensemble_says_that_its_members_were_not_measured(plus):
    version = version_make()
    version.kind, version.metrics = "ENSEMBLE", {"all": version.metrics["all"]}
    version.save()

    html = text(plus.get("/models/"))

    assert "was not measured" in html
    assert "was kept without quarters" in html


def test_a_tested_curve_stands_for_each_regime(plus):
    version_make()

    html = text(plus.get("/models/"))

    assert 'aria-label="Win rate over predicted probability, Extreme"' in html
    worst = re.search(r'href="#(curve-\w+)">Worst regime', html)
    assert f'id="{worst[1]}"' in html
    assert worst[1] != "curve-all"
