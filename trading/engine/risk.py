"""The pure check in front of every order: one named rule after another, all of them reported.

INPUT    an order, the portfolio as it stands, the limits
OUTPUT   a result per rule with its value and its limit, for ✓ / ⚠ / ✕ on a page
LOOKBACK none
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# What a rule says is a message of a decision too; here is where it is asked for.
from trading.engine.explanation import RuleResult as RuleResult
from trading.engine.types import OrderSide, RuleStatus

# A size that was cut to a limit may come back above it by the last digits of its arithmetic.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Limits of a portfolio; None switches a rule off.

    Attributes
    ----------
    max_notional : float or None
        Largest value of one order, currency.
    max_position_weight : float or None
        Largest size of one position after the order, share of equity.
    max_daily_loss : float or None
        Loss since the day's first equity at which new risk is refused, currency, > 0.
    max_open_orders : int or None
        Working orders there may be, the new one included.
    allows_short : bool
        Whether a position may become negative.
    warn_share : float
        Share of a limit from which a rule warns, in (0, 1].
    """

    max_notional: float | None = None
    max_position_weight: float | None = None
    max_daily_loss: float | None = None
    max_open_orders: int | None = None
    allows_short: bool = False
    warn_share: float = 0.8


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What is asked for: `price` is what to judge it by, `cost` fees and slippage in currency."""

    symbol: str
    side: OrderSide
    quantity: float
    price: float
    cost: float = 0.0

    @property
    def notional(self) -> float:
        """Return quantity times price."""
        return self.quantity * self.price


@dataclass(frozen=True, slots=True)
class PortfolioView:
    """The portfolio before the order, currency and signed units.

    `reserved_cash` is what working buy orders will need, `reserved_quantity` what working sell
    orders of this symbol will take; `day_start_equity` is the first equity of the trading day.
    """

    cash: float
    equity: float
    position_quantity: float = 0.0
    reserved_cash: float = 0.0
    reserved_quantity: float = 0.0
    day_start_equity: float | None = None
    n_open_orders: int = 0
    currency: str = "USD"


def check(
    order: OrderRequest, portfolio: PortfolioView, limits: RiskLimits
) -> tuple[RuleResult, ...]:
    """Judge an order by every rule, without stopping at the first that fails.

    Parameters
    ----------
    order : OrderRequest
        Quantity and price > 0.
    portfolio : PortfolioView
        As it stands before the order.
    limits : RiskLimits
        What is allowed.

    Returns
    -------
    tuple of RuleResult
        In a fixed order: quantity, buying power, notional, position weight, short, daily loss, open
        orders. The order may go out when no status is FAIL (see `is_allowed`).

    Notes
    -----
    Orders that only reduce a position pass the weight and daily-loss rules: getting out must always
    be possible.

    Examples
    --------
    >>> order = OrderRequest("SPX", OrderSide.BUY, 10.0, 1_250.0)
    >>> results = check(order, PortfolioView(1e5, 1e5), RiskLimits(max_notional=10_000.0))
    >>> [(r.rule, str(r.status)) for r in results if r.status is not RuleStatus.PASS]
    [('MAX_NOTIONAL', 'FAIL')]
    >>> results[2].sentence
    'notional 12,500.00 USD exceeds the limit of 10,000.00 USD'
    """
    return (
        _quantity(order),
        _buying_power(order, portfolio, limits),
        _notional(order, portfolio, limits),
        _weight(order, portfolio, limits),
        _short(order, portfolio, limits),
        _daily_loss(order, portfolio, limits),
        _open_orders(portfolio, limits),
    )


def is_allowed(results: Sequence[RuleResult]) -> bool:
    """Tell whether no rule failed."""
    return all(result.status is not RuleStatus.FAIL for result in results)


def _quantity(order: OrderRequest) -> RuleResult:
    is_sound = math.isfinite(order.notional) and order.quantity > 0.0 and order.price > 0.0
    sentence = (
        f"quantity {order.quantity:,.6g} at {order.price:,.2f}"
        if is_sound
        else f"quantity {order.quantity:g} and price {order.price:g} must both be above 0"
    )
    status = RuleStatus.PASS if is_sound else RuleStatus.FAIL
    return RuleResult("QUANTITY", status, order.quantity, 0.0, "units", sentence)


def _buying_power(order: OrderRequest, portfolio: PortfolioView, limits: RiskLimits) -> RuleResult:
    available = portfolio.cash - portfolio.reserved_cash
    needed = order.cost + (order.notional if order.side is OrderSide.BUY else 0.0)
    if order.side is OrderSide.SELL:
        # A sale pays its own fees; only the part that opens a short would need cash.
        return RuleResult(
            "BUYING_POWER", RuleStatus.PASS, 0.0, available, "money", "a sale needs no buying power"
        )
    text = f"{needed:,.2f} {portfolio.currency} needed"
    if needed > available:
        missing = needed - available
        sentence = (
            f"{text} exceeds the buying power of {available:,.2f} {portfolio.currency}; "
            f"{missing:,.2f} {portfolio.currency} are missing"
        )
        return RuleResult("BUYING_POWER", RuleStatus.FAIL, needed, available, "money", sentence)
    sentence = f"{text} of {available:,.2f} {portfolio.currency} buying power"
    status = _near(needed, available, limits)
    return RuleResult("BUYING_POWER", status, needed, available, "money", sentence)


def _notional(order: OrderRequest, portfolio: PortfolioView, limits: RiskLimits) -> RuleResult:
    limit = limits.max_notional
    unit = portfolio.currency
    return _limited("MAX_NOTIONAL", "notional", order.notional, limit, "money", unit, limits)


def _weight(order: OrderRequest, portfolio: PortfolioView, limits: RiskLimits) -> RuleResult:
    after = _quantity_after(order, portfolio)
    equity = portfolio.equity
    weight = abs(after) * order.price / equity if equity > 0.0 else math.inf
    if abs(after) <= abs(portfolio.position_quantity):
        sentence = f"position weight falls to {weight:.1%} of equity"
        limit = limits.max_position_weight
        return RuleResult("MAX_POSITION_WEIGHT", RuleStatus.PASS, weight, limit, "ratio", sentence)
    return _limited(
        "MAX_POSITION_WEIGHT",
        "position weight",
        weight,
        limits.max_position_weight,
        "ratio",
        "of equity",
        limits,
    )


def _short(order: OrderRequest, portfolio: PortfolioView, limits: RiskLimits) -> RuleResult:
    after = _quantity_after(order, portfolio) - (
        portfolio.reserved_quantity if order.side is OrderSide.SELL else 0.0
    )
    if after >= -1e-9 or limits.allows_short:
        sentence = f"{after:,.6g} units after the order"
        return RuleResult("SHORT", RuleStatus.PASS, after, 0.0, "units", sentence)
    available = portfolio.position_quantity - portfolio.reserved_quantity
    sentence = (
        f"selling {order.quantity:,.6g} units exceeds the {max(available, 0.0):,.6g} units that "
        "can be sold; short positions are not allowed"
    )
    return RuleResult("SHORT", RuleStatus.FAIL, after, 0.0, "units", sentence)


def _daily_loss(order: OrderRequest, portfolio: PortfolioView, limits: RiskLimits) -> RuleResult:
    begin = portfolio.day_start_equity
    loss = 0.0 if begin is None else max(begin - portfolio.equity, 0.0)
    limit = limits.max_daily_loss
    reduces = abs(_quantity_after(order, portfolio)) < abs(portfolio.position_quantity)
    if limit is None or reduces:
        sentence = f"loss today {loss:,.2f} {portfolio.currency}" + (
            "; orders that reduce risk always pass" if reduces else ", no limit set"
        )
        return RuleResult("DAILY_LOSS", RuleStatus.PASS, loss, limit, "money", sentence)
    if loss >= limit:
        sentence = (
            f"loss today {loss:,.2f} {portfolio.currency} has used up the limit of {limit:,.2f} "
            f"{portfolio.currency}; only orders that reduce risk pass"
        )
        return RuleResult("DAILY_LOSS", RuleStatus.FAIL, loss, limit, "money", sentence)
    sentence = f"loss today {loss:,.2f} of {limit:,.2f} {portfolio.currency}"
    return RuleResult("DAILY_LOSS", _near(loss, limit, limits), loss, limit, "money", sentence)


def _open_orders(portfolio: PortfolioView, limits: RiskLimits) -> RuleResult:
    count = float(portfolio.n_open_orders + 1)
    limit = None if limits.max_open_orders is None else float(limits.max_open_orders)
    return _limited("MAX_OPEN_ORDERS", "open orders", count, limit, "count", "", limits)


def _limited(
    rule: str,
    name: str,
    value: float,
    limit: float | None,
    unit: str,
    suffix: str,
    limits: RiskLimits,
) -> RuleResult:
    shown = _text(value, unit, suffix)
    if limit is None:
        return RuleResult(rule, RuleStatus.PASS, value, None, unit, f"{name} {shown}, no limit set")
    allowed = _text(limit, unit, suffix)
    if value > limit * (1.0 + ROUNDING):
        sentence = f"{name} {shown} exceeds the limit of {allowed}"
        return RuleResult(rule, RuleStatus.FAIL, value, limit, unit, sentence)
    sentence = f"{name} {shown} is within the limit of {allowed}"
    return RuleResult(rule, _near(value, limit, limits), value, limit, unit, sentence)


def _text(value: float, unit: str, suffix: str) -> str:
    formats = {"money": f"{value:,.2f}", "ratio": f"{value:.1%}", "count": f"{value:,.0f}"}
    return f"{formats[unit]} {suffix}".strip()


def _near(value: float, limit: float, limits: RiskLimits) -> RuleStatus:
    return RuleStatus.WARN if value > limits.warn_share * limit else RuleStatus.PASS


def _quantity_after(order: OrderRequest, portfolio: PortfolioView) -> float:
    signed = order.quantity if order.side is OrderSide.BUY else -order.quantity
    return portfolio.position_quantity + signed
