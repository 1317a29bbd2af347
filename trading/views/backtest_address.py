"""A request for a backtest as the values of an address, written as a person types them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from trading.services.backtests.drafts import LIMITS, BacktestDraft
from trading.services.order_costs import PAPER_SLIPPAGE_BPS

PREFIX = "p_"
WEIGHT_PREFIX = "w_"
LIMIT_PREFIX = "limit_"
COST_NUMBERS = (
    "spread_bps", "commission_per_unit", "commission_minimum", "range_share", "impact",
    "borrow_bps_per_day", "financing_bps_per_year", "max_participation",
)  # fmt: skip


def url_values(draft: BacktestDraft) -> dict[str, str]:
    """Return the query string's values that set the form up as this request was."""
    values = {
        "strategy_key": draft.strategy_key,
        "symbol": draft.symbol,
        "timeframe": draft.timeframe,
        "start_date": draft.start_date.isoformat() if draft.start_date else "",
        "end_date": draft.end_date.isoformat() if draft.end_date else "",
        "cash": plain_number(draft.cash),
        "commission_bps": plain_number(draft.commission_bps),
        "slippage_bps": plain_number(draft.slippage_bps),
        "has_regime_costs": "on" if draft.has_regime_costs else "",
        **{name: _shown(getattr(draft, name)) for name in COST_NUMBERS},
        "has_usual_slippage": "on" if draft.has_usual_slippage else "",
        "carries_rest": "on" if draft.carries_rest else "",
        **_portfolio_values(draft),
        "is_free_confirmed": "on" if draft.is_free else "",
        "out_of_sample_share": plain_number(draft.out_of_sample_share),
        "out_of_sample_from": f"{draft.out_of_sample_from or ''}",
        "walk_forward_folds": str(draft.walk_forward_folds or ""),
        "benchmark": draft.benchmark,
        "seed": str(draft.seed),
        "note": draft.note,
        "tags": ", ".join(draft.tags),
    }
    values |= {PREFIX + name: plain_number(value) for name, value in draft.parameters.items()}
    values |= {LIMIT_PREFIX + name: plain_number(value) for name, value in draft.limits.items()}
    return {name: value for name, value in values.items() if value}


def plain_number(value: Any) -> str:
    """Write a number as a person types it, with every digit and no exponent; words as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return str(value)
    return f"{Decimal(str(value)).normalize():f}"


def version_values(version: Any) -> dict[str, str]:
    """Return the query string's values that test a strategy version at its own costs and limits."""
    costs = version.costs or {"has_regime_costs": True, "slippage_bps": PAPER_SLIPPAGE_BPS}
    values = {
        "strategy_key": version.strategy.key,
        "note": f"{version.strategy.name} v{version.number}",
        "commission_bps": "0",
        "slippage_bps": "0",
    }
    values |= {
        name: "on" if value is True else plain_number(value) for name, value in costs.items()
    }
    values |= {
        LIMIT_PREFIX + name: plain_number(value)
        for name, value in version.limits.items()
        if name in LIMITS
    }
    return values | {
        PREFIX + name: plain_number(value) for name, value in version.parameters.items()
    }


def searched_values(version: Any) -> dict[str, str]:
    """Return the query string's values that search around a strategy version.

    Its own limits are left out: a search judges rules, and would find those of a limit.
    """
    values = version_values(version)
    return {name: value for name, value in values.items() if not name.startswith(LIMIT_PREFIX)}


def _portfolio_values(draft: BacktestDraft) -> dict[str, str]:
    if not draft.is_portfolio:
        return {}
    return {
        "symbols": ", ".join(draft.symbols),
        "allocation": draft.allocation,
        "max_positions": str(draft.max_positions or ""),
        "gross_cap": plain_number(draft.gross_cap),
        **{WEIGHT_PREFIX + symbol: plain_number(share) for symbol, share in draft.weights.items()},
    }


def _shown(value: float | None) -> str:
    """Write a cost; empty for the default, which is 0 or None."""
    return plain_number(value) if value else ""
