"""Who may change models and trainings over REST, and what the figures' doors answer."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Permission

from accounts.services import entitlement_grant
from trading.tests.factories import instrument_make, portfolio_make, user_make
from trading.tests.model_rows import predictions_make, version_make
from trading.tests.services.model_rows import training_row

pytestmark = pytest.mark.django_db
GATES = [{"name": "ece", "value": 0.02, "limit": 0.05, "is_passed": True, "text": "ECE 0.02"}]
REASON = {"reason": "calibrated"}
CHANGES = ["shadow", "promote", "retire", "rollback"]


@pytest.fixture
def member(client):
    portfolio = portfolio_make(lead=instrument_make("SPX", [100.0 + i for i in range(40)]))
    client.force_login(portfolio.user)
    client.person = portfolio.user
    return client


@pytest.fixture
def staff(member):
    for name in ("change_modelversion", "view_modeltraining", "add_modeltraining",
                 "change_modeltraining"):  # fmt: skip
        member.person.user_permissions.add(Permission.objects.get(codename=name))
    member.person.is_staff = True
    member.person.save()
    return member


def change(version, **values):
    """Write columns that no door writes."""
    type(version).objects.filter(pk=version.pk).update(**values)


def trainings(client):
    return client.get("/api/v1/models/trainings/").json()["results"]


def post(client, path, body=None, **headers):
    return client.post(
        f"/api/v1/models/{path}", body or {}, content_type="application/json", headers=headers
    )


@pytest.mark.parametrize("name", CHANGES)
def test_a_model_is_changed_by_nobody_without_the_permission(client, member, name):
    version = version_make(state="SHADOW")

    refused = post(member, f"{version.pk}/{name}/", REASON)
    member.logout()

    assert (refused.status_code, refused.json()["code"]) == (403, "NOT_ALLOWED")
    assert "trading.change_modelversion" in refused.json()["detail"]
    assert post(client, f"{version.pk}/{name}/", REASON).status_code == 401
    version.refresh_from_db()
    assert version.state == "SHADOW"


def test_a_shadow_is_promoted_and_retired_with_a_reason(staff):
    version = version_make(state="SHADOW")

    promoted = post(staff, f"{version.pk}/promote/", REASON)
    again = post(staff, f"{version.pk}/promote/", REASON)
    retired = post(staff, f"{version.pk}/retire/", {"reason": "drift"})

    assert [answer.json()["state"] for answer in (promoted, again, retired)] == [
        "ACTIVE", "ACTIVE", "RETIRED",
    ]  # fmt: skip
    told = [row.reason for row in version.transitions.order_by("-pk")[:2]]
    assert told == ["drift", "calibrated"]


def test_a_candidate_goes_to_the_shadow_and_back_to_the_one_before(staff):
    one, two = version_make(1, state="ACTIVE"), version_make(2, state="CANDIDATE")
    change(two, gates=[GATES[0] | {"champion": 1}])

    shadow = post(staff, f"{two.pk}/shadow/", REASON)
    promoted = post(staff, f"{two.pk}/promote/", REASON)
    back = post(staff, f"{two.pk}/rollback/", {"reason": "drift"})

    assert [answer.json()["state"] for answer in (shadow, promoted)] == ["SHADOW", "ACTIVE"]
    assert (back.json()["number"], back.json()["state"]) == (1, "ACTIVE")
    assert one.pk == back.json()["id"]


def test_a_missed_gate_and_a_missing_reason_are_refused_by_name(staff):
    version = version_make(state="SHADOW")
    missed = GATES[0] | {"is_passed": False, "text": "ECE 0.090 > 0.050"}
    change(version, gates=[missed])

    gate = post(staff, f"{version.pk}/promote/", REASON)
    reason = post(staff, f"{version.pk}/promote/", {})

    assert (gate.status_code, gate.json()["code"]) == (409, "GATES_FAILED")
    assert "ECE 0.090 > 0.050" in gate.json()["detail"]
    assert reason.status_code == 422
    assert "reason" in reason.content.decode()
    assert post(staff, "999/promote/", REASON).status_code == 404


def test_a_training_is_asked_for_once_per_key(staff):
    asked = [post(staff, "trainings/", {"note": "by hand"}, idempotency_key="k") for _ in range(2)]
    pk = asked[0].json()["id"]
    listed = trainings(staff)

    assert [answer.status_code for answer in asked] == [202, 202]
    assert asked[0].json()["status"] == "QUEUED"
    assert [row["id"] for row in listed] == [pk]
    assert listed[0]["kind"] == "LOGISTIC"


def test_an_unknown_kind_of_training_names_what_there_is(staff):
    refused = post(staff, "trainings/", {"kind": "MAGIC"}, idempotency_key="k")

    assert refused.status_code == 422
    assert "LOGISTIC" in refused.json()["detail"]
    assert trainings(staff) == []


def test_trainings_are_asked_for_by_staff_alone(member):
    refused = post(member, "trainings/", {}, idempotency_key="k")

    assert (refused.status_code, refused.json()["code"]) == (403, "NOT_ALLOWED")
    assert trainings(member) == []


def test_the_permission_alone_makes_nobody_staff(staff):
    staff.person.is_staff = False
    staff.person.save()
    version = version_make(state="SHADOW")

    answers = [
        post(staff, f"{version.pk}/promote/", REASON),
        post(staff, "trainings/", {}, idempotency_key="k"),
    ]

    assert [answer.json()["code"] for answer in answers] == ["NOT_ALLOWED"] * 2


def test_staff_doors_over_rest_ask_for_the_second_factor_as_the_pages_do(staff, settings):
    settings.STAFF_NEEDS_SECOND_FACTOR = True
    version, training = version_make(state="SHADOW"), training_row()
    paths = [f"{version.pk}/promote/", "trainings/", f"trainings/{training.pk}/cancel/"]

    refused = [post(staff, path, REASON, idempotency_key="k") for path in paths]
    assert {answer.json()["code"] for answer in refused} == {"SECOND_FACTOR_MISSING"}

    Authenticator.objects.create(user=staff.person, type=Authenticator.Type.TOTP, data={})
    assert post(staff, paths[0], REASON).json()["state"] == "ACTIVE"
    assert post(staff, paths[2]).status_code == 202


def test_the_calibration_of_live_predictions_is_part_of_plus(member):
    version = version_make()
    predictions_make(version, instrument_make("ABC", [100.0]), {"NORMAL": 60})
    path = f"/api/v1/models/{version.pk}/calibration/?window=all"

    free = member.get(path)
    entitlement_grant(user=member.person, key="models.detail", value=1, source="test")
    rows = member.get(path).json()

    assert free.status_code == 403
    assert sum(row["n"] for row in rows) == 60
    assert all((row["win_rate"] is None) == (row["n"] == 0) for row in rows)
    assert member.get(path + "&regime=HIGH").json() == []
    assert member.get(path + "&regime=WILD").json()["code"] == "INVALID_REGIME"


def test_the_detector_is_judged_up_to_the_own_market_date(member):
    body = member.get("/api/v1/models/detector/").json()

    assert sum(map(sum, body["confusion"])) == body["n_bars"]
    assert set(body) >= {"agreement", "median_delay_bars", "flips_per_100_bars", "n_missed"}


def test_a_version_without_quarters_offers_a_training_to_those_who_may_train(staff):
    version = version_make()
    plain = {key: value for key, value in version.metrics.items() if key != "by_quarter"}
    change(version, metrics=plain)
    entitlement_grant(user=staff.person, key="models.detail", value=1, source="test")

    page = staff.get("/models/?source=tested").content.decode()
    staff.person.user_permissions.clear()
    without = staff.get("/models/?source=tested").content.decode()

    assert "This version’s test was kept without quarters." in page
    assert 'href="/staff/trading/modeltraining/new/"' in page
    assert "This version’s test was kept without quarters." in without
    assert "/staff/trading/" not in without


def test_staff_train_in_the_browser_once_per_form(client):
    instrument_make("SPX", [100.0])
    client.force_login(user_make(is_staff=True, is_superuser=True))
    address = "/staff/trading/modeltraining/new/"

    form = client.get(address)
    asked = {"kind": "LOGISTIC", "note": "older", "client_key": form.context["client_key"]}
    for _ in range(2):
        client.post(address, asked)
    refused = client.post(address, {"kind": "MAGIC"})

    assert [row["kind"] for row in trainings(client)] == ["LOGISTIC"]
    assert "Train a new version" in client.get("/staff/trading/modeltraining/").content.decode()
    assert refused.status_code == 422
    assert "MAGIC" in refused.content.decode()


def test_staff_who_may_only_look_do_not_train(client):
    person = user_make(is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_modeltraining"))
    client.force_login(person)

    assert client.get("/staff/trading/modeltraining/new/").status_code == 403
    listing = client.get("/staff/trading/modeltraining/").content.decode()
    assert "Train a new version" not in listing
