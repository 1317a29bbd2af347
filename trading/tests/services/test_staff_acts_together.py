"""Two of staff act on one row at the same time: one act is done and kept, the other one waits."""

from __future__ import annotations

import threading

import pytest
from django.db import OperationalError, connection

from elson.common.errors import Conflict
from trading.models import StaffAct
from trading.services.deployments import deployment_start
from trading.services.staff_acts import staff_act, state_of
from trading.services.strategies import strategy_create
from trading.tests.backtest_rows import waiting_make
from trading.tests.factories import NOW, instrument_make, portfolio_make, user_make
from trading.tests.study_rows import member_make, study_make

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # SQLite begins every transaction by taking its one lock.
    pytest.mark.skipif(connection.vendor != "postgresql", reason="row locks are PostgreSQL's"),
]


class Meanwhile:
    """Let a second person act, over a connection of their own, once the first one saw the row."""

    def __init__(self, row, act):
        self.table, self.act, self.outcome = row._meta.db_table, act, None

    def __call__(self, execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if self.outcome is None and f'FROM "{self.table}"' in sql and '"status"' in sql:
            thread = threading.Thread(target=self._act)
            thread.start()
            thread.join()
        return result

    def _act(self):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '100ms'")
            self.act()
            self.outcome = "done"
        except OperationalError as error:
            self.outcome = str(error)
        finally:
            connection.close()


def deployment_make():
    portfolio = portfolio_make()
    instrument = instrument_make("SPX", [100.0] * 3)
    version = strategy_create(user=portfolio.user, key="sma_cross", name="Mine")
    return deployment_start(version=version, portfolio=portfolio, instrument=instrument, now=NOW)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: waiting_make(user_make()), "cancel"),
        (lambda: study_make(member_make()), "pause"),
        (deployment_make, "pause"),
    ],
    ids=["backtest", "study", "deployment"],
)
def test_a_second_act_waits_for_the_first_and_is_judged_by_what_it_left(make, name):
    row = make()
    first, second = (user_make(is_staff=True, is_superuser=True) for _ in range(2))

    def act(actor):
        return staff_act(
            model=type(row), name=name, row_id=row.pk, actor=actor, reason="stuck", now=NOW
        )

    meanwhile = Meanwhile(row, lambda: act(second))
    with connection.execute_wrapper(meanwhile):
        act(first)

    assert "lock timeout" in meanwhile.outcome
    assert StaffAct.objects.get().actor == first
    with pytest.raises(Conflict, match=f"is {state_of(type(row).objects.get())}"):
        act(second)
