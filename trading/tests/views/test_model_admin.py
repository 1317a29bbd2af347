"""Staff change versions with a reason; who may only look is refused, a refusal says why."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from trading.models import ModelTransition, ModelVersion
from trading.tests.factories import user_make
from trading.tests.services.model_rows import version_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client):
    person = user_make(is_staff=True, is_superuser=True)
    client.force_login(person)
    return client


def move(client, version, name, **values):
    address = reverse("admin:trading_modelversion_move", args=[version.pk, name])
    return client.post(address, values) if values else client.get(address)


def test_the_page_of_a_version_offers_what_its_state_allows(staff):
    version = version_make(state="SHADOW")

    page = staff.get(reverse("admin:trading_modelversion_change", args=[version.pk]))

    text = page.content.decode()
    assert f"{version.pk}/move/promote/" in text
    assert f"{version.pk}/move/rollback/" not in text


def test_a_change_asks_first_and_is_made_with_its_reason(staff):
    version = version_make(state="SHADOW")

    asked = move(staff, version, "promote")
    done = move(staff, version, "promote", reason="calibrated in every regime")

    assert "passed: ok" in asked.content.decode()
    assert done.status_code == 302
    assert ModelVersion.objects.get().state == "ACTIVE"
    assert ModelTransition.objects.get().reason == "calibrated in every regime"


def test_a_refused_change_says_why_and_changes_nothing(staff):
    gates = [{"name": "ece", "is_passed": False, "text": "calibration error 0.08"}]
    version = version_make(state="SHADOW", gates=gates)

    page = move(staff, version, "promote", reason="please")

    assert page.status_code == 409
    assert "calibration error 0.08" in page.content.decode()
    assert ModelVersion.objects.get().state == "SHADOW"


def test_a_change_without_a_reason_is_refused(staff):
    page = move(staff, version_make(), "shadow", reason=" ")

    assert "Say why" in page.content.decode()


def test_rollback_and_retirement_go_through_their_services(staff):
    one, two = version_make(1, state="SHADOW"), version_make(2, state="SHADOW", champion=1)
    move(staff, one, "promote", reason="first")
    move(staff, two, "promote", reason="better")

    move(staff, two, "rollback", reason="drift")
    move(staff, one, "retire", reason="both drift")

    states = dict(ModelVersion.objects.values_list("number", "state"))
    assert states == {1: "RETIRED", 2: "RETIRED"}


def test_the_first_of_two_people_is_told_to_wait(staff, settings):
    settings.MODEL_PROMOTION_NEEDS_TWO = True
    version = version_make(state="SHADOW")

    address = reverse("admin:trading_modelversion_move", args=[version.pk, "promote"])
    page = staff.post(address, {"reason": "good"}, follow=True)

    assert "A second person must promote it too." in page.content.decode()


def test_staff_who_may_only_look_cannot_change(client):
    person = user_make(is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_modelversion"))
    client.force_login(person)
    version = version_make()

    page = client.get(reverse("admin:trading_modelversion_change", args=[version.pk]))

    assert "/move/" not in page.content.decode()
    assert move(client, version, "shadow", reason="x").status_code == 403


def test_an_unknown_change_or_version_is_not_found(staff):
    version = version_make()

    assert move(staff, version, "explode").status_code == 404
    version.pk = 10_000
    assert move(staff, version, "shadow").status_code == 404
