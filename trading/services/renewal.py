"""Starting over: the old portfolio is put away, a new one begins where the replay began."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from marketdata.services import replay_restart
from trading.models import Deployment, Portfolio
from trading.selectors.portfolios import market_time, portfolio_get
from trading.services.deployments import demo_deploy
from trading.services.events import deployment_recorded
from trading.services.orders import orders_cancel_all
from trading.services.portfolios import portfolio_lock, portfolio_open


@transaction.atomic
def portfolio_renew(*, portfolio: Portfolio, now: dt.datetime) -> Portfolio:
    """Archive a paper portfolio with its history and open its successor on the restarted replay.

    The successor has the same name and opening cash and the demo strategy. One that was renewed
    already answers its successor. Without a replay there is nothing to start over; the portfolio is
    returned as it is.
    """
    locked = portfolio_lock(portfolio.pk)
    if locked.is_archived:
        return portfolio_get(portfolio.user)
    replay = locked.replay
    if replay is None:
        return locked
    name, cash, user = locked.name, locked.opening_cash, portfolio.user
    portfolio_archive(portfolio=locked, now=now)
    session = replay_restart(session=replay, now=now)
    successor = portfolio_open(user=user, name=name, cash=cash, replay=session, now=now)
    demo_deploy(user=user, portfolio=successor, now=now)
    return successor


@transaction.atomic
def portfolio_archive(*, portfolio: Portfolio, now: dt.datetime) -> Portfolio:
    """Put a portfolio away for good: its history stays, its name becomes free, nothing runs on it.

    Rows of the books are never removed, so starting over means a new portfolio. The replay is
    released for the caller to reuse or delete.
    """
    locked = portfolio_lock(portfolio.pk)
    if locked.is_archived:
        return locked
    orders_cancel_all(portfolio=locked)
    stopped = Deployment.Status.STOPPED
    for deployment in locked.deployments.exclude(status=stopped):
        deployment.status = stopped
        deployment.save(update_fields=["status", "updated_at"])
        deployment_recorded(
            deployment=deployment,
            kind=stopped,
            market_at=market_time(locked) or deployment.starts_at,
            note="its portfolio was put away",
        )
    locked.is_archived = True
    locked.replay = None
    # The number keeps names apart that ended in the same second.
    locked.name = f"{locked.name[:20]} until {now:%Y-%m-%d %H:%M:%S} #{locked.pk}"[:60]
    locked.save()
    return locked
