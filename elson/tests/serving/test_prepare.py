"""What a start makes once, and what makes it be made again."""

from __future__ import annotations

import pytest

from elson.serving import prepare


@pytest.mark.django_db
def test_a_new_showcase_reaches_a_platform_that_has_its_people(tmp_path, settings):
    settings.BASE_DIR, settings.IS_DEVELOPMENT = tmp_path, True
    showcase = tmp_path / "elson" / "showcase.py"
    showcase.parent.mkdir()
    showcase.write_text("old")
    people = next(step for step in prepare.steps() if step.name == "people")
    before = people.key()

    assert people.key() == before
    showcase.write_text("something new")
    assert people.key() != before
