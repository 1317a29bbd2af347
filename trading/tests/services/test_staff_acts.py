"""Acts of staff: by the owner's services, with a reason, kept for good; never against the owner."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from elson.common.errors import Conflict, DomainError, Forbidden, NotFound
from elson.common.models import OutboxEvent
from trading.models import (
    Backtest,
    Deployment,
    DeploymentEvent,
    DriftReport,
    ModelPerformance,
    StaffAct,
    Study,
    Trial,
)
from trading.services.backtests.requests import backtest_quota
from trading.services.backtests.runs import backtest_run
from trading.services.deployments import deployment_pause, deployment_resume, deployment_start
from trading.services.staff_acts import ACTS, staff_act, state_of
from trading.services.strategies import strategy_create
from trading.tests.backtest_rows import done_make, waiting_make
from trading.tests.factories import NOW, instrument_make, portfolio_make, user_make
from trading.tests.model_rows import drift_make, performance_make, version_make
from trading.tests.study_rows import member_make, part_evaluated, study_finish, study_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return user_make(is_staff=True, is_superuser=True)


def act(actor, row, name, reason="asked for by its owner"):
    return staff_act(model=type(row), name=name, row_id=row.pk, actor=actor, reason=reason, now=NOW)


def deployment_make(**fields):
    portfolio = portfolio_make()
    instrument = instrument_make("SPX", [100.0] * 3)
    version = strategy_create(user=portfolio.user, key="sma_cross", name="Mine")
    made = deployment_start(version=version, portfolio=portfolio, instrument=instrument, now=NOW)
    Deployment.objects.filter(pk=made.pk).update(**fields)
    return Deployment.objects.get(pk=made.pk)


def failed_make(**fields):
    made = waiting_make(user_make())
    values = {"status": "FAILED", "error_code": "INTERNAL", "error": "a mistake", "progress": 0.6}
    Backtest.objects.filter(pk=made.pk).update(n_attempts=3, finished_at=NOW, **values | fields)
    return Backtest.objects.get(pk=made.pk)


def test_a_waiting_run_is_canceled_and_the_act_says_who_and_why(staff):
    row = waiting_make(user_make())

    made = act(staff, row, "cancel", " blocks the queue ")

    assert Backtest.objects.get().status == "CANCELED"
    assert (made.actor, made.act, made.kind, made.row_id) == (staff, "cancel", "backtest", row.pk)
    assert (made.before, made.after, made.reason) == ("QUEUED", "CANCELED", "blocks the queue")


def test_a_failed_run_is_queued_again_in_its_place_and_can_succeed(staff):
    row = failed_make()
    OutboxEvent.objects.all().delete()

    act(staff, row, "retry")

    again = Backtest.objects.get()
    assert (again.status, again.n_attempts, again.error, again.progress) == ("QUEUED", 0, "", 0.0)
    assert [job.arguments for job in OutboxEvent.objects.all()] == [{"backtest_id": row.pk}]
    assert backtest_quota(user=row.user, now=NOW).n_used == 1
    assert backtest_run(backtest_id=row.pk, clock=lambda: NOW) == "SUCCEEDED"


def test_a_run_that_did_not_fail_is_not_queued_again(staff):
    row = done_make(user_make())

    with pytest.raises(Conflict, match="SUCCEEDED"):
        act(staff, row, "retry")

    assert not StaffAct.objects.exists()


def test_a_search_is_paused_resumed_and_ended_by_staff(staff):
    row = study_make(member_make())

    states = [act(staff, row, name).after for name in ("pause", "resume", "cancel")]

    assert states == ["PAUSED", "RUNNING", "STOPPED"]
    assert StaffAct.objects.count() == 3


def test_a_failed_search_goes_on_with_the_trials_it_has_not_made(staff):
    row = study_make(member_make())
    part_evaluated(row, 4)
    Study.objects.filter(pk=row.pk).update(
        status="FAILED", error_code="WORKER_LOST", error="lost", finished_at=NOW
    )

    made = act(staff, row, "retry")

    again = Study.objects.get()
    assert (made.after, again.error, again.finished_at) == ("RUNNING", "", None)
    assert study_finish(again, now=NOW.replace(year=NOW.year + 1)).n_done == 12
    assert Trial.objects.count() == 12


def test_staff_pauses_a_strategy_and_resumes_it(staff):
    row = deployment_make()

    assert act(staff, row, "pause").after == "PAUSED"
    assert act(staff, row, "resume").after == "RUNNING"


def test_a_pause_of_the_owner_is_not_ended_by_staff(staff):
    row = deployment_make()
    deployment_pause(deployment=row)

    with pytest.raises(Conflict, match="paused by its owner"):
        act(staff, row, "resume")

    assert Deployment.objects.get().status == "PAUSED"


def test_a_later_pause_of_the_owner_outlives_an_earlier_one_of_staff(staff):
    row = deployment_make()
    act(staff, row, "pause")
    deployment_resume(deployment=row)
    deployment_pause(deployment=row)

    with pytest.raises(Conflict, match="paused by its owner"):
        act(staff, row, "resume")

    assert Deployment.objects.get().status == "PAUSED"


@pytest.mark.parametrize("steps", [("requeue",), ("pause", "resume")])
def test_a_pause_of_the_owner_outlives_an_error(staff, steps):
    row = deployment_make()
    deployment_pause(deployment=row)
    Deployment.objects.update(status="ERROR", error="a mistake")

    *before, last = steps
    for name in before:
        act(staff, row, name)
    with pytest.raises(Conflict, match="paused by its owner"):
        act(staff, row, last)


def test_the_owner_sees_what_was_done_by_staff(staff):
    row = deployment_make()
    for name in ("pause", "resume", "halt"):
        act(staff, row, name)

    told = list(DeploymentEvent.objects.order_by("pk").values_list("kind", "note"))

    by_staff = [(kind, "by staff") for kind in ("PAUSED", "RUNNING", "STOPPED")]
    assert told == [("STARTED", ""), *by_staff]


def test_a_strategy_that_broke_is_queued_again(staff):
    row = deployment_make(status="ERROR", error="a mistake")

    act(staff, row, "requeue", "the cause is mended")

    again = Deployment.objects.get()
    assert (again.status, again.error) == ("RUNNING", "")


def test_a_halted_strategy_leaves_what_it_holds_to_its_owner(staff):
    row = deployment_make()

    assert act(staff, row, "halt").after == "STOPPED"
    with pytest.raises(Conflict, match="STOPPED"):
        act(staff, row, "pause")


def test_a_warning_is_acknowledged_and_nothing_else_changes(staff):
    drift_make(version_make())
    report = DriftReport.objects.get()

    made = act(staff, report, "acknowledge", "a holiday in the data")

    assert (made.before, made.after) == ("WARNING", "WARNING")
    assert DriftReport.objects.get() == report


@pytest.mark.parametrize(("is_met", "state"), [(True, "MET"), (False, "MISSED")])
def test_only_a_verification_that_missed_a_goal_is_acknowledged(staff, is_met, state):
    performance_make()
    values = ModelPerformance.objects.values().get()
    row = ModelPerformance.objects.create(**values | {"id": None, "is_met": is_met})

    assert state_of(row) == state
    if is_met:
        with pytest.raises(Conflict, match="is MET"):
            act(staff, row, "acknowledge")
    else:
        assert act(staff, row, "acknowledge").kind == "modelperformance"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301, "a\0b"])
def test_an_act_needs_a_reason_of_a_few_words(staff, reason):
    row = waiting_make(user_make())

    with pytest.raises(DomainError, match=r"Say why|301 characters|NUL character"):
        act(staff, row, "cancel", reason)

    assert Backtest.objects.get().status == "QUEUED"


def test_only_staff_with_the_permission_may_act():
    row = waiting_make(user_make())

    for person in (row.user, user_make(is_staff=True)):
        with pytest.raises(Forbidden):
            act(person, row, "cancel")

    assert not StaffAct.objects.exists()


def test_an_act_on_a_row_that_is_gone_is_not_found(staff):
    row = waiting_make(user_make())
    row.pk = 10_000

    with pytest.raises(NotFound):
        act(staff, row, "cancel")


def test_an_act_is_kept_when_its_row_goes_and_cannot_be_changed(staff):
    row = waiting_make(user_make())
    act(staff, row, "cancel")

    row.delete()
    with pytest.raises(DatabaseError), transaction.atomic():
        connection.cursor().execute("UPDATE trading_staffact SET reason = 'x'")

    assert StaffAct.objects.get().reason == "asked for by its owner"


def test_every_act_is_for_states_its_rows_have():
    for model, acts in ACTS.items():
        for found in acts.values():
            field = {"driftreport": "light"}.get(str(model._meta.model_name), "status")
            if model._meta.model_name == "modelperformance":
                continue
            known = {value for value, _ in model._meta.get_field(field).choices}
            assert set(found.states) <= known
