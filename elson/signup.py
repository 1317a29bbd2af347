"""Signing up: one transaction over every app, so all of it exists or none."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from accounts.models import User
from accounts.services import user_signup
from marketdata.selectors.replay import replay_instruments
from marketdata.services import replay_open, watchlist_create
from trading.services.deployments import demo_deploy
from trading.services.portfolios import portfolio_open

OPENING_CASH = Decimal(100_000)


@transaction.atomic
def person_sign_up(*, user: User, time_zone: str = "UTC", now: dt.datetime) -> User:
    """Store the person with everything a first visit needs.

    1. the person, their unverified address and their profile
    2. a replay of the episode of the settings, running
    3. a paper portfolio in that replay, with its opening entry of +100,000.00 USD
    4. a watchlist of the instruments the replay plays
    5. the demo strategy, deployed on the replay's lead instrument

    `user` is unsaved and has its password set. Raises EmailTaken, and ReplayDataMissing when the
    episode's bars are not stored.
    """
    user_signup(user=user, time_zone=time_zone)
    replay = replay_open(
        user=user, episode=settings.REPLAY_EPISODE, speed=settings.REPLAY_SPEED, now=now
    )
    portfolio = portfolio_open(user=user, name="Main", cash=OPENING_CASH, replay=replay, now=now)
    symbols = [instrument.symbol for instrument in replay_instruments(replay)]
    watchlist_create(user=user, name="Starter", symbols=symbols)
    demo_deploy(user=user, portfolio=portfolio, now=now)
    return user
