"""A search set up once more from an earlier one, and what a repeated one proposed, in words."""

from __future__ import annotations

import html
import re

import pytest

from trading.models import Study, StudyProposal
from trading.services.strategies import strategy_create
from trading.services.studies.drafts import study_draft_read
from trading.tests.study_rows import ASKED, member_make, study_finish, study_make
from trading.tests.views.pages import text
from trading.views.study_form import request_values

pytestmark = pytest.mark.django_db
GATES = [
    {"name": "parameters differ", "value": 1.0, "must": ">= 1", "is_met": True},
    {"name": "probability of overfitting", "value": 0.61, "must": "< 0.5", "is_met": False},
    {"name": "out-of-sample Sharpe ratio", "value": 0.9, "must": "> 0.41 (in use)", "is_met": True},
]


@pytest.fixture
def owner():
    return member_make()


def proposed(study, owner, **fields):
    version = strategy_create(user=owner, key="sma_cross", name="Mine")
    return StudyProposal.objects.create(
        study=study, strategy=version.strategy, champion=version, gates=GATES,
        parameters=version.parameters | {"fast": 7}, **fields,
    )  # fmt: skip


@pytest.mark.parametrize(
    "asked",
    [
        {"cash": 25_000, "seed": 11, "note": "again", "n_trials": 20},
        {
            "method": "random",
            "space": {"sizing": {"choices": ["volatility_target"]}, "target_volatility": {
                "low": 0.1, "high": 0.3, "step": 0.05, "log": False}},
            "fixed": {"fast": 7, "slow": 33},
            "deepest_drawdown": -0.4,
        },
        {"commission_bps": 0, "is_free_confirmed": True},
    ],
)  # fmt: skip
def test_change_and_search_opens_the_form_as_the_search_was_asked_for(desk, owner, asked):
    study = study_finish(study_make(owner, **asked))

    page = text(desk.get(f"/optimizations/{study.pk}/"))
    address = html.unescape(re.search(r'href="([^"]*)">Change and search<', page)[1])
    form = desk.get(address).context["form"]

    values = {name: form[name].value() for name in form.fields}
    assert study_draft_read(request_values(values, form.spec)) == study_draft_read(ASKED | asked)


def test_a_search_at_work_is_not_set_up_again(desk, owner):
    study = study_make(owner)

    assert "Change and search" not in text(desk.get(f"/optimizations/{study.pk}/"))


def test_a_search_that_failed_says_that_nothing_will_come(desk, owner):
    study = study_make(owner)
    Study.objects.update(status="FAILED", error="its rules are gone")

    page = text(desk.get(f"/optimizations/{study.pk}/"))

    assert "Its rules are gone" in page
    assert "No trial was finished." in page
    assert "There is no verdict on a search that failed." in page
    assert "first trial is pending" not in page
    assert "Change and search" in page


def test_gates_are_told_in_words_and_percent(desk, owner):
    proposed(study_finish(study_make(owner)), owner, status="OFFERED")

    rows = re.findall(r'<span class="v">(.*?)</span><span class="why">(.*?)</span>',
                      text(desk.get("/optimizations/")))  # fmt: skip

    assert rows == [
        ("yes", "from those in use"), ("61%", "below 50%"), ("0.90", "above 0.41 (in use)"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "WITHHELD"}, "Withheld: it did not pass every gate, so version 1 of Mine"),
        ({"status": "OFFERED"}, "Accept or reject it"),
        ({"status": "REJECTED", "reason": "too few trades"}, "You said: too few trades"),
    ],
)
def test_the_page_of_a_repeated_search_says_what_became_of_it(desk, owner, fields, said):
    study = study_finish(study_make(owner))
    proposed(study, owner, **fields)

    page = text(desk.get(f"/optimizations/{study.pk}/"))

    assert said in page
    assert page.count('<span class="sr-only">missed</span>') == 1
