"""Rows for tests of market data, made the way the product makes them."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from accounts.models import User
from marketdata import services
from marketdata.models import Instrument
from marketdata.providers.base import InstrumentSpec, RawBars

NOW = dt.datetime(2026, 1, 5, 12, 0, tzinfo=dt.UTC)
FIRST_DAY = dt.date(2008, 8, 1)
_numbers = itertools.count(1)


def user_make(**fields: Any) -> User:
    email = fields.pop("email", f"watcher{next(_numbers)}@example.org")
    return User.objects.create_user(email=email, password="correct horse battery", **fields)


def raw_make(closes: Sequence[float], *, start: dt.date = FIRST_DAY) -> RawBars:
    """One daily bar a day: opens a little lower than it closes."""
    close = np.array(closes, dtype=np.float64)
    first = (start - dt.date(1970, 1, 1)).days
    n = close.shape[0]
    return RawBars(
        (np.arange(n) + first) * 86_400,
        close * 0.99,
        close * 1.02,
        close * 0.98,
        close,
        np.full(n, 1e6),
        rows=np.arange(n) + 2,
        n_rows=n,
    )


def instrument_make(
    symbol: str = "SPX", closes: Sequence[float] = (), *, start: dt.date = FIRST_DAY, **spec: Any
) -> Instrument:
    spec.setdefault("name", f"Test {symbol}")
    described = InstrumentSpec(symbol=symbol, **spec)
    if len(closes):
        services.bars_ingest(
            spec=described,
            timeframe="1d",
            raw=raw_make(closes, start=start),
            source="test",
            now=NOW,
        )
    return services.instrument_ensure(spec=described)


def market_make(n_bars: int = 60) -> None:
    """Every instrument of the default episode, with bars around its start."""
    for i, symbol in enumerate(("SPX", "NASDAQ", "AAPL", "JPM", "XOM")):
        closes = 100 * (i + 1) * np.exp(np.sin(np.arange(n_bars) * 0.7 + i) * 0.05)
        instrument_make(
            symbol,
            closes,
            start=dt.date(2008, 8, 25),
            is_close_only=symbol in ("AAPL", "JPM", "XOM"),
        )
