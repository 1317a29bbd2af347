"""REST doors of repeated searches and proposals: whose, what they change, and the same as pages."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from trading.models import Deployment, StrategyVersion, Study, StudyProposal
from trading.services.strategies import strategy_create
from trading.tests.factories import user_make
from trading.tests.study_rows import member_make, study_make

pytestmark = pytest.mark.django_db
STUDIES = "/api/v1/optimizations/"
PROPOSALS = "/api/v1/optimization-proposals/"
GATE = {"name": "deflated Sharpe ratio", "value": 0.97, "must": ">= 0.95", "is_met": True}


@pytest.fixture
def owner():
    return member_make()


@pytest.fixture
def version(owner):
    return strategy_create(user=owner, key="volatility_adaptive_trend", name="Mine")


def proposal_make(owner, version, **fields):
    values = {"parameters": version.parameters | {"trend_bars": 60}, "status": "OFFERED"}
    study = study_make(owner)
    Study.objects.filter(pk=study.pk).update(strategy_key=version.strategy.key)
    return StudyProposal.objects.create(
        study=study,
        strategy=version.strategy,
        champion=version,
        gates=[GATE],
        **{**values, **fields},
    )


def send(client, method, path, body=None):
    return getattr(client, method)(path, body or {}, content_type="application/json")


def test_a_proposal_tells_its_gates_and_what_it_would_change(desk, owner, version):
    made = proposal_make(owner, version)

    told = desk.get(f"{PROPOSALS}{made.pk}/").json()

    changed = {c["key"]: (c["old"], c["new"]) for c in told["changes"] if c["is_changed"]}
    by_regime = {c["key"]: c["is_changed"] for c in told["changes_by_regime"]}
    assert changed["trend_bars"] == (version.parameters["trend_bars"], 60)
    assert (by_regime["lookback_bars"], by_regime["stop_atr"]) == (True, False)
    assert told["gates"] == [GATE]
    assert (told["status"], told["in_use_version"], told["draft_version"]) == ("OFFERED", 1, None)


def test_accepting_makes_a_draft_once_and_runs_nothing(desk, owner, version):
    made = proposal_make(owner, version)

    first = send(desk, "post", f"{PROPOSALS}{made.pk}/accept/")
    again = send(desk, "post", f"{PROPOSALS}{made.pk}/accept/")

    draft = StrategyVersion.objects.get(number=2)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert (first.json()["status"], first.json()["draft_version"]) == ("ACCEPTED", 2)
    assert (draft.is_draft, draft.parameters["trend_bars"]) == (True, 60)
    assert not Deployment.objects.exists()


def test_a_rejection_keeps_its_reason_and_cannot_be_accepted_after_it(desk, owner, version):
    made = proposal_make(owner, version)

    told = send(desk, "post", f"{PROPOSALS}{made.pk}/reject/", {"reason": " too few trades "})
    late = send(desk, "post", f"{PROPOSALS}{made.pk}/accept/")

    assert (told.json()["status"], told.json()["reason"]) == ("REJECTED", "too few trades")
    assert (late.status_code, late.json()["code"]) == (409, "PROPOSAL_DECIDED")
    assert StrategyVersion.objects.count() == 1


def test_the_page_keeps_the_reason_of_a_rejection_too(desk, owner, version):
    made = proposal_make(owner, version)

    desk.post(f"/optimization-proposals/{made.pk}/reject/", {"reason": "too few trades"})
    long = desk.post(f"/optimization-proposals/{made.pk}/reject/", {"reason": "x" * 301})

    made.refresh_from_db()
    assert (made.status, made.reason) == ("REJECTED", "too few trades")
    assert long.status_code == 422


def test_a_withheld_proposal_is_listed_and_cannot_be_accepted(desk, owner, version):
    made = proposal_make(owner, version, status="WITHHELD")

    listed = desk.get(f"{PROPOSALS}?status=WITHHELD").json()["results"]

    assert [row["id"] for row in listed] == [made.pk]
    assert desk.get(f"{PROPOSALS}?status=OFFERED").json()["results"] == []
    assert send(desk, "post", f"{PROPOSALS}{made.pk}/accept/").status_code == 409


def test_a_list_of_proposals_asks_no_more_for_more_rows(desk, owner, version):
    def n_queries():
        with CaptureQueriesContext(connection) as asked:
            assert desk.get(PROPOSALS).status_code == 200
        return len(asked)

    proposal_make(owner, version)
    one = n_queries()
    for _ in range(3):
        proposal_make(owner, version)

    assert n_queries() == one


def test_a_search_is_repeated_changed_and_switched_off(desk, owner, version):
    study = study_make(owner)
    Study.objects.filter(pk=study.pk).update(strategy_key=version.strategy.key)
    path = f"{STUDIES}{study.pk}/repeat/"
    body = {"every_days": 30, "strategy_id": version.strategy_id}

    before = desk.get(path)
    made = send(desk, "put", path, body)
    listed = desk.get(f"{STUDIES}repeats/").json()["results"]
    changed = send(desk, "put", path, body | {"every_days": 7})
    gone = [send(desk, "delete", path).status_code for _ in range(2)]

    assert before.status_code == 404
    assert (made.status_code, made.json()["every_days"], made.json()["strategy"]) == (
        200,
        30,
        "Mine",
    )
    assert listed == [made.json()]
    assert changed.json()["every_days"] == 7
    assert changed.json()["next_at"] < made.json()["next_at"]
    assert gone == [204, 204]
    assert desk.get(f"{STUDIES}repeats/").json()["results"] == []


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"every_days": 0}, 422, "REPEATS_OUT_OF_RANGE"),
        ({"every_days": 367}, 422, "REPEATS_OUT_OF_RANGE"),
        ({"strategy_id": 999_999}, 404, "NOT_FOUND"),
        ({"every_days": None}, 422, "INVALID"),
        ({"often": 1}, 400, "UNKNOWN_FIELD"),
    ],
)
def test_a_repetition_that_cannot_be_is_refused(desk, owner, version, change, status, code):
    study = study_make(owner)
    body = {"every_days": 30, "strategy_id": version.strategy_id} | change

    answer = send(desk, "put", f"{STUDIES}{study.pk}/repeat/", body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert Study.objects.get().repeats_at is None


def test_a_strategy_of_other_rules_cannot_be_proposed_to(desk, owner, version):
    study = study_make(owner)
    body = {"every_days": 30, "strategy_id": version.strategy_id}

    answer = send(desk, "put", f"{STUDIES}{study.pk}/repeat/", body)

    assert (answer.status_code, answer.json()["code"]) == (409, "STRATEGY_MISMATCH")


def test_the_repeats_of_a_search_can_be_listed(desk, owner):
    first, other = study_make(owner), study_make(owner)
    Study.objects.filter(pk=other.pk).update(parent=first)

    found = desk.get(f"{STUDIES}?repeat_of={first.pk}").json()["results"]

    assert [row["id"] for row in found] == [other.pk]
    assert desk.get(f"{STUDIES}?repeat_of=x").status_code == 400


def test_nobody_else_sees_or_decides(client, owner, version):
    made = proposal_make(owner, version)
    repeat = f"{STUDIES}{made.study_id}/repeat/"
    doors = [
        ("get", f"{PROPOSALS}{made.pk}/"),
        ("post", f"{PROPOSALS}{made.pk}/accept/"),
        ("post", f"{PROPOSALS}{made.pk}/reject/"),
        ("get", repeat),
        ("put", repeat),
        ("delete", repeat),
    ]

    assert {send(client, method, path).status_code for method, path in doors} == {401}
    client.force_login(user_make())
    assert {send(client, method, path).status_code for method, path in doors} == {404}
    assert client.get(PROPOSALS).json()["results"] == []
    assert StudyProposal.objects.get().status == "OFFERED"
