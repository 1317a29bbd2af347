"""Verifications are kept as they were found."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import DatabaseError, connection, transaction

from trading.models.immutable import RowImmutable
from trading.selectors.model_performance import performance_latest, performance_list
from trading.services.evidence.records import performance_record

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def report(**changes):
    goal = {"name": "high_win_rate", "value": 0.69, "must": 0.7, "met": False}
    return {
        "protocol": "vol-robustness-v1",
        "strategy": "hybrid",
        "data": {"sha256": "a" * 64, "n_instruments": 3},
        "train_data": None,
        "code": {"version": "1.0", "revision": "abc123"},
        "all": {"n": 12},
        "goals": [goal],
        "missed": ["high_win_rate"],
    } | changes


def test_performance_record_keeps_the_report_and_what_was_missed():
    row = performance_record(report=report(), now=NOW)

    row.refresh_from_db()
    assert row.report == report()
    assert (row.is_met, row.missed, row.n_round_trips) == (False, ["high_win_rate"], 12)
    assert (row.code_version, row.train_data_hash) == ("abc123", "")


def test_performance_latest_is_the_newest_of_its_strategy():
    performance_record(report=report(), now=NOW)
    newest = performance_record(report=report(missed=[]), now=NOW + dt.timedelta(days=1))
    performance_record(report=report(strategy="sma_cross"), now=NOW + dt.timedelta(days=2))

    assert performance_latest("hybrid") == newest
    assert performance_latest("donchian_breakout") is None
    assert performance_list().count() == 3


def test_a_stored_verification_is_never_changed():
    row = performance_record(report=report(), now=NOW)

    with pytest.raises(RowImmutable):
        row.save()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE trading_modelperformance SET is_met = true")
