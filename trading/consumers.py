"""The socket of a page: market data, the own portfolio, and the own backtests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from elson.common.errors import NotFound
from elson.common.formatting import parse_whole
from marketdata.consumers import StreamConsumer
from marketdata.streaming.channels import ChannelKind, EventChannel, Opened
from trading.broadcast import backtest_group, plain_values, portfolio_group, study_group
from trading.selectors.backtests import backtest_get
from trading.selectors.equity import equity_recent
from trading.selectors.portfolios import portfolio_get, portfolio_value
from trading.selectors.studies import study_get

if TYPE_CHECKING:
    from accounts.models import User

# Enough to bridge the moment between a page and its socket, also at 600×.
RECENT_POINTS = 60


class PortfolioChannel(EventChannel):
    """`portfolio`: orders, fills, decisions and equity of the user's own portfolio."""

    def group(self, *, user: User, ch: str, arguments: list[str]) -> str:
        """Group of the user's portfolio."""
        return portfolio_group(portfolio_get(user).pk)

    def open(
        self, *, user: User, ch: str, arguments: list[str], since: str | None, now: dt.datetime
    ) -> Opened:
        """Read the numbers at the top of the page and the counter they belong to."""
        portfolio = portfolio_get(user)
        summary = plain_values(asdict(portfolio_value(portfolio)))
        return Opened(
            ch,
            portfolio_group(portfolio.pk),
            {"event": "equity", **summary, "points": equity_recent(portfolio, n=RECENT_POINTS)},
            n=portfolio.event_sequence,
        )


class BacktestChannel(EventChannel):
    """`backtest:<id>`: how far one of the user's own backtests is."""

    def group(self, *, user: User, ch: str, arguments: list[str]) -> str:
        """Group of the backtest, if it is this user's."""
        return backtest_group(_own_id(user, ch, arguments))

    def open(
        self, *, user: User, ch: str, arguments: list[str], since: str | None, now: dt.datetime
    ) -> Opened:
        """Read status, phase and progress."""
        backtest = backtest_get(user_id=user.pk, backtest_id=_own_id(user, ch, arguments))
        snapshot = {
            "id": backtest.pk,
            "status": backtest.status,
            "phase": backtest.phase,
            "progress": backtest.progress,
            "detail": backtest.detail,
        }
        return Opened(ch, backtest_group(backtest.pk), snapshot)


class StudyChannel(EventChannel):
    """`study:<id>`: how far one of the user's own optimizations is."""

    def group(self, *, user: User, ch: str, arguments: list[str]) -> str:
        """Group of the study, if it is this user's."""
        return study_group(_own_study(user, ch, arguments).pk)

    def open(
        self, *, user: User, ch: str, arguments: list[str], since: str | None, now: dt.datetime
    ) -> Opened:
        """Read status and counts."""
        study = _own_study(user, ch, arguments)
        snapshot = {
            "id": study.pk,
            "status": study.status,
            "n_trials": study.n_trials,
            "n_done": study.n_done,
            "n_failed": study.n_failed,
        }
        return Opened(ch, study_group(study.pk), snapshot)


def _own_study(user: User, ch: str, arguments: list[str]) -> Any:
    return study_get(user_id=user.pk, study_id=_number(ch, arguments))


def _own_id(user: User, ch: str, arguments: list[str]) -> int:
    return backtest_get(user_id=user.pk, backtest_id=_number(ch, arguments)).pk


def _number(ch: str, arguments: list[str]) -> int:
    number = parse_whole(arguments[0]) if len(arguments) == 1 else None
    if number is None:
        raise NotFound("channel", ch)
    return number


class TradingStreamConsumer(StreamConsumer):
    """Everything there is to hear on one socket."""

    kinds: ClassVar[Mapping[str, ChannelKind]] = {
        **StreamConsumer.kinds,
        "portfolio": PortfolioChannel(),
        "backtest": BacktestChannel(),
        "study": StudyChannel(),
    }
