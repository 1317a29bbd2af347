"""Which broker executes which kind of portfolio."""

from __future__ import annotations

from trading.brokers.base import Broker
from trading.brokers.paper import PaperBroker

PAPER = PaperBroker()
_BROKERS: dict[str, Broker] = {"PAPER": PAPER}


def broker_of(portfolio_kind: str) -> Broker:
    """Broker of a portfolio kind; KeyError names a kind nobody executes."""
    return _BROKERS[portfolio_kind]
