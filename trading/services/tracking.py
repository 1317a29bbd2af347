"""A strategy at work beside its own backtest on the same bars, and what its fills cost.

Reads only; nothing here decides or orders.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np

from marketdata.selectors import NoBars, bars_get, nanoseconds
from marketdata.types import Bars, FloatArray, IntArray
from trading.engine import backtest, metrics
from trading.engine.backtest import BacktestConfig
from trading.engine.costs import BPS, MOST_WORSE, CostModel, impact_scales, price_rates
from trading.engine.errors import EngineError, InsufficientBars
from trading.engine.regimes import regimes_of
from trading.engine.strategies import StrategySpec, resolve_params
from trading.engine.tracking import MeanCost, TrackingBand, mean_cost, tracking_band
from trading.engine.types import OrderSide, OrderType
from trading.models import Deployment, Fill
from trading.selectors.own_books import book_of
from trading.selectors.strategies import StrategyNotInstalled
from trading.services.bindings import spec_for
from trading.services.order_costs import regime_code
from trading.services.own_costs import version_costs
from trading.services.own_limits import engine_limits

FEWEST_BARS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Tracking:
    """Equity since the start, live and as the same rule would have had it on the same bars.

    The first point is the start with the capital given. `band` is None where the backtest before
    the start is too short, and `n_history` says how many returns it has.
    """

    closed_at: IntArray
    live: FloatArray
    expected: FloatArray
    band: TrackingBand | None
    n_history: int
    has_own_costs: bool

    @property
    def n_bars(self) -> int:
        """Return how many bars closed since the start."""
        return int(self.closed_at.shape[0]) - 1

    @property
    def is_too_few(self) -> bool:
        """Tell whether there are too few bars to judge by."""
        return self.n_bars < FEWEST_BARS

    @property
    def live_return(self) -> float:
        """Return the own book's growth since the start, a fraction."""
        return float(self.live[-1] / self.live[0] - 1.0)

    @property
    def expected_return(self) -> float:
        """Return the backtest's growth over the same bars, a fraction."""
        return float(self.expected[-1] / self.expected[0] - 1.0)

    @property
    def expected_drawdown(self) -> float:
        """Return the deepest fall of the backtest over the same bars, <= 0."""
        return metrics.max_drawdown(self.expected[1:], float(self.expected[0]))

    @property
    def difference(self) -> float:
        """Return live minus expected, a fraction of the capital."""
        return self.live_return - self.expected_return

    @property
    def place(self) -> float | None:
        """Return the share of drawn paths at or below the own book; None while too few."""
        if self.band is None or self.is_too_few:
            return None
        return self.band.place_of(float(self.live[-1] / self.live[0]))

    @property
    def share_above(self) -> float | None:
        """Return the share of drawn paths above the own book; None while too few."""
        return None if self.place is None else 1.0 - self.place

    @property
    def standing(self) -> str:
        """Return `below`, `inside` or `above` the band; empty while it cannot be said."""
        if self.place is None:
            return ""
        return "below" if self.place < 0.05 else "above" if self.place > 0.95 else "inside"


@dataclass(frozen=True, slots=True)
class FillCost:
    """What one fill cost and was expected to cost, basis points of the price or notional it met.

    `moved_bps` is how far the market went between the close decided at and the price met, positive
    when against the order; None without a decision.
    """

    filled_at: dt.datetime
    side: str
    quantity: float
    price: float
    slippage_bps: float
    expected_slippage_bps: float
    commission_bps: float
    expected_commission_bps: float
    moved_bps: float | None

    @property
    def paid_bps(self) -> float:
        """Return slippage and commission together."""
        return self.slippage_bps + self.commission_bps

    @property
    def expected_bps(self) -> float:
        """Return what the cost model expects of both together."""
        return self.expected_slippage_bps + self.expected_commission_bps


@dataclass(frozen=True, slots=True)
class CostLine:
    """One kind of cost over all fills: expected, paid, and paid minus expected."""

    label: str
    expected: MeanCost | None
    paid: MeanCost
    excess: MeanCost | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Return the interval of the excess, of what was paid where nothing is expected."""
        return (self.excess or self.paid).interval


def tracking_of(deployment: Deployment, *, until: dt.datetime | None) -> Tracking | None:
    """Lay the own book beside the same rule on the same bars; None before the first bar.

    None too where the rule is not installed any more, or cannot be run over these bars.

    Both begin with the capital at the start. The backtest pays the version's own costs, the usual
    ones where it has none; a hybrid decides with the model that is active now. The band is drawn
    from the backtest's returns on the bars before the start.
    """
    try:
        bars = bars_get(
            deployment.instrument, deployment.timeframe, until=until or deployment.last_bar_at
        )
    except NoBars:
        return None
    start_ns = nanoseconds(deployment.starts_at)
    begin = int(np.searchsorted(bars.closed_at, start_ns, side="right"))
    book = book_of(deployment, until=until)
    # The book may hold the bar of the start itself, at which nothing is decided.
    live = book.equity[book.closed_at > start_ns]
    if live.shape[0] < 2 or begin == 0:
        return None
    version = deployment.version
    capital = float(deployment.capital)
    config = BacktestConfig(
        cash=capital,
        cost_model=version_costs(version.costs, deployment.instrument),
        quantity_step=float(deployment.instrument.quantity_step),
        tick_size=float(deployment.instrument.tick_size),
        limits=engine_limits(version.limits),
    )
    try:
        spec = spec_for(version.strategy.key)
        expected = backtest.equity_of(
            bars, spec, version.parameters, replace(config, start_index=begin)
        )
        returns = _returns_before(bars.until(begin - 1), spec, version.parameters, config)
    except (EngineError, StrategyNotInstalled):
        return None
    return Tracking(
        closed_at=np.concatenate(([start_ns], bars.closed_at[begin:])),
        live=np.concatenate(([capital], live)),
        expected=np.concatenate(([capital], expected)),
        band=_band(returns, live.shape[0], seed=deployment.pk),
        n_history=int(returns.shape[0]),
        has_own_costs=bool(version.costs),
    )


def fill_costs(deployment: Deployment) -> list[FillCost]:
    """Cost of every fill of a deployment beside what its cost model expects, oldest first."""
    fills = list(
        Fill.objects.filter(order__deployment=deployment)
        .select_related("order__decision")
        .order_by("filled_at", "pk")
    )
    if not fills:
        return []
    costs = version_costs(deployment.version.costs, deployment.instrument)
    try:
        bars = bars_get(deployment.instrument, deployment.timeframe, until=fills[-1].filled_at)
    except NoBars:
        return []
    codes = regimes_of(bars).codes
    rates = price_rates(costs, codes, bars.high, bars.low, bars.close)
    scales = impact_scales(costs, codes, bars.close, bars.volume)
    return [_fill_cost(fill, bars, costs, rates, scales) for fill in fills]


def cost_lines(rows: list[FillCost]) -> list[CostLine]:
    """Sum fills up by kind of cost: n, mean and 95 % interval of each."""
    kinds = (
        ("Slippage in the price", "expected_slippage_bps", "slippage_bps"),
        ("Commission", "expected_commission_bps", "commission_bps"),
        ("Together", "expected_bps", "paid_bps"),
    )
    lines = [
        _line(
            label,
            np.array([getattr(row, expected) for row in rows]),
            np.array([getattr(row, paid) for row in rows]),
        )
        for label, expected, paid in kinds
    ]
    moved = np.array([row.moved_bps for row in rows if row.moved_bps is not None])
    return [*lines, CostLine("Market moved before the fill", None, mean_cost(moved), None)]


def _line(label: str, expected: FloatArray, paid: FloatArray) -> CostLine:
    return CostLine(label, mean_cost(expected), mean_cost(paid), mean_cost(paid - expected))


def _returns_before(
    bars: Bars, spec: StrategySpec, parameters: dict[str, object], config: BacktestConfig
) -> FloatArray:
    """Return the backtest's returns per bar behind its warm-up; none where history is too short."""
    warm_up = spec.warm_up(resolve_params(spec, parameters))
    try:
        equity = backtest.equity_of(bars, spec, parameters, config)[warm_up:]
    except InsufficientBars:
        return np.empty(0)
    if equity.shape[0] < 2 or not np.all(equity > 0.0):
        return np.empty(0)
    return np.asarray(equity[1:] / equity[:-1] - 1.0)


def _band(returns: FloatArray, n_ahead: int, *, seed: int) -> TrackingBand | None:
    try:
        return tracking_band(returns, n_ahead, np.random.default_rng(seed))
    except InsufficientBars:
        return None


def _fill_cost(
    fill: Fill, bars: Bars, costs: CostModel, rates: FloatArray, scales: FloatArray
) -> FillCost:
    order = fill.order
    sign = 1.0 if order.side == OrderSide.BUY else -1.0
    quantity, price = float(fill.quantity), float(fill.price)
    # The price met, before what the fill was worse than it.
    met = price - sign * float(fill.slippage) / quantity
    signal = max(int(np.searchsorted(bars.closed_at, nanoseconds(order.market_at))), 0)
    signal = min(signal, len(bars) - 1)
    expected_rate = min(float(rates[signal] + scales[signal] * np.sqrt(quantity)), MOST_WORSE)
    if order.order_type not in (OrderType.MARKET, OrderType.STOP_MARKET):
        expected_rate = 0.0
    expected_commission = costs.commission(quantity, price, regime_code(order.regime))
    decided_at = order.decision.price if order.decision else None
    return FillCost(
        filled_at=fill.filled_at,
        side=order.get_side_display(),
        quantity=quantity,
        price=price,
        slippage_bps=sign * (price / met - 1.0) / BPS,
        expected_slippage_bps=expected_rate / BPS,
        commission_bps=float(fill.commission) / (quantity * price) / BPS,
        expected_commission_bps=expected_commission / (quantity * price) / BPS,
        moved_bps=sign * (met / decided_at - 1.0) / BPS if decided_at else None,
    )
