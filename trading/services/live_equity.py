"""The equity of a portfolio after each bar: the point that stays, the numbers its pages show."""

from __future__ import annotations

import datetime as dt

from marketdata.types import Bars
from trading.engine.regimes import regimes_of
from trading.engine.types import Regime, regime_of
from trading.models import EquityPoint, Portfolio, Position
from trading.selectors.portfolios import PortfolioSummary, mark_of, portfolio_value
from trading.services.amounts import amount_of
from trading.services.events import equity_published


def equity_write(
    portfolio: Portfolio, bar_at: dt.datetime, positions: list[Position], lead: Bars | None
) -> None:
    """Value the portfolio at a close; `lead` are the bars whose regime it is shown with."""
    portfolio.processed_at = bar_at
    summary = portfolio_value(portfolio, positions=positions)
    regime = regime_of(int(regimes_of(lead).codes[-1])) if lead is not None else None
    point = EquityPoint.objects.create(
        portfolio=portfolio,
        market_at=bar_at,
        equity=amount_of(summary.equity),
        cash=summary.cash,
        gross_exposure=amount_of(summary.gross_exposure),
        net_exposure=amount_of(summary.net_exposure),
        regime=str(regime or ""),
    )
    equity_published(point, _headline(summary, positions, regime))


def _headline(
    summary: PortfolioSummary, positions: list[Position], regime: Regime | None
) -> dict[str, object]:
    """Numbers that change on every page each bar."""
    return {
        "equity": amount_of(summary.equity),
        "cash": summary.cash,
        "buying_power": amount_of(summary.buying_power),
        "positions_value": amount_of(summary.positions_value),
        "day_pnl": amount_of(summary.day_pnl),
        "day_return": summary.day_return,
        "total_pnl": amount_of(summary.total_pnl),
        "total_return": summary.total_return,
        "unrealized_pnl": amount_of(summary.unrealized_pnl),
        "gross_ratio": summary.gross_ratio,
        "net_ratio": summary.net_ratio,
        "daily_loss_used_ratio": summary.daily_loss_used_ratio,
        "regime": str(regime or ""),
        "positions": [
            {
                "symbol": position.instrument.symbol,
                "quantity": position.quantity,
                "last_price": mark_of(position),
                "market_value": amount_of(position.quantity * mark_of(position)),
                "unrealized_pnl": amount_of(
                    position.quantity * mark_of(position) - position.cost_basis
                ),
            }
            for position in positions
            if position.quantity
        ],
    }
