"""Backtests for the tests of doors: a seeded walk as an instrument, a run that waits or is done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from accounts.models import User
from marketdata.models import Instrument
from trading.models import Backtest
from trading.services.backtests.drafts import draft_read
from trading.services.backtests.requests import backtest_request
from trading.services.backtests.runs import backtest_run
from trading.tests.engine.walks import random_walk
from trading.tests.factories import NOW, bars_make, instrument_make, user_make

ASKED = {
    "strategy_key": "sma_cross",
    "symbol": "WALK",
    "parameters": {"fast": 5, "slow": 20},
    "commission_bps": 5,
}


class Ticks:
    """A clock that moves a second at each look and can do something at one of them."""

    def __init__(self, at: int | None = None, act: Callable[[], object] | None = None) -> None:
        self.now, self.n, self.at, self.act = NOW, 0, at, act

    def __call__(self) -> dt.datetime:
        self.n += 1
        self.now += dt.timedelta(seconds=1)
        if self.n == self.at and self.act:
            self.act()
        return self.now


def walk_make(n_bars: int = 400, symbol: str = "WALK", seed: int = 3) -> Instrument:
    bars = random_walk(seed, n_bars)
    instrument = instrument_make(symbol)
    rows = zip(bars.open, bars.high, bars.low, bars.close, strict=True)
    bars_make(instrument, [(float(o), float(h), float(low), float(c)) for o, h, low, c in rows])
    return instrument


def asked(user: User | None = None, **changes: Any) -> Backtest:
    """A run that waits, on 700 bars unless there are some."""
    user = user or user_make()
    if not Instrument.objects.filter(symbol="WALK").exists():
        walk_make(700)
    return backtest_request(user=user, draft=draft_read(ASKED | changes), now=NOW)


def waiting_make(user: User, *, now: dt.datetime = NOW, **asked: Any) -> Backtest:
    if not Instrument.objects.filter(symbol="WALK").exists():
        walk_make()
    return backtest_request(user=user, draft=draft_read(ASKED | asked), now=now)


def done_make(user: User, *, now: dt.datetime = NOW, **asked: Any) -> Backtest:
    made = waiting_make(user, now=now, **asked)
    assert backtest_run(backtest_id=made.pk, clock=lambda: now) == "SUCCEEDED"
    return Backtest.objects.get(pk=made.pk)


def portfolio_make(user: User, *, now: dt.datetime = NOW) -> Backtest:
    if not Instrument.objects.filter(symbol="WALK").exists():
        walk_make()
    walk_make(200, "OTHER", 5)
    draft = draft_read(ASKED | {"symbols": ["WALK", "OTHER"]})
    made = backtest_request(user=user, draft=draft, now=now)
    assert backtest_run(backtest_id=made.pk, clock=lambda: now) == "SUCCEEDED"
    return Backtest.objects.get(pk=made.pk)
