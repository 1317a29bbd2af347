"""How much to hold: volatility target, risk per trade, capped Kelly, whole units.

INPUT    equity, price, volatility or stop distance
OUTPUT   weights as shares of equity, or units
LOOKBACK none
"""

from __future__ import annotations

import math

from trading.engine.errors import ConfigInvalid
from trading.engine.rules import round_down_nb


def volatility_target_weight(target: float, volatility: float, max_weight: float = 1.0) -> float:
    """Return the weight that brings a position to the wanted volatility: ``target / volatility``.

    Parameters
    ----------
    target : float
        Wanted volatility of the position, fraction per year, >= 0.
    volatility : float
        The instrument's volatility, fraction per year; NaN or 0 means not known.
    max_weight : float
        Cap, share of equity, >= 0.

    Returns
    -------
    float
        Share of equity in [0, ``max_weight``]; 0 where the volatility is not known.

    Examples
    --------
    >>> volatility_target_weight(0.10, 0.20), volatility_target_weight(0.10, 0.05)
    (0.5, 1.0)
    """
    if math.isnan(volatility) or volatility <= 0.0:
        return 0.0
    return min(target / volatility, max_weight)


def risk_quantity(
    equity: float,
    risk_ratio: float,
    stop_distance: float,
    *,
    price: float,
    max_weight: float = 1.0,
) -> float:
    """Return the units that lose ``risk_ratio`` of equity when the stop is met.

    Parameters
    ----------
    equity : float
        Currency, > 0.
    risk_ratio : float
        Share of equity to lose at the stop, in [0, 1].
    stop_distance : float
        Distance from entry to stop, price units, > 0.
    price : float
        Price per unit, > 0.
    max_weight : float
        Cap on ``quantity * price / equity``.

    Returns
    -------
    float
        Units, >= 0.

    Raises
    ------
    ConfigInvalid
        If distance or price is not above zero.

    Examples
    --------
    >>> risk_quantity(10_000.0, 0.01, 5.0, price=100.0)
    20.0
    """
    if not (stop_distance > 0.0 and price > 0.0):
        raise ConfigInvalid(f"stop distance {stop_distance} and price {price} must be above 0")
    return min(equity * risk_ratio / stop_distance, equity * max_weight / price)


def kelly_weight(
    hit_rate: float, payoff_ratio: float, *, share: float = 0.25, max_weight: float = 0.20
) -> float:
    """Return a capped fraction of the Kelly bet: ``p - (1 - p) / b``, times ``share``.

    Parameters
    ----------
    hit_rate : float
        Probability of a win, in [0, 1].
    payoff_ratio : float
        Average win over average loss, > 0.
    share : float
        Fraction of full Kelly, in [0, 1]; estimates are uncertain, full Kelly is too much.
    max_weight : float
        Cap, share of equity.

    Returns
    -------
    float
        Share of equity in [0, ``max_weight``]; 0 without an edge.

    References
    ----------
    Kelly, A New Interpretation of Information Rate (1956).

    Examples
    --------
    >>> round(kelly_weight(0.6, 1.0), 6), kelly_weight(0.4, 1.0)
    (0.05, 0.0)
    """
    if not payoff_ratio > 0.0:
        raise ConfigInvalid(f"payoff ratio {payoff_ratio} must be above 0")
    edge = hit_rate - (1.0 - hit_rate) / payoff_ratio
    return min(max(edge, 0.0) * share, max_weight)


def round_down(quantity: float, step: float) -> float:
    """Round a quantity towards zero to a multiple of ``step``; step 0 keeps it as it is.

    Examples
    --------
    >>> round_down(12.999, 1.0), round_down(-2.5, 1.0), round_down(0.123, 0.0)
    (12.0, -2.0, 0.123)
    """
    return round_down_nb(float(quantity), float(step))
