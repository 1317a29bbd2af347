"""The books are checked as of one moment, however much is written meanwhile."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest
from django.db import connection

from trading.models import Fill
from trading.selectors.ledger_checks import ledger_verify
from trading.services.fills import fill_record
from trading.tests.factories import DAY, FIRST_CLOSE
from trading.tests.order_rows import portfolio_in_market, submit

N_SHARES = 1_000


class FillsMeanwhile:
    """Fill one more share over another connection after every statement of this one."""

    def __init__(self, order):
        self.order = order

    def __call__(self, execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        thread = threading.Thread(target=self._fill)
        thread.start()
        thread.join()
        return result

    def _fill(self):
        fill_record(
            order=self.order,
            trade_id=f"trade-{Fill.objects.count() + 1}",
            quantity=Decimal(1),
            price=Decimal(100),
            commission=Decimal("0.5"),
            filled_at=FIRST_CLOSE + DAY,
        )
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_books_that_others_write_meanwhile_are_sound():
    order = submit(portfolio_in_market(cash=1_000_000), N_SHARES)

    with connection.execute_wrapper(FillsMeanwhile(order)):
        violations = ledger_verify()

    assert violations == []
    assert 10 < Fill.objects.count() < N_SHARES
    assert ledger_verify() == []
