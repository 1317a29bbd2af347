"""Rows for tests of trading: one cast of people, instruments with bars typed by hand."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from accounts.models import User
from marketdata.models import AssetClass, Bar, BarSeries, Instrument, ReplaySession, Venue
from trading.models import Portfolio, RiskLimits
from trading.services.portfolios import portfolio_open

NOW = dt.datetime(2026, 1, 5, 12, 0, tzinfo=dt.UTC)
FIRST_CLOSE = dt.datetime(2008, 8, 1, 20, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
_numbers = itertools.count(1)


def user_make(email: str | None = None, **fields: Any) -> User:
    email = email or f"person{next(_numbers)}@example.org"
    return User.objects.create_user(email=email, password="correct horse battery", **fields)


def instrument_make(
    symbol: str = "SPX",
    closes: Sequence[float] = (),
    *,
    start: dt.datetime = FIRST_CLOSE,
    **fields: Any,
) -> Instrument:
    venue, _ = Venue.objects.get_or_create(
        code="XTST", defaults={"name": "Test venue", "session_close": dt.time(16, 0)}
    )
    instrument = Instrument.objects.create(
        symbol=symbol,
        name=f"Test {symbol}",
        venue=venue,
        asset_class=fields.pop("asset_class", AssetClass.EQUITY),
        **fields,
    )
    if len(closes):
        bars_make(instrument, [(close, close, close, close) for close in closes], start=start)
    # Read back: defaults of decimal columns are texts until then.
    instrument.refresh_from_db()
    return instrument


def bars_make(
    instrument: Instrument,
    tape: Sequence[tuple[float, float, float, float]],
    *,
    start: dt.datetime = FIRST_CLOSE,
    timeframe: str = "1d",
    step: dt.timedelta = DAY,
    closes: Sequence[dt.datetime] = (),
) -> None:
    """Store rows of open, high, low, close, one a step or at the given closes."""
    Bar.objects.bulk_create(
        Bar(
            instrument=instrument,
            timeframe=timeframe,
            closed_at=closes[i] if closes else start + i * step,
            open=row[0],
            high=row[1],
            low=row[2],
            close=row[3],
            volume=1e6,
        )
        for i, row in enumerate(tape)
    )
    stored = Bar.objects.filter(instrument=instrument, timeframe=timeframe)
    BarSeries.objects.update_or_create(
        instrument=instrument,
        timeframe=timeframe,
        defaults={
            "n_bars": stored.count(),
            "first_at": stored.earliest("closed_at").closed_at,
            "last_at": stored.latest("closed_at").closed_at,
            "bars_per_year": 252.0,
            "version": uuid.uuid4(),
        },
    )


def replay_make(
    user: User, lead: Instrument, *, cursor_at: dt.datetime = FIRST_CLOSE
) -> ReplaySession:
    replay = ReplaySession.objects.create(
        user=user,
        episode="test",
        lead=lead,
        timeframe="1d",
        starts_at=cursor_at,
        cursor_at=cursor_at,
        sequence=1,
        advanced_at=NOW,
        seen_at=NOW,
    )
    replay.instruments.add(lead)
    return replay


def portfolio_make(
    user: User | None = None,
    *,
    cash: Decimal | int = 100_000,
    lead: Instrument | None = None,
    cursor_at: dt.datetime = FIRST_CLOSE,
    **limits: Any,
) -> Portfolio:
    user = user or user_make()
    replay = replay_make(user, lead, cursor_at=cursor_at) if lead else None
    portfolio = portfolio_open(
        user=user, name=f"Main {next(_numbers)}", cash=Decimal(cash), replay=replay, now=NOW
    )
    if limits:
        RiskLimits.objects.filter(portfolio=portfolio).update(**limits)
        portfolio = Portfolio.objects.select_related("risk_limits", "replay").get(pk=portfolio.pk)
    return portfolio
