"""Pages as a test meets them: where they are, what is typed into them, what they say."""

from __future__ import annotations

import re

from django.http import HttpResponse

from trading.models import StrategyVersion

KEY = "volatility_adaptive_trend"
BACKTEST_FORM = {
    "strategy_key": "sma_cross",
    "symbol": "WALK",
    "timeframe": "1d",
    "cash": "50000",
    "commission_bps": "5",
    "slippage_bps": "0",
    "out_of_sample_share": "0.3",
    "seed": "11",
    "note": "first idea",
    "p_fast": "5",
    "p_slow": "20",
    "client_key": "k1",
}
STUDY_FORM = {
    "strategy_key": "sma_cross", "symbol": "WALK", "timeframe": "1d", "cash": "50000",
    "commission_bps": "5", "slippage_bps": "0", "seed": "7", "method": "GRID", "n_trials": "20",
    "n_folds": "3", "holdout_share": "0.2", "dispersion_weight": "0.5", "fewest_trades": "1",
    "deepest_drawdown": "-1", "client_key": "k1",
    "s_fast_moves": "on", "s_fast_low": "3", "s_fast_high": "12", "s_fast_step": "3",
    "s_slow_value": "30", "s_sizing_value": "all_in",
}  # fmt: skip


def text(response: HttpResponse) -> str:
    """Return the page with its white space folded, so that sentences are found as written."""
    return re.sub(r"\s+", " ", response.content.decode())


def said(response: HttpResponse) -> str:
    """Return what a person reads of a page: no tags, white space folded."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", response.content.decode()))


def address(version: StrategyVersion, rest: str = "") -> str:
    """Return where the pages of a version's strategy are."""
    return f"/strategies/{version.strategy_id}/{rest}"


def typed(version: StrategyVersion, **changes: object) -> dict[str, str]:
    """Return the fields of the editor as they come, some of them changed."""
    return {f"p_{name}": str(value) for name, value in {**version.parameters, **changes}.items()}
