"""How much one might hold: three ways to size a position, the smallest of which is recommended.

INPUT    equity, price, volatility, stop distance, the record of past trades, caps
OUTPUT   a quantity that is never above a cap, with its arithmetic line by line
LOOKBACK none
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from trading.engine.errors import ConfigInvalid
from trading.engine.explanation import SizingLine
from trading.engine.metrics import wilson_interval
from trading.engine.sizing import (
    kelly_weight,
    risk_quantity,
    round_down,
    volatility_target_weight,
)

# Below so many trades a win rate says too little for a bet to be built on it.
FEWEST_TRADES = 30


@dataclass(frozen=True, slots=True)
class SizingCaps:
    """What a recommendation may never exceed.

    Attributes
    ----------
    max_weight : float
        Largest share of equity in one position, in (0, 1].
    risk_ratio : float
        Largest share of equity lost when the stop is met, in (0, 1].
    target_volatility : float
        Wanted volatility of the position, fraction per year, > 0.
    kelly_share : float
        Share of the full Kelly bet, in (0, 1].
    """

    max_weight: float = 0.25
    risk_ratio: float = 0.01
    target_volatility: float = 0.10
    kelly_share: float = 0.25

    def __post_init__(self) -> None:
        """Refuse a cap outside its range."""
        for name in ("max_weight", "risk_ratio", "kelly_share"):
            value = getattr(self, name)
            if not 0.0 < value <= 1.0:
                raise ConfigInvalid(f"{name} {value} must be above 0 and at most 1")
        if not 0.0 < self.target_volatility < math.inf:
            raise ConfigInvalid(f"target_volatility {self.target_volatility} must be above 0")


@dataclass(frozen=True, slots=True)
class TradeRecord:
    """Past trades after costs: how many, how many won, average win over average loss (> 0).

    Raises
    ------
    ConfigInvalid
        If more trades won than there were, or fewer than none.
    """

    n_trades: int
    n_wins: int
    payoff_ratio: float

    def __post_init__(self) -> None:
        """Refuse counts that cannot be."""
        if not 0 <= self.n_wins <= self.n_trades:
            raise ConfigInvalid(f"n_wins {self.n_wins} must lie between 0 and {self.n_trades}")


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A size with its reasons.

    Attributes
    ----------
    weight : float
        Share of equity, in [0, max_weight].
    quantity : float
        Units, >= 0, a multiple of the quantity step.
    bound_by : str
        Which way or cap gave the number: VOLATILITY_TARGET, RISK_PER_TRADE, KELLY or MAX_WEIGHT.
    lines : tuple of SizingLine
        The arithmetic; a way that could not be computed says why and has value NaN.
    """

    weight: float
    quantity: float
    bound_by: str
    lines: tuple[SizingLine, ...]


def recommend(
    *,
    equity: float,
    price: float,
    volatility: float,
    stop_distance: float | None,
    record: TradeRecord | None,
    caps: SizingCaps,
    quantity_step: float = 0.0,
) -> Recommendation:
    """Recommend the smallest of what the three ways and the cap allow.

    Parameters
    ----------
    equity, price : float
        Currency, currency per unit; > 0.
    volatility : float
        The instrument's, fraction per year; NaN or 0 where it is not known: nothing is then held.
    stop_distance : float or None
        From entry to stop in price units, > 0; None leaves risk per trade out.
    record : TradeRecord or None
        None, or fewer than 30 trades, leaves Kelly out.
    caps : SizingCaps
        Limits.
    quantity_step : float
        Units are rounded down to a multiple; 0 for fractional units.

    Returns
    -------
    Recommendation
        ``weight <= caps.max_weight``, ``weight * volatility <= caps.target_volatility`` and, with a
        stop, ``quantity * stop_distance <= equity * caps.risk_ratio``.

    Raises
    ------
    ConfigInvalid
        If equity, price or stop distance is not above zero, or the record is impossible.

    Notes
    -----
    Kelly uses the lower end of the win rate's 95 % Wilson interval, not its point estimate: the
    bet must still be right when the record flatters.

    Examples
    --------
    >>> found = recommend(equity=10_000.0, price=100.0, volatility=0.20, stop_distance=5.0,
    ...                   record=None, caps=SizingCaps())
    >>> found.bound_by, found.quantity
    ('RISK_PER_TRADE', 20.0)
    """
    if not (equity > 0.0 and price > 0.0 and math.isfinite(equity) and math.isfinite(price)):
        raise ConfigInvalid(f"equity {equity} and price {price} must be above 0")
    ways = (
        _by_volatility(volatility, caps),
        _by_risk(equity, price, stop_distance, caps),
        _by_kelly(record, caps),
    )
    known = [(line.value, name) for name, line in ways if not math.isnan(line.value)]
    # Each way ends at the cap itself: of equals the cap, which stands first, is what binds.
    capped = [(caps.max_weight, "MAX_WEIGHT"), *known]
    weight, bound_by = min(capped, key=lambda way: way[0])
    quantity = round_down(weight * equity / price, quantity_step)
    text = f"the smallest: {weight:.4f} of {equity:,.2f} at {price:,.2f}"
    return Recommendation(
        weight=weight,
        quantity=quantity,
        bound_by=bound_by,
        lines=(*(line for _, line in ways), SizingLine("quantity", quantity, text)),
    )


def _by_volatility(volatility: float, caps: SizingCaps) -> tuple[str, SizingLine]:
    weight = volatility_target_weight(caps.target_volatility, volatility, caps.max_weight)
    if weight == 0.0:
        text = "the volatility is not known, so nothing is held"
    else:
        text = (
            f"{caps.target_volatility:.1%} wanted ÷ {volatility:.1%} a year, "
            f"at most {caps.max_weight:g}"
        )
    return "VOLATILITY_TARGET", SizingLine("volatility target", weight, text)


def _by_risk(
    equity: float, price: float, stop_distance: float | None, caps: SizingCaps
) -> tuple[str, SizingLine]:
    name, label = "RISK_PER_TRADE", "risk per trade"
    if stop_distance is None:
        return name, SizingLine(label, math.nan, "left out: there is no stop")
    quantity = risk_quantity(
        equity, caps.risk_ratio, stop_distance, price=price, max_weight=caps.max_weight
    )
    weight = quantity * price / equity
    text = f"{caps.risk_ratio:.2%} of equity lost {stop_distance:,.2f} below the entry"
    return name, SizingLine(label, weight, text)


def _by_kelly(record: TradeRecord | None, caps: SizingCaps) -> tuple[str, SizingLine]:
    name, label = "KELLY", "capped Kelly"
    if record is None or record.n_trades < FEWEST_TRADES:
        n_trades = 0 if record is None else record.n_trades
        text = f"left out: {n_trades} trades, {FEWEST_TRADES} are needed"
        return name, SizingLine(label, math.nan, text)
    low = wilson_interval(record.n_wins, record.n_trades).low
    weight = kelly_weight(
        low, record.payoff_ratio, share=caps.kelly_share, max_weight=caps.max_weight
    )
    text = (
        f"{caps.kelly_share:g} of the Kelly bet on a win rate of {low:.1%}, the low end for "
        f"{record.n_wins} of {record.n_trades}, and wins {record.payoff_ratio:.2f} × losses"
    )
    return name, SizingLine(label, weight, text)
