"""`manage.py run_strategies`: everyone gets a turn, and SIGTERM ends it after the bar under way."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from django.core.management import call_command
from django.db import connections

from elson.common.models import Component, Heartbeat
from marketdata.models import ReplaySession
from trading.management.commands.run_strategies import MAX_BARS_A_TURN, WAIT_SECONDS, Runner
from trading.models import Portfolio
from trading.tests.factories import DAY, FIRST_CLOSE, instrument_make, portfolio_make

PATIENCE_SECONDS = 60


def behind(n_bars: int, symbol: str = "SPX", *, has_bars: bool = True) -> Portfolio:
    """A portfolio whose replay has shown so many bars more than it has worked through."""
    lead = instrument_make(symbol, [100.0] * (n_bars + 1) if has_bars else [])
    portfolio = portfolio_make(lead=lead)
    shown = FIRST_CLOSE + n_bars * DAY
    ReplaySession.objects.filter(pk=portfolio.replay_id).update(cursor_at=shown)
    return portfolio


def n_behind(portfolio: Portfolio) -> int:
    portfolio.refresh_from_db()
    return (portfolio.replay.cursor_at - portfolio.processed_at).days


@pytest.mark.django_db
def test_a_turn_takes_everyone_as_far_as_the_cursor():
    portfolios = [behind(3, "AAA"), behind(5, "BBB")]

    assert Runner().turn() == 8

    assert [n_behind(portfolio) for portfolio in portfolios] == [0, 0]
    assert Runner().turn() == 0


@pytest.mark.django_db
def test_one_far_behind_keeps_nobody_waiting():
    far, near = behind(MAX_BARS_A_TURN + 20, "FAR"), behind(2, "NEAR")

    Runner().turn()

    assert (n_behind(far), n_behind(near)) == (20, 0)


@pytest.mark.django_db
def test_a_portfolio_in_trouble_does_not_stop_the_others():
    broken, sound = behind(3, "NONE", has_bars=False), behind(3, "SPX")

    assert Runner().turn() == 3

    assert (n_behind(broken), n_behind(sound)) == (3, 0)


@pytest.mark.django_db
def test_a_runner_told_to_stop_takes_no_further_bar():
    portfolio = behind(3)
    runner = Runner()
    runner.stop()

    runner.run()

    assert n_behind(portfolio) == 3


@pytest.mark.django_db(transaction=True)
def test_sigterm_ends_it_and_until_then_it_shows_signs_of_life():
    portfolio = behind(4)
    beats = Heartbeat.objects.filter(component=Component.RUNNER)
    seen: list[bool] = []

    def tell() -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (n_behind(portfolio) or not beats.exists()) and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        seen.append(beats.exists())
        os.kill(os.getpid(), signal.SIGTERM)
        connections.close_all()

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    teller = threading.Thread(target=tell)
    teller.start()
    try:
        call_command("run_strategies")
    finally:
        teller.join()
        for number, handler in before.items():
            signal.signal(number, handler)

    assert seen == [True]
    assert n_behind(portfolio) == 0
    assert not beats.exists()
    # With nothing to do it looks up this often: a signal is not waited for longer.
    assert WAIT_SECONDS < 10
