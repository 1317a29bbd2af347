"""The list of searches: in the order of what their verdicts say."""

from __future__ import annotations

import csv
import io

import pytest

from trading.models import Study
from trading.tests.study_rows import member_make, study_make
from trading.tests.views.pages import text

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return member_make()


JUDGED = {
    "nothing": {"pick": None, "is_overfit": True, "deflated_sharpe": None},
    "overfit": {"pick": 1, "is_overfit": True, "deflated_sharpe": 0.4},
    "holds": {"pick": 1, "is_overfit": False, "deflated_sharpe": 0.97},
    "waits": None,
}


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("verdict", ["holds", "overfit", "nothing", "waits"]),
        ("-verdict", ["nothing", "overfit", "holds", "waits"]),
        ("-deflated", ["holds", "overfit"]),
        ("overfitting", ["holds", "overfit"]),
    ],
)
def test_searches_are_sorted_by_what_their_verdict_says(desk, owner, sort, order):
    for note, said in JUDGED.items():
        study = study_make(owner, note=note)
        if said:
            pbo = {0.4: 0.6, 0.97: 0.1}.get(said["deflated_sharpe"])
            said = {**said, "probability_of_overfitting": pbo}
            Study.objects.filter(pk=study.pk).update(judgement=said)

    listed = desk.get(f"/optimizations/?sort={sort}&format=csv").content.decode()

    found = [row["note"] for row in csv.DictReader(io.StringIO(listed))]
    assert found[: len(order)] == order
    assert f'href="?sort={"" if sort.startswith("-") else "-"}{sort.removeprefix("-")}"' in text(
        desk.get(f"/optimizations/?sort={sort}")
    )
