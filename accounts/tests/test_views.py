from __future__ import annotations

import pytest
from django.urls import reverse

from accounts.models import Profile
from accounts.tests.factories import person_make
from elson.common import formatting

PREFERENCES = {
    "time_zone": "Europe/Berlin",
    "number_format": "de-DE",
    "theme": "DARK",
    "up_down": "EAST_ASIA",
    "display_name": "Ada",
}
pytestmark = pytest.mark.django_db


@pytest.fixture
def person():
    return person_make()


@pytest.fixture
def desk(client, person):
    client.force_login(person)
    return client


@pytest.mark.parametrize("name", ["onboarding", "profile", "preferences_sample"])
def test_a_stranger_is_sent_to_sign_in(client, name):
    response = client.get(reverse(name))

    assert response.status_code == 302
    assert response["Location"] == f"/accounts/login/?next={reverse(name)}"


def test_continue_stores_preferences_and_opens_the_dashboard(desk, person):
    response = desk.post("/onboarding/", PREFERENCES)

    stored = Profile.objects.get(user=person)
    assert response["Location"] == "/dashboard/?tour=1"
    assert (stored.time_zone, stored.number_format) == ("Europe/Berlin", "de-DE")
    assert stored.onboarded_at is not None


def test_skip_keeps_the_defaults_and_opens_the_dashboard(desk, person):
    response = desk.post("/onboarding/", PREFERENCES | {"skip": "1"})

    stored = Profile.objects.get(user=person)
    assert response["Location"] == "/dashboard/?tour=1"
    assert (stored.time_zone, stored.theme) == ("UTC", "AUTO")
    assert stored.onboarded_at is not None


def test_an_unknown_time_zone_is_refused_at_its_field(desk, person):
    response = desk.post("/onboarding/", PREFERENCES | {"time_zone": "Mars/Olympus"})

    assert response.status_code == 422
    assert b'href="#id_time_zone"' in response.content
    assert Profile.objects.get(user=person).onboarded_at is None


def test_settings_are_stored_and_shown(desk, person):
    response = desk.post("/settings/profile/", PREFERENCES, follow=True)

    assert Profile.objects.get(user=person).display_name == "Ada"
    assert b'data-theme="dark"' in response.content
    assert b'data-updown="east-asia"' in response.content
    assert b'data-locale="de-DE"' in response.content
    assert b"Settings saved." in response.content


def test_a_name_of_81_characters_is_refused_and_kept_in_the_field(desk, person):
    response = desk.post("/settings/profile/", PREFERENCES | {"display_name": "x" * 81})

    assert response.status_code == 422
    assert b"x" * 81 in response.content
    assert Profile.objects.get(user=person).time_zone == "UTC"


def test_the_sample_is_written_in_the_chosen_format(desk):
    response = desk.get(
        "/settings/profile/sample/", {"number_format": "de-DE", "time_zone": "Europe/Berlin"}
    )

    text = response.content.decode().replace("\u00a0", " ")
    assert "100.000,00 $" in text
    assert "22:00 CEST" in text


def test_the_preferences_of_one_request_do_not_reach_the_next(client):
    client.force_login(person_make(number_format="de-DE", time_zone="Asia/Tokyo"))

    client.get("/settings/profile/")

    assert formatting.current() == formatting.Format()


def test_get_is_refused_where_something_changes(desk):
    assert desk.get("/onboarding/checklist/dismiss/").status_code == 405


def test_dismissing_the_checklist_is_remembered(desk, person):
    desk.post("/onboarding/checklist/dismiss/")

    assert Profile.objects.get(user=person).checklist_dismissed_at is not None
