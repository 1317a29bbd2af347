"""The socket of a page with everything there is to hear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from marketdata.consumers import StreamConsumer
from marketdata.streaming.channels import ChannelKind
from trading.channels import BacktestChannel, PortfolioChannel


class TradingStreamConsumer(StreamConsumer):
    """Market data, the own portfolio, and the own backtests on one socket."""

    kinds: ClassVar[Mapping[str, ChannelKind]] = {
        **StreamConsumer.kinds,
        "portfolio": PortfolioChannel(),
        "backtest": BacktestChannel(),
    }
