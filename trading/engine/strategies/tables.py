"""What strategies share that are a table: one decision from one row, breaker parameters.

INPUT    features with a `RuleTable`, the position's memory
OUTPUT   a `Proposal`, from the same kernel that the compiled loop calls
LOOKBACK none
"""

from __future__ import annotations

import math
from functools import lru_cache

from marketdata.types import Bars
from trading.engine import rules
from trading.engine.breaker import NEVER, BreakerConfig, config_vector
from trading.engine.costs import CostModel
from trading.engine.kernels import FloatArray
from trading.engine.rules import KINDS, REASONS, RuleTable
from trading.engine.state import StrategyState
from trading.engine.strategies.base import (
    CHOICE,
    FLOAT,
    INT,
    Features,
    Parameter,
    Params,
    Proposal,
)
from trading.engine.types import AssetClass

ON, OFF = "on", "off"
CLOSE, RESTING = "close", "resting"

PROTECTION_PARAMETER = Parameter(
    "protection",
    CHOICE,
    CLOSE,
    "Stop and target: watched at the close, sold at the next open; or resting orders at the "
    "market, filled inside a bar or at an open beyond them",
    choices=(CLOSE, RESTING),
)


def table_of(features: Features) -> RuleTable:
    """Return the table of a strategy that has one."""
    if features.table is None:
        raise AssertionError("these features were prepared without a table")
    return features.table


def propose(features: Features, i: int, state: StrategyState) -> Proposal:
    """Decide on one row."""
    table = table_of(features)
    row = table.rows[i]
    reason = rules.rule_next_nb(
        int(row[rules.SIGNALS]),
        KINDS.index(state.entry_kind) if state.quantity else rules.FLAT,
        state.bars_held,
        state.holding_limit if table.keeps_limit else int(row[rules.HOLDING_LIMIT]),
        float(features.bars.close[i]),
        _watched(state, state.stop_price),
        _watched(state, state.target_price),
        float(row[rules.COST_RATE]),
    )
    kind = rules.kind_after_nb(reason)
    word = table.reasons[reason]
    if kind == rules.FLAT:
        return Proposal(0.0, 0.0, word, uses_all_cash=table.uses_all_cash)
    is_entry = state.quantity == 0.0
    return Proposal(
        target_weight=float(row[kind]),
        signal=1.0,
        rule=word,
        kind=KINDS[kind],
        uses_all_cash=table.uses_all_cash,
        rebalances=table.rebalances,
        no_trade_band=table.no_trade_band,
        stop_distance=_distance(row[rules.STOP_DISTANCE]) if is_entry else None,
        target_distance=_distance(row[rules.TARGET_DISTANCE]) if is_entry else None,
        cost_rate=float(row[rules.COST_RATE]),
        holding_limit=int(row[rules.HOLDING_LIMIT]) if is_entry and table.keeps_limit else 0,
        trail_distance=_distance(row[rules.TRAIL_DISTANCE]),
        rests_protection=is_entry and table.rests_protection,
    )


def _watched(state: StrategyState, level: float | None) -> float:
    """Return a level to compare the close with; NaN for none and for one that rests."""
    return math.nan if level is None or state.rests_protection else level


def _distance(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def reasons(**words: str) -> tuple[str, ...]:
    """Put a strategy's own words in the place of `rules.REASONS`.

    Examples
    --------
    >>> reasons(TREND_UP="ABOVE")[:3]
    ('NO_SETUP', 'ABOVE', 'DIP')
    """
    return tuple(words.get(reason, reason) for reason in REASONS)


def breaker_parameters(default: str) -> tuple[Parameter, ...]:
    """Return the parameters of the circuit breaker, switched ``default``: "on" or "off"."""
    config = BreakerConfig()
    return (
        Parameter(
            "breaker",
            CHOICE,
            default,
            "Circuit breaker: on cuts the size when volatility or losses pass their limits",
            choices=(ON, OFF),
        ),
        Parameter(
            "breaker_daily_loss", FLOAT, config.daily_losses[2],
            "Loss since the day before that halts it; less from two thirds on", 0.005, 0.5, 0.005,
            unit="ratio",
        ),
        Parameter(
            "breaker_drawdown", FLOAT, config.drawdowns[2],
            "Loss since the highest equity that halts it; less from half on", 0.02, 0.9, 0.01,
            unit="ratio",
        ),
        Parameter(
            "breaker_loss_streak", INT, int(config.loss_streaks[2]),
            "Losing trades in a row that halt it; less from three fifths on", 2, 50, 1,
            unit="trades",
        ),
        Parameter(
            "breaker_correlation", FLOAT, config.correlations[1],
            "Mean correlation with what else is held that halves the size; a quarter less from "
            "0.10 below on; above 1.10 never", 0.2, 1.2, 0.05, unit="ratio",
        ),
        Parameter(
            "breaker_cool_down", FLOAT, config.cool_down_days[2],
            "Shortest halt; doubles with each trip within 30 days", 0.1, 60.0, 0.1, unit="days",
        ),
    )  # fmt: skip


@lru_cache(maxsize=64)
def _breaker_config(
    loss: float, drawdown: float, streak: float, correlation: float, days: float
) -> BreakerConfig:
    return BreakerConfig(
        daily_losses=(loss * 2.0 / 3.0, loss * 5.0 / 6.0, loss),
        drawdowns=(drawdown * 0.5, drawdown * 0.75, drawdown),
        loss_streaks=(math.ceil(streak * 0.6), math.ceil(streak * 0.8), streak),
        correlations=(correlation - 0.10, correlation, max(correlation, NEVER)),
        cool_down_days=(days / 3.0, days * 2.0 / 3.0, days),
        most_cool_down_days=16.0 * days,
    )


def breaker_config(params: Params) -> BreakerConfig | None:
    """Read the breaker's limits from a strategy's parameters; None where it is off or unknown.

    Examples
    --------
    >>> breaker_config({"breaker": "off"}) is None
    True
    >>> given = {"breaker": "on", "breaker_daily_loss": 0.06, "breaker_drawdown": 0.2}
    >>> given |= {"breaker_loss_streak": 10, "breaker_cool_down": 3.0, "breaker_correlation": 0.85}
    >>> [round(limit, 3) for limit in breaker_config(given).daily_losses]
    [0.04, 0.05, 0.06]
    """
    if params.get("breaker") != ON:
        return None
    return _breaker_config(
        float(params["breaker_daily_loss"]),
        float(params["breaker_drawdown"]),
        float(params["breaker_loss_streak"]),
        float(params["breaker_correlation"]),
        float(params["breaker_cool_down"]),
    )


def breaker_limits(params: Params, bars: Bars, costs: CostModel) -> FloatArray | None:
    """Lay out what a strategy's breaker looks for on a series; None where it has none.

    Parameters
    ----------
    params : mapping
        The strategy's.
    bars : Bars
        Their asset class says which volatility is calm; what trading costs does not.
    costs : CostModel
        Its preset is the class of bars that do not tell theirs.

    Returns
    -------
    float64, shape (26,), or None
        See `breaker.config_vector`.
    """
    config = breaker_config(params)
    if config is None:
        return None
    named = AssetClass.__members__.get(bars.asset_class)
    return config_vector(config, named or costs.preset)
