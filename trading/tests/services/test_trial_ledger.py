"""Whatever was tried is counted once, per family, and stays counted."""

import pytest
from django.db import IntegrityError, connection, transaction

from trading.models import Backtest, TrialLedgerEntry
from trading.models.immutable import RowImmutable
from trading.selectors.studies import trials_counted
from trading.services.trial_ledger import backtest_counted
from trading.tests.backtest_rows import done_make
from trading.tests.factories import NOW, user_make

pytestmark = pytest.mark.django_db


def counted(made):
    return trials_counted(
        user_id=made.user_id, strategy_key=made.strategy_key, instrument_id=made.instrument_id
    )


def test_a_finished_backtest_is_counted_once():
    made = done_make(user_make())

    backtest_counted(backtest=made, bar_sharpe=9.0, n_bars=1, now=NOW)

    assert counted(made).n_trials == 1
    assert TrialLedgerEntry.objects.get().bar_sharpe != 9.0


def test_a_family_is_one_person_one_strategy_one_instrument():
    made, other = done_make(user_make()), done_make(user_make())

    assert counted(made).n_trials == counted(other).n_trials == 1
    assert counted(made).sharpe_std == 0.0


def test_deleting_the_backtest_keeps_the_count():
    made = done_make(user_make())
    before = counted(made)

    Backtest.objects.all().delete()

    assert counted(made) == before


def test_the_ledger_cannot_be_edited_or_emptied():
    done_make(user_make())
    entry = TrialLedgerEntry.objects.get()

    for change in (entry.save, entry.delete, TrialLedgerEntry.objects.all().delete):
        with pytest.raises(RowImmutable):
            change()
    with (
        pytest.raises(IntegrityError, match="never changed or removed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM trading_trialledgerentry")
