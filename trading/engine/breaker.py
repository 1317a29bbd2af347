"""The trading circuit breaker of one strategy: less size as things get worse, back in steps.

INPUT    time of the bar, marked equity, what is held, volatility, optional correlation
OUTPUT   a level with its size factor, the rule that speaks in words, the next state
LOOKBACK none; the state remembers peak, day, streak, cool-down and back-off

Levels: NORMAL 1, CAUTIOUS, RESTRICTED, HALTED 0 of the size. Each rule has three limits, one per
level; the worst rule counts. A rise is immediate. The level is then held for its cool-down, and
falls one level at a time: that is the re-entry ramp. Each rise to RESTRICTED or HALTED doubles
the next cool-down, up to a cap; each look-back without one halves it again. HALTED sells what is
held and opens nothing. When it ends, drawdown and streak are measured anew from there; without that
a strategy that holds nothing could never come back.

Time is the bar's, never the machine's: a backtest and a live run trip at the same bar.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache

import numpy as np

from trading.engine.breaker_kernels import (
    BACKOFF,
    DAY,
    DAY_EQUITY,
    DAY_S,
    FLAT_EQUITY,
    IS_HOLDING,
    LAST_EQUITY,
    LEVEL,
    LIMIT,
    N_CELLS,
    N_TRIPS,
    PEAK,
    QUIET_FROM,
    RULE,
    SINCE,
    STREAK,
    UNTIL,
    VALUE,
    breaker_next_nb,
)
from trading.engine.errors import ConfigInvalid, StateInvalid
from trading.engine.kernels import FloatArray
from trading.engine.types import AssetClass

LEVELS = ("NORMAL", "CAUTIOUS", "RESTRICTED", "HALTED")
RULE_NAMES = (
    "",
    "volatility rank",
    "volatility",
    "daily loss",
    "drawdown",
    "loss streak",
    "correlation",
)
ALLOWED = (
    "everything is allowed",
    "wanted sizes are smaller, everything else is allowed",
    "wanted sizes are much smaller, everything else is allowed",
    "only selling is allowed, what is held is sold",
)
NS = 1_000_000_000
# A limit that no rank and no correlation reaches.
NEVER = 1.1

# Annualized volatility at which an asset class is calm no more, relative to an equity index.
VOLATILITY_SCALES: Mapping[AssetClass, float] = {
    AssetClass.EQUITY: 1.5,
    AssetClass.EQUITY_CLOSE: 1.5,
    AssetClass.ETF: 1.0,
    AssetClass.INDEX: 1.0,
    AssetClass.FX: 0.5,
    AssetClass.FX_EMERGING: 0.75,
    AssetClass.COMMODITY: 1.5,
    AssetClass.CRYPTO: 2.5,
}


@dataclass(frozen=True, slots=True)
class BreakerConfig:
    """Limits of the breaker; each triple is for CAUTIOUS, RESTRICTED, HALTED, rising.

    Attributes
    ----------
    percentiles : tuple of float
        Rank of the volatility in its own past, (0, 1]; above 1 never speaks.
    volatilities : tuple of float
        Annualized volatility of an equity index; other classes are scaled by `VOLATILITY_SCALES`.
    daily_losses, drawdowns : tuple of float
        Shares of equity, > 0: since the day before, and since the highest equity, open positions
        included.
    loss_streaks : tuple of float
        Losing round trips in a row.
    correlations : tuple of float
        Mean correlation with what else is held, where it is known. It cuts and does not halt
        (ADR 0024): what moves together is too much of one thing, not a loss.
    factors : tuple of float
        Share of the size each level leaves, falling; the last is 0.
    cool_down_days : tuple of float
        Days a level is held at least, before doubling.
    most_cool_down_days : float
        Cap of a doubled cool-down.
    look_back_days : float
        A rise within so many days of the last cool-down finds it doubled.
    """

    percentiles: tuple[float, float, float] = (0.95, 0.99, NEVER)
    volatilities: tuple[float, float, float] = (0.40, 0.60, 0.90)
    daily_losses: tuple[float, float, float] = (0.02, 0.025, 0.03)
    drawdowns: tuple[float, float, float] = (0.10, 0.15, 0.20)
    loss_streaks: tuple[float, float, float] = (6.0, 8.0, 10.0)
    correlations: tuple[float, float, float] = (0.75, 0.85, NEVER)
    factors: tuple[float, float, float] = (0.75, 0.5, 0.0)
    cool_down_days: tuple[float, float, float] = (1.0, 2.0, 3.0)
    most_cool_down_days: float = 48.0
    look_back_days: float = 30.0


@dataclass(frozen=True, slots=True)
class BreakerState:
    """What the breaker remembers between two bars; plain JSON both ways.

    Attributes
    ----------
    level : int
        0 NORMAL to 3 HALTED.
    since_at, until_at : int
        When the level was reached and until when it is held at least, nanoseconds UTC.
    rule : int
        Index in `RULE_NAMES` of what asks for the level at the last close, or did so last; 0 while
        NORMAL and on the way back.
    value, limit : float
        What it measured then, and the limit that was reached.
    backoff : int
        How often the next cool-down is doubled.
    n_trips : int
        Rises to RESTRICTED or HALTED so far.
    quiet_from_at : int
        From when quiet time counts, nanoseconds UTC; no earlier than the last close of a trip.
    peak_equity, day_equity, last_equity, flat_equity : float
        Highest equity since the last re-entry, at the end of the day before, at the last close,
        and at the last close without a position; the last of the book alone, where it is a share
        of an account.
    day : int
        UTC days since 1970 of the last close.
    loss_streak : int
        Losing round trips in a row.
    is_holding : bool
        Whether something was held at the last close.
    """

    level: int = 0
    since_at: int = 0
    until_at: int = 0
    rule: int = 0
    value: float = 0.0
    limit: float = 0.0
    backoff: int = 0
    n_trips: int = 0
    quiet_from_at: int = 0
    peak_equity: float = 0.0
    day_equity: float = 0.0
    last_equity: float = 0.0
    flat_equity: float = 0.0
    day: int = 0
    loss_streak: int = 0
    is_holding: bool = False

    @property
    def name(self) -> str:
        """Return the level's word."""
        return LEVELS[self.level]

    def to_dict(self) -> dict[str, float | int | bool]:
        """Return plain JSON values.

        Examples
        --------
        >>> BreakerState(level=2).to_dict()["level"]
        2
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, object]) -> BreakerState:
        """Read a stored state back.

        Raises
        ------
        StateInvalid
            When a name is unknown or the level is none of the four.
        """
        unknown = sorted(set(stored) - {field.name for field in fields(cls)})
        if unknown:
            raise StateInvalid(f"stored breaker state has unknown values: {', '.join(unknown)}")
        if stored.get("level", 0) not in range(len(LEVELS)):
            raise StateInvalid(f"stored breaker state has level {stored['level']!r}, not 0 to 3")
        return cls(**stored)  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def config_vector(config: BreakerConfig, asset_class: AssetClass | None = None) -> FloatArray:
    """Lay the limits out for the kernel; treat the array as read-only.

    Parameters
    ----------
    config : BreakerConfig
        Limits.
    asset_class : AssetClass or None
        Scales the volatility limits; None for those of an equity index.

    Returns
    -------
    float64, shape (26,)
        Times in seconds.

    Raises
    ------
    ConfigInvalid
        When limits do not rise, factors do not fall to 0, or a time is negative.
    """
    scale = VOLATILITY_SCALES.get(asset_class, 1.0) if asset_class else 1.0
    rows = (
        config.percentiles,
        tuple(scale * limit for limit in config.volatilities),
        config.daily_losses,
        config.drawdowns,
        config.loss_streaks,
        config.correlations,
    )
    for name, limits in zip(RULE_NAMES[1:], rows, strict=True):
        if not 0.0 < limits[0] <= limits[1] <= limits[2]:
            raise ConfigInvalid(f"{name} limits {limits} must be above 0 and not fall")
    if not 1.0 >= config.factors[0] >= config.factors[1] >= config.factors[2] == 0.0:
        raise ConfigInvalid(f"size factors {config.factors} must fall from at most 1 to 0")
    times = (*config.cool_down_days, config.most_cool_down_days, config.look_back_days)
    if min(times) <= 0.0:
        raise ConfigInvalid(f"cool-downs and look-back {times} days must be above 0")
    cells = [limit for limits in rows for limit in limits]
    return np.array([*cells, *config.factors, *(DAY_S * days for days in times)])


def state_vector(state: BreakerState | None) -> FloatArray:
    """Lay a state out for the kernel; None for one that has seen nothing.

    Examples
    --------
    >>> float(state_vector(BreakerState(level=2))[LEVEL]), state_vector(None).shape
    (2.0, (16,))
    """
    cells = np.zeros(N_CELLS)
    if state is None:
        return cells
    for name, cell, unit in _CELLS:
        cells[cell] = getattr(state, name) / unit
    return cells


def state_of(cells: FloatArray) -> BreakerState:
    """Read the kernel's cells back.

    Examples
    --------
    >>> state_of(state_vector(BreakerState(level=1, until_at=5_000_000_000))).until_at
    5000000000
    """
    values: dict[str, float | int | bool] = {}
    for name, cell, unit in _CELLS:
        value = float(cells[cell])
        values[name] = value if name in _FLOATS else round(value * unit)
    values["is_holding"] = bool(values["is_holding"])
    return BreakerState(**values)  # type: ignore[arg-type]


def breaker_next(
    state: BreakerState | None,
    config: FloatArray,
    closed_at: int,
    equity: float,
    *,
    quantity: float,
    volatility: float,
    percentile: float,
    correlation: float = math.nan,
    own: float = math.nan,
) -> tuple[BreakerState, float]:
    """Move the breaker on by one close.

    Parameters
    ----------
    state : BreakerState or None
        As it was after the bar before; None at the first bar.
    config : float64, shape (26,)
        From `config_vector`.
    closed_at : int
        The bar's close, nanoseconds UTC.
    equity : float
        Marked at this close, open position included, currency.
    quantity : float
        Units held.
    volatility, percentile : float
        Annualized fraction, and its rank in (0, 1]; NaN while not known.
    correlation : float
        With what else is held, in [-1, 1]; NaN where not known.
    own : float
        What the book alone has made by this close, currency, where ``equity`` is that of an account
        around it: whether a trip won or lost is the book's affair. NaN for the equity.

    Returns
    -------
    tuple of BreakerState and float
        The next state and the share of the size it leaves, in [0, 1].

    Examples
    --------
    >>> config = config_vector(BreakerConfig())
    >>> calm = {"quantity": 1.0, "volatility": 0.1, "percentile": 0.5}
    >>> state, factor = breaker_next(None, config, 0, 100.0, **calm)
    >>> state, factor = breaker_next(state, config, 86_400 * NS, 85.0, **calm)
    >>> state.name, RULE_NAMES[state.rule], factor
    ('HALTED', 'daily loss', 0.0)
    """
    cells = state_vector(state)
    factor = breaker_next_nb(
        cells,
        config,
        closed_at / NS,
        equity,
        quantity,
        volatility,
        percentile,
        correlation,
        own,
    )
    return state_of(cells), factor


def breaker_sentence(state: BreakerState, closed_at: int) -> str:
    """Say the level, the rule that asks for it, how long it holds, and what is allowed.

    Parameters
    ----------
    state : BreakerState
        As it was after a close.
    closed_at : int
        That close, nanoseconds UTC.

    Examples
    --------
    >>> breaker_sentence(BreakerState(), 0)
    'NORMAL: everything is allowed'
    >>> halted = BreakerState(level=3, rule=4, value=0.213, limit=0.2, until_at=NS)
    >>> breaker_sentence(halted, 0)[:66]
    'HALTED: drawdown 21.3% reached the limit of 20.0%; held until 1970'
    """
    if state.level == 0:
        return f"{state.name}: {ALLOWED[0]}"
    cause, held = "on the way back", "held while that lasts"
    if state.rule:
        name = RULE_NAMES[state.rule]
        form = ",.0f" if name == "loss streak" else ".1%"
        cause = f"{name} {state.value:{form}} reached the limit of {state.limit:{form}}"
    if state.until_at > closed_at:
        until = dt.datetime.fromtimestamp(state.until_at // NS, dt.UTC)
        held = f"held until {until:%Y-%m-%d %H:%M} at least"
    return f"{state.name}: {cause}; {held}; {ALLOWED[state.level]}"


_FLOATS = frozenset({"value", "limit", "peak_equity", "day_equity", "last_equity", "flat_equity"})
_CELLS = (
    ("level", LEVEL, 1),
    ("since_at", SINCE, NS),
    ("until_at", UNTIL, NS),
    ("rule", RULE, 1),
    ("value", VALUE, 1),
    ("limit", LIMIT, 1),
    ("backoff", BACKOFF, 1),
    ("n_trips", N_TRIPS, 1),
    ("quiet_from_at", QUIET_FROM, NS),
    ("peak_equity", PEAK, 1),
    ("day_equity", DAY_EQUITY, 1),
    ("last_equity", LAST_EQUITY, 1),
    ("flat_equity", FLAT_EQUITY, 1),
    ("day", DAY, 1),
    ("loss_streak", STREAK, 1),
    ("is_holding", IS_HOLDING, 1),
)
