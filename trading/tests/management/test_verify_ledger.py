"""`manage.py verify_ledger`: exit 0 when the books are sound, 1 naming the first bad row."""

from __future__ import annotations

import io
import json
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from trading.models import JournalEntry, LedgerAccount, Position, Posting
from trading.tests.factories import instrument_make, portfolio_make

pytestmark = pytest.mark.django_db


def verify(*words: object) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    try:
        call_command("verify_ledger", *map(str, words), stdout=stdout, stderr=stderr)
    except SystemExit as end:
        return int(end.code or 0), stdout.getvalue(), stderr.getvalue()
    return 0, stdout.getvalue(), stderr.getvalue()


def unbalance(portfolio):
    entry = JournalEntry.objects.get(portfolio=portfolio)
    cash = LedgerAccount.objects.get(portfolio=portfolio, kind="CASH")
    Posting.objects.create(entry=entry, account=cash, amount=Decimal("0.00000001"))
    return entry


def test_sound_books_are_said_to_be_sound():
    portfolio_make()

    code, said, errors = verify()

    assert (code, errors) == (0, "")
    assert said == "The books are sound: 1 entries of 1 portfolios sum to 0.\n"


def test_the_first_row_that_breaks_a_law_is_named():
    portfolio = portfolio_make()
    entry = unbalance(portfolio)

    code, _, errors = verify()

    assert code == 1
    assert errors.startswith(f"L1 entry {entry.pk}: entry #1 sums to")


def test_json_is_one_object_on_the_last_line():
    unbalance(portfolio_make())

    code, said, _ = verify("--json")

    (line,) = said.splitlines()
    report = json.loads(line)
    assert code == 1
    assert (report["is_sound"], report["n_portfolios"], report["n_entries"]) == (False, 1, 1)
    assert [item["invariant"] for item in report["violations"]] == ["L1", "L2", "L3"]


def test_a_position_that_no_fill_made_is_found():
    portfolio = portfolio_make()
    Position.objects.create(portfolio=portfolio, instrument=instrument_make(), quantity=1)

    code, _, errors = verify("--portfolio", portfolio.pk)

    assert code == 1
    assert "holds 1.00000000, its fills sum to 0" in errors


def test_only_the_portfolio_asked_for_is_looked_at():
    unbalance(portfolio_make())
    sound = portfolio_make()

    assert verify("--portfolio", sound.pk)[0] == 0


def test_an_unknown_portfolio_is_a_wrong_use():
    with pytest.raises(CommandError, match="there is no portfolio 4711") as refusal:
        verify("--portfolio", 4711)

    assert refusal.value.returncode == 2
