"""What a strategy or a draft would hold now on chosen instruments: computed, never ordered.

The same backtest step that the runner takes, over the last bars up to the market time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elson.common.errors import DomainError
from elson.common.formatting import NumberNotUnderstood, parse_decimal
from marketdata.models import Instrument
from marketdata.selectors import NoBars, bars_get, instant, instrument_get
from marketdata.types import Bars
from trading.engine import backtest
from trading.engine.backtest import BacktestConfig
from trading.engine.errors import EngineError
from trading.engine.explanation import Decision
from trading.engine.strategies import StrategySpec
from trading.engine.types import OrderSide, OrderType
from trading.models import Portfolio
from trading.selectors.portfolios import portfolio_value
from trading.services.amounts import amount_of, round_to_step
from trading.services.bindings import spec_for
from trading.services.order_costs import MarketView
from trading.services.order_drafts import draft_of
from trading.services.own_costs import version_costs
from trading.services.own_limits import engine_limits
from trading.services.pretrade import first_failure, held_of, rules_check

HISTORY_BARS = 756
MOST_INSTRUMENTS = 5
LEAST_CAPITAL, MOST_CAPITAL = 1.0, 1e9


class PreviewInvalid(DomainError):
    """The preview cannot be computed as asked; names field, value and limit."""


@dataclass(frozen=True, slots=True)
class HoldingNow:
    """What would be held of one instrument at its last close, and what the next bar would bring.

    `quantity` in units, `weight` a share of the preview's own equity, `order_quantity` signed.
    `refused_by` is the sentence of the limit that would deny that order in the portfolio now.
    `error` says why nothing can be told; the other fields are then empty.
    """

    symbol: str
    market_at: dt.datetime | None = None
    close: float | None = None
    regime: str = ""
    quantity: float | None = None
    weight: float | None = None
    order_quantity: float = 0.0
    action: str = ""
    reason: str = ""
    refused_by: str = ""
    n_bars: int = 0
    error: str = ""

    @property
    def order_side(self) -> str:
        """Return `Buy` or `Sell` for the next order, empty where none is wanted."""
        return "Buy" if self.order_quantity > 0 else "Sell" if self.order_quantity < 0 else ""

    @property
    def order_size(self) -> float:
        """Return the units of the next order, >= 0."""
        return abs(self.order_quantity)


@dataclass(frozen=True, slots=True)
class PreviewTerms:
    """With what a preview is computed: money of its own, and the terms of the version."""

    capital: float
    limits: Mapping[str, float]
    costs: Mapping[str, Any]
    timeframe: str = "1d"


def symbols_read(text: str) -> list[str]:
    """Read symbols separated by commas or spaces. Raises PreviewInvalid above 5 of them."""
    symbols = list(dict.fromkeys(text.upper().replace(",", " ").split()))
    if not 1 <= len(symbols) <= MOST_INSTRUMENTS:
        raise PreviewInvalid(
            "PREVIEW_SYMBOLS",
            f"instruments has {len(symbols)} symbols; 1 to {MOST_INSTRUMENTS} are allowed",
            field="symbols",
        )
    return symbols


def capital_read(value: object) -> float:
    """Read the money of a preview. Raises PreviewInvalid naming value and limits."""
    try:
        capital = float(parse_decimal(str(value)))
    except NumberNotUnderstood as error:
        raise PreviewInvalid(error.code, f"capital: {error.message}", field="capital") from error
    if not LEAST_CAPITAL <= capital <= MOST_CAPITAL:
        raise PreviewInvalid(
            "PREVIEW_CAPITAL",
            f"capital {str(value)[:40]} must be a number from {LEAST_CAPITAL:,.0f} to "
            f"{MOST_CAPITAL:,.0f}",
            field="capital",
        )
    return capital


def holdings_now(
    *,
    strategy_key: str,
    parameters: Mapping[str, Any],
    symbols: Sequence[str],
    terms: PreviewTerms,
    portfolio: Portfolio | None,
) -> list[HoldingNow]:
    """Run the rule over the last bars of each instrument and tell how it stands; writes nothing.

    Raises StrategyNotInstalled.
    """
    spec = spec_for(strategy_key)
    return [_holding(spec, parameters, symbol, terms, portfolio) for symbol in symbols]


def _holding(
    spec: StrategySpec,
    parameters: Mapping[str, Any],
    symbol: str,
    terms: PreviewTerms,
    portfolio: Portfolio | None,
) -> HoldingNow:
    replay = portfolio.replay if portfolio else None
    try:
        instrument = instrument_get(symbol)
        bars = bars_get(instrument, terms.timeframe, until=replay.cursor_at if replay else None)
        run = backtest.run(bars, spec, parameters, _config(bars, instrument, terms))
    except (NoBars, DomainError, EngineError) as error:
        return HoldingNow(symbol=symbol, error=str(error))
    decision = run.decisions[-1]
    held = float(run.quantity[-1])
    wanted = decision.target_quantity - held
    return HoldingNow(
        symbol=instrument.symbol,
        market_at=instant(int(bars.closed_at[-1])),
        close=float(bars.close[-1]),
        regime=str(decision.regime or ""),
        quantity=held,
        weight=float(run.exposure[-1]),
        order_quantity=wanted,
        action=decision.action.value.replace("_", " ").capitalize(),
        reason=decision.reason,
        refused_by=_refusal(decision, wanted, instrument, portfolio, terms),
        n_bars=int(run.closed_at.shape[0]),
    )


def _config(bars: Bars, instrument: Instrument, terms: PreviewTerms) -> BacktestConfig:
    return BacktestConfig(
        cash=terms.capital,
        cost_model=version_costs(terms.costs, instrument),
        quantity_step=float(instrument.quantity_step),
        tick_size=float(instrument.tick_size),
        start_index=max(len(bars) - HISTORY_BARS, 0),
        keeps_decisions=True,
        limits=engine_limits(terms.limits),
    )


def _refusal(
    decision: Decision,
    wanted: float,
    instrument: Instrument,
    portfolio: Portfolio | None,
    terms: PreviewTerms,
) -> str:
    """Judge the order of the next bar by the limits as they stand; empty when it would pass."""
    quantity = round_to_step(amount_of(abs(wanted)), instrument.quantity_step)
    # A sale would sell what the preview holds; the portfolio itself may hold none of it.
    if portfolio is None or quantity <= 0 or wanted < 0:
        return ""
    draft = draft_of(
        side=OrderSide.BUY,
        order_type=OrderType.MARKET,
        quantity=quantity,
    )
    at = instant(decision.decided_at)
    results = rules_check(
        portfolio=portfolio,
        instrument=instrument,
        draft=draft,
        market=MarketView(amount_of(decision.close), at, decision.regime, at),
        summary=portfolio_value(portfolio),
        held=held_of(portfolio, instrument),
        n_recent_orders=0,
        own_limits=terms.limits,
    )
    failure = first_failure(results)
    return failure.sentence if failure else ""
