"""A version says where its parameters came from, and only what a person changed is by hand."""

from __future__ import annotations

import pytest

from trading.selectors.versions import DEFAULTS, version_rows
from trading.services.adoption import OVERRIDE, backtest_adopt
from trading.services.deployments import demo_deploy
from trading.services.strategies import strategy_create, version_create
from trading.tests.backtest_rows import done_make
from trading.tests.factories import (
    DAY,
    FIRST_CLOSE,
    NOW,
    instrument_make,
    portfolio_make,
    user_make,
)

pytestmark = pytest.mark.django_db


def sources(version):
    return [row.source for row in version_rows(version.strategy)]


def test_the_demo_strategy_is_shipped_with_elson():
    lead = instrument_make("SPX", [100.0 + k % 7 for k in range(60)])
    portfolio = portfolio_make(lead=lead, cursor_at=FIRST_CLOSE + 50 * DAY)

    made = demo_deploy(user=portfolio.user, portfolio=portfolio, now=NOW)

    assert sources(made.version) == ["Shipped with Elson"]


def test_a_rule_put_to_work_as_it_is_was_edited_by_nobody():
    version = strategy_create(user=user_make(), key="sma_cross", name="Mine")

    assert sources(version) == [DEFAULTS]


def test_what_a_person_changed_is_edited_by_hand():
    version = strategy_create(
        user=user_make(), key="sma_cross", name="Mine", parameters={"fast": 7}
    )
    later = version_create(strategy=version.strategy, parameters={"fast": 9})

    assert sources(later) == ["Edited by hand", "Edited by hand"]


def test_a_version_taken_from_a_backtest_names_the_run():
    backtest = done_make(user_make())

    version = backtest_adopt(backtest=backtest, override=OVERRIDE)

    assert sources(version) == ["Adopted from a backtest"]
    assert version.note.startswith(f"from backtest #{backtest.pk}")
