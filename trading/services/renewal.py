"""Starting over: the old portfolio is put away, a new one begins where the replay began."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from marketdata.services import replay_restart
from trading.models import Portfolio
from trading.services.portfolios import portfolio_archive, portfolio_open
from trading.services.strategies import demo_deploy


@transaction.atomic
def portfolio_renew(*, portfolio: Portfolio, now: dt.datetime) -> Portfolio:
    """Archive a paper portfolio with its history and open its successor on the restarted replay.

    The successor has the same name and opening cash and the demo strategy. Without a replay there
    is nothing to start over; the portfolio is returned as it is.
    """
    replay = portfolio.replay
    if replay is None:
        return portfolio
    name, cash, user = portfolio.name, portfolio.opening_cash, portfolio.user
    portfolio_archive(portfolio=portfolio, now=now)
    session = replay_restart(session=replay, now=now)
    successor = portfolio_open(user=user, name=name, cash=cash, replay=session, now=now)
    demo_deploy(user=user, portfolio=successor, now=now)
    return successor
