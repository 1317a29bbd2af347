"""The model pages tell, by regime, what the plan includes, and never a win rate alone."""

from __future__ import annotations

import csv
import io
import re

import pytest
from django.utils import timezone

from monitoring.serializers import ModelCardSerializer, OwnTestSerializer
from trading.engine.learning.features import MEANINGS
from trading.engine.strategies import STRATEGIES
from trading.services.models.registry import version_retire
from trading.tests.factories import portfolio_make, user_make
from trading.tests.model_rows import (
    DAY,
    drift_make,
    performance_make,
    predictions_make,
    version_make,
)
from trading.tests.views.pages import text

pytestmark = pytest.mark.django_db

ENOUGH = {"LOW": 30, "NORMAL": 60, "HIGH": 30, "EXTREME": 5}


def test_strangers_are_sent_to_sign_in(client):
    version = version_make()

    for path in ("/models/", f"/models/{version.pk}/"):
        assert client.get(path).url.startswith("/accounts/login/")
    for path in ("/api/v1/models/", f"/api/v1/models/{version.pk}/",
                 f"/api/v1/models/{version.pk}/transitions/", f"/api/v1/models/{version.pk}/drift/",
                 "/api/v1/models/verifications/"):  # fmt: skip
        assert client.get(path).status_code == 401


def test_without_a_model_the_page_says_who_decides(plus):
    html = text(plus.get("/models/"))

    assert "No model has been trained yet." in html
    assert "No verification has been stored." in html


def test_live_figures_stand_with_count_interval_and_base_rate(plus, walk):
    version = version_make()
    predictions_make(version, walk, ENOUGH, now=timezone.now())

    html = text(plus.get("/models/"))

    assert re.search(r"\d+% \(\d+–\d+\), n=\d+", html)
    assert "Base rate" in html
    assert "too few (5)" in html
    assert "Needs 20 resolved predictions in a regime; Extreme has 5." in html


def test_before_any_result_the_walk_forward_test_is_shown_and_named(plus):
    version_make()

    html = text(plus.get("/models/"))

    assert "walk-forward test, out of sample" in html
    assert "too few" not in html.split("By regime")[1].split("</table>")[0]


def test_a_window_leaves_older_predictions_out(plus, walk):
    version = version_make()
    predictions_make(version, walk, {"NORMAL": 60}, now=timezone.now() - 20 * DAY)

    counts = {}
    for window in ("7", "90"):
        html = plus.get(f"/models/?source=live&window={window}&format=csv").content.decode()
        counts[window] = [int(row["n_resolved"]) for row in csv.DictReader(io.StringIO(html))]
    assert counts == {"7": [0, 0, 0, 0], "90": [0, 60, 0, 0]}


def test_a_live_win_rate_below_its_test_is_said(plus, walk):
    version = version_make()
    predictions_make(version, walk, {"NORMAL": 60}, now=timezone.now(), win_share=0.1)

    assert "below its test" in text(plus.get("/models/?source=live"))


def test_the_free_plan_sees_the_summary_and_what_plus_adds(member, walk):
    client, _ = member
    version = version_make()
    predictions_make(version, walk, ENOUGH, now=timezone.now())
    drift_make(version)

    html = text(client.get("/models/"))
    body = client.get(f"/api/v1/models/{version.pk}/").json()

    assert "are part of Plus" in html
    assert "Log-loss</a>" not in html
    assert "brier" not in body["regimes"][0]["live"]
    assert body["regimes"][0]["live"]["interval"]


def test_the_history_of_a_version_names_states_and_reasons_but_no_people(member):
    client, person = member
    version = version_make()
    version_retire(version=version, actor=person, reason="drifted", now=timezone.now())

    rows = client.get(f"/api/v1/models/{version.pk}/transitions/").json()["results"]

    assert (rows[0]["to_state"], rows[0]["reason"]) == ("RETIRED", "drifted")
    assert person.email not in str(rows)


def test_drift_is_listed_where_the_plan_includes_it(plus):
    client = plus
    version = version_make()
    drift_make(version)
    address = f"/api/v1/models/{version.pk}/drift/"

    assert client.get(address).json()["results"][0]["light"]
    client.force_login(portfolio_make(user_make()).user)

    refused = client.get(address)
    assert refused.status_code == 403
    assert "part of Plus" in refused.content.decode()
    assert client.get("/api/v1/models/999/transitions/").status_code == 404


def test_plus_sees_scores_curves_and_drift(plus, walk):
    version = version_make()
    predictions_make(version, walk, ENOUGH, now=timezone.now())
    drift_make(version)

    html = text(plus.get("/models/?source=live"))
    body = plus.get(f"/api/v1/models/{version.pk}/").json()

    assert "Log-loss</a>" in html
    assert 'aria-label="Win rate over predicted probability, All regimes"' in html
    assert "RSI(2) / 100" in html
    assert body["regimes"][1]["live"]["brier"] > 0
    assert body["drift_light"] == "WARNING"


def test_the_csv_is_the_matrix_of_the_plan(member, plus, walk):
    client, _ = member
    version_make()

    rows = list(csv.DictReader(io.StringIO(client.get("/models/?format=csv").content.decode())))

    assert [row["regime"] for row in rows] == ["LOW", "NORMAL", "HIGH", "EXTREME"]
    assert float(rows[0]["brier"]) > 0


def test_the_verification_names_protocol_data_and_date(plus):
    performance_make()

    html = text(plus.get("/models/"))

    assert "Every goal of the protocol was met." in html
    assert "vol-robustness-v1" in html
    assert "eeeeeeeeeeee" in html
    assert re.search(r"null <data[^>]*>70.0%</data>, n=<data[^>]*>200</data>", html)


def test_a_missed_goal_is_counted_and_marked(plus):
    performance_make(missed=["high_win_rate"])

    html = text(plus.get("/models/"))

    assert "1 of 2 goals missed." in html
    assert html.count("✕ missed") == 1


def test_a_report_without_its_newer_parts_is_shown_as_far_as_it_goes(plus):
    row = performance_make()
    report = {"regimes": {}, "all": {}}
    old = type(row)(
        **{
            f.name: getattr(row, f.name) for f in row._meta.fields if f.name not in ("id", "report")
        },
        report=report,
    )
    old.save()

    assert plus.get("/models/").status_code == 200


def test_the_detector_is_judged_up_to_the_market_date(plus):
    html = text(plus.get("/models/?part=detector"))

    assert "Are the regimes named right?" in html
    assert "per 100 bars" in html


def test_the_card_compares_with_the_model_before_and_with_none(plus):
    version_make(1, state="RETIRED")
    version = version_make(2)

    html = text(plus.get(f"/models/{version.pk}/"))

    assert "Model 1" in html
    assert "None: a gate that lets the same share through by lot" in html
    assert "trained in a test" in html
    assert version.content_hash in html


def test_an_unknown_version_is_not_found(plus):
    assert plus.get("/models/999/").status_code == 404
    assert plus.get("/api/v1/models/999/").status_code == 404


def test_rest_lists_versions_and_verifications(plus):
    version = version_make()
    performance_make()

    versions = plus.get("/api/v1/models/?strategy=hybrid").json()["results"]
    verifications = plus.get("/api/v1/models/verifications/").json()["results"]

    assert [row["id"] for row in versions] == [version.pk]
    assert verifications[0]["report"]["spread_pp"] == 2.1
    assert plus.get("/api/v1/models/?strategy=other").json()["results"] == []


def test_rest_refuses_an_unknown_window(plus):
    version = version_make()

    response = plus.get(f"/api/v1/models/{version.pk}/?window=5")

    assert response.status_code == 400
    assert response.json()["code"] == "INVALID_WINDOW"


def test_a_look_at_drift_that_is_late_is_said(plus):
    drift_make(version_make(), now=timezone.now() - 3 * DAY)

    assert "late: the schedule looks once a day" in text(plus.get("/models/"))


def test_the_history_shows_before_and_after_on_the_same_candidates(plus):
    version = version_make()
    version.gates = [
        {"name": "candidates", "value": 812, "before": 812, "champion": 1, "is_passed": True},
        {"name": "log_loss", "value": 0.61, "before": 0.62, "champion": 1, "is_passed": True},
    ]
    version.save()

    html = text(plus.get("/models/"))

    assert re.search(r"0\.6200</data> → <data[^>]*>0\.6100", html)


def test_the_card_of_a_version_is_to_be_had_over_rest_on_any_plan(client):
    client.force_login(portfolio_make().user)
    before, version = version_make(1), version_make(2, state="SHADOW")

    card = client.get(f"/api/v1/models/{version.pk}/card/").json()
    listed = client.get("/api/v1/models/").json()["results"]

    assert set(card) == set(ModelCardSerializer().fields)
    assert card["features"][0]["meaning"] == MEANINGS[version.features[0]]
    assert card["by_year"].keys() == version.metrics["by_year"].keys()
    assert card["by_regime"]["HIGH"]["n"] == version.metrics["regimes"]["HIGH"]["n"]
    assert card["before"]["id"] == before.pk
    assert [row["content_hash"] for row in card["artifacts"]] == ["a" * 64]
    assert card["when_it_fails"] == STRATEGIES["hybrid"].when_it_fails
    tested = version.metrics["all"]
    for told in (card, next(row for row in listed if row["id"] == version.pk)):
        assert told["tested"] == {name: tested[name] for name in OwnTestSerializer().fields}
        assert told["gates"] == [{"name": "ece", "text": "ECE 0.02", "is_passed": True}]
    assert client.get("/api/v1/models/999/card/").status_code == 404


def test_a_version_that_was_never_tested_has_no_figures_over_rest(client):
    client.force_login(portfolio_make().user)
    version = version_make()
    version.metrics = {}
    version.save()

    assert client.get("/api/v1/models/").json()["results"][0]["tested"] is None
    assert client.get(f"/api/v1/models/{version.pk}/card/").json()["by_year"] == {}
