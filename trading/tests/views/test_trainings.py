"""A training is seen by everybody and called off by staff who may or by who asked for it."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from trading.models import ModelTraining
from trading.tests.factories import NOW, user_make
from trading.tests.services.model_rows import training_row

pytestmark = pytest.mark.django_db


@pytest.fixture
def person():
    return user_make()


@pytest.fixture
def staff():
    made = user_make(is_staff=True)
    made.user_permissions.add(Permission.objects.get(codename="change_modeltraining"))
    return made


def doors(training):
    path = f"models/trainings/{training.pk}/cancel/"
    return f"/{path}", f"/api/v1/{path}"


def test_the_page_of_models_shows_a_running_training_to_everybody(client, person):
    training = training_row(status="RUNNING", progress=0.42, detail="Year 2003")
    client.force_login(person)

    page = client.get("/models/").content.decode()

    assert f'data-training="{training.pk}"' in page
    assert "Year 2003" in page
    assert "Cancel the training" not in page


def test_a_training_that_ended_is_not_shown(client, person):
    training_row(status="SUCCEEDED")
    client.force_login(person)

    assert "data-training" not in client.get("/models/").content.decode()


def test_strangers_call_nothing_off(client, person):
    training = training_row()

    page, api = doors(training)
    assert client.post(page).url.startswith("/accounts/login/")
    assert client.post(api).status_code == 401
    client.force_login(person)
    assert (client.post(page).status_code, client.post(api).status_code) == (403, 403)
    assert ModelTraining.objects.get().status == "QUEUED"


@pytest.mark.parametrize(
    ("status", "words"),
    [("FAILED", "The last training failed."), ("CANCELED", "The last training was canceled.")],
)
def test_a_training_that_ended_without_a_model_is_told_for_a_day(client, person, status, words):
    ended = {"status": status, "finished_at": timezone.now(), "error": "12 candidates are too few"}
    training = training_row(**ended)
    client.force_login(person)

    page = client.get("/models/").content.decode()
    assert words in page
    assert ("12 candidates are too few" in page) is (status == "FAILED")
    ModelTraining.objects.filter(pk=training.pk).update(
        finished_at=timezone.now() - dt.timedelta(days=2)
    )
    assert words not in client.get("/models/").content.decode()
    ModelTraining.objects.filter(pk=training.pk).update(finished_at=timezone.now())
    training_row(status="SUCCEEDED", finished_at=timezone.now())
    assert words not in client.get("/models/").content.decode()


def test_staff_cancel_a_waiting_training(client, staff):
    training = training_row()
    client.force_login(staff)
    assert "Cancel the training" in client.get("/models/").content.decode()

    answer = client.post(doors(training)[0], follow=True)

    assert f"Training #{training.pk} is canceled." in answer.content.decode()
    assert ModelTraining.objects.get().status == "CANCELED"


def test_staff_without_the_permission_call_nothing_off(client, staff):
    staff.user_permissions.clear()
    training = training_row()
    client.force_login(staff)

    assert [client.post(door).status_code for door in doors(training)] == [403, 403]
    assert "Cancel the training" not in client.get("/models/").content.decode()
    assert ModelTraining.objects.get().status == "QUEUED"


def test_who_asked_for_it_stops_a_running_training(client, person):
    training = training_row(status="RUNNING", requested_by=person)
    held = timezone.now() + dt.timedelta(minutes=1)
    ModelTraining.objects.update(lease_expires_at=held)
    client.force_login(person)

    page = client.post(doors(training)[0], follow=True).content.decode()

    assert "stops at its next step" in page
    assert "Cancel the training" not in page
    assert ModelTraining.objects.get().is_cancel_requested


def test_a_training_that_ended_before_the_click_stays_as_it_is(client, staff):
    training = training_row(status="SUCCEEDED", finished_at=NOW)
    client.force_login(staff)

    page = client.post(doors(training)[0], follow=True).content.decode()

    assert "had already ended; nothing was canceled" in page
    assert ModelTraining.objects.get().status == "SUCCEEDED"


def test_rest_lists_trainings_and_cancels_once(client, staff):
    training = training_row()
    client.force_login(staff)

    answers = [client.post(doors(training)[1]) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert client.get("/api/v1/models/trainings/").json()["results"] == [answers[0].json()]
    assert "requested_by" not in answers[0].json()
    assert client.post("/api/v1/models/trainings/999/cancel/").status_code == 404
