"""Decisions of the running strategies on one closed bar: asked, stored, turned into orders."""

from __future__ import annotations

import datetime as dt
import math

import structlog
from django.db import DatabaseError, transaction

from marketdata.models import Instrument
from marketdata.selectors import bars_hash, bars_map, instant, nanoseconds
from trading.broadcast import text_of
from trading.engine.correlation import mean_correlation
from trading.engine.own_limits import AccountView
from trading.engine.planning import StepContext
from trading.engine.state import StrategyState
from trading.engine.step import StepOutcome, step
from trading.engine.strategies import Features, resolve_params
from trading.engine.strategies.base import StrategySpec
from trading.engine.strategies.tables import breaker_config
from trading.engine.types import OrderIntent, OrderSide, Regime, TimeInForce, regime_of
from trading.models import Decision, Deployment, Order, Portfolio, Position
from trading.selectors.portfolios import portfolio_value, quantity_held
from trading.services.amounts import UNIT, amount_of
from trading.services.bindings import binding_for
from trading.services.events import decision_published, deployment_recorded
from trading.services.live_bars import InstrumentBar
from trading.services.live_protection import protection_keep
from trading.services.models.predictions import predictions_record
from trading.services.order_costs import MarketView, costs_of
from trading.services.orders import REFUSED, order_submit
from trading.services.own_limits import engine_limits
from trading.services.sales import OWN_SALE, sales_fit

logger = structlog.get_logger(__name__)
ENGINE_VERSION = "1"
# A hash of so many bars takes a millisecond; of years of minutes it would take fifty, at each bar.
HASHED_BARS = 20_000
Status = Deployment.Status


def decide_all(
    portfolio: Portfolio,
    bar: InstrumentBar,
    deployments: list[Deployment],
    positions: list[Position],
    now: dt.datetime,
) -> int:
    """Ask every strategy on the instrument, paused ones for exits; one that fails is alone."""
    n_decisions = 0
    for deployment in deployments:
        is_due = deployment.instrument_id == bar.instrument.pk and deployment.decides
        if not is_due or bar.closed_at <= deployment.starts_at:
            continue
        if deployment.last_bar_at is not None and bar.closed_at <= deployment.last_bar_at:
            continue
        try:
            with transaction.atomic():
                _decide(portfolio, deployment, bar, positions, now)
            n_decisions += 1
        except DatabaseError:
            # Not the strategy's fault: the bar is taken back and asked again.
            raise
        except Exception as error:
            logger.exception("strategy_failed", deployment=deployment.pk, bar=str(bar.closed_at))
            _fail(deployment, bar, error)
    return n_decisions


def _decide(
    portfolio: Portfolio,
    deployment: Deployment,
    bar: InstrumentBar,
    positions: list[Position],
    now: dt.datetime,
) -> None:
    """One step of the engine: store the decision, place its order, keep the state."""
    binding = binding_for(deployment.version.strategy.key)
    spec = binding.spec
    features = spec.prepare(bar.bars, resolve_params(spec, deployment.version.parameters))
    state = StrategyState.from_dict(deployment.state)
    correlation = _correlation(positions, bar, features, state)
    context = _context(portfolio, deployment, bar, spec, correlation)
    outcome = step(features, bar.index, state, context)
    decision = _decision_write(deployment, bar, outcome, binding.model)
    after = outcome.state
    market = MarketView(
        price=amount_of(bar.prices.close),
        price_at=bar.closed_at,
        regime=_regime(features, bar),
        market_at=bar.closed_at,
    )
    if after.rests_protection:
        # First, for all that is held: the order of this decision takes its part when it is filled.
        after = protection_keep(
            portfolio=portfolio,
            deployment=deployment,
            decision=decision,
            state=after,
            market=market,
            now=now,
        )
    if outcome.order_intent is not None:
        order = _order(portfolio, deployment, decision, outcome.order_intent, market, now)
        if order.status in REFUSED:
            # It added nothing: a schedule goes on counting from the addition before.
            after = after.changed(added_at=state.added_at)
    predictions_record(
        strategy_key=spec.key, features=features, i=bar.index, instrument=bar.instrument, now=now
    )
    deployment.state = after.to_dict()
    deployment.last_bar_at = bar.closed_at
    deployment.save(update_fields=["state", "last_bar_at", "updated_at"])
    decision_published(decision, bar.instrument.symbol, portfolio.pk)


def _context(
    portfolio: Portfolio,
    deployment: Deployment,
    bar: InstrumentBar,
    spec: StrategySpec,
    correlation: float,
) -> StepContext:
    """Say what surrounds a book at a close: its market, its limits, the account."""
    limits = engine_limits(deployment.version.limits)
    return StepContext(
        spec=spec,
        costs=costs_of(bar.instrument),
        quantity_step=float(bar.instrument.quantity_step),
        tick_size=float(bar.instrument.tick_size),
        correlation=correlation,
        limits=limits,
        account=None if limits.is_empty else account_around(portfolio, bar.instrument),
        is_paused=deployment.status == Status.PAUSED,
    )


def account_around(portfolio: Portfolio, instrument: Instrument) -> AccountView:
    """Value the portfolio around the book, which a version's own limits are measured on too.

    Purchases on order count at the cash set aside for them: strategies that decide on the same bar
    share one room.
    """
    value = portfolio_value(portfolio)
    return AccountView(
        equity=float(value.equity),
        gross_exposure=float(value.gross_exposure + value.reserved_cash),
        quantity=float(quantity_held(portfolio, instrument)),
        day_start_equity=float(value.day_start_equity),
    )


def _correlation(
    positions: list[Position], bar: InstrumentBar, features: Features, state: StrategyState
) -> float:
    """Ask how much an instrument moves with the others held, where a breaker wants to know."""
    if breaker_config(features.params) is None:
        return math.nan
    held = {
        position.instrument.symbol: float(position.quantity)
        for position in positions
        if position.quantity and position.instrument_id != bar.instrument.pk
    }
    if not held:
        return math.nan
    others = bars_map(
        [position.instrument for position in positions if position.instrument.symbol in held],
        bar.bars.timeframe,
        until=bar.closed_at,
    )
    return mean_correlation(
        bar.bars,
        state.quantity,
        [(bars, held[symbol]) for symbol, bars in others.items()],
        nanoseconds(bar.closed_at),
    )


def _regime(features: Features, bar: InstrumentBar) -> Regime | None:
    # Costs follow the unsmoothed regime of the signal bar, as in a backtest.
    return regime_of(int(features.regimes.codes[bar.index]))


def _decision_write(
    deployment: Deployment,
    bar: InstrumentBar,
    outcome: StepOutcome,
    model: dict[str, object] | None,
) -> Decision:
    made = outcome.decision
    if made is None:  # the context asks for explanations
        raise AssertionError("a live step without an explanation")
    stored = made.to_dict()
    return Decision.objects.create(
        deployment=deployment,
        market_at=bar.closed_at,
        action=made.action,
        regime=str(made.regime or ""),
        signal=made.signal,
        price=made.close,
        target_weight=made.target_weight,
        target_quantity=made.target_quantity,
        inputs=stored["inputs"],
        parameters=stored["parameters"],
        sizing=stored["sizing"],
        rules=stored["rules"],
        source=source_of(bar, model),
        reason=made.reason,
        what_would_change=made.would_change,
        blocked_by=made.blocked_by or "",
        engine_version=ENGINE_VERSION,
    )


def source_of(bar: InstrumentBar, model: dict[str, object] | None) -> dict[str, object]:
    """Name what a decision saw, so that anybody can tell whether a series is still the same.

    The hash is that of manifests (`bars_hash`), over all bars seen or the last HASHED_BARS.
    """
    bars, n_bars = bar.bars, len(bar.bars)
    n_hashed = min(n_bars, HASHED_BARS)
    hashed = bars if n_hashed == n_bars else bars.slice(n_bars - n_hashed, n_bars)
    return {
        "instrument": f"{bar.instrument.symbol}.{bar.instrument.venue.code}",
        "timeframe": bars.timeframe,
        "n_bars": n_bars,
        "n_hashed": n_hashed,
        "first_bar_at": text_of(instant(int(bars.closed_at[0]))),
        "last_bar_at": text_of(bar.closed_at),
        "content_hash": bars_hash(hashed),
        "model": model,
    }


def _order(
    portfolio: Portfolio,
    deployment: Deployment,
    decision: Decision,
    intent: OrderIntent,
    market: MarketView,
    now: dt.datetime,
) -> Order:
    step_size = deployment.instrument.quantity_step
    n_steps = (amount_of(intent.quantity) / step_size).to_integral_value()
    order = order_submit(
        portfolio=portfolio,
        instrument=deployment.instrument,
        side=intent.side,
        order_type=intent.order_type,
        quantity=(n_steps * step_size).quantize(UNIT),
        time_in_force=TimeInForce.DAY,
        # The same bar of the same deployment is the same order, also after a crash.
        client_order_id=f"s{deployment.pk}-{market.market_at:%Y%m%dT%H%M%S}",
        decision=decision,
        deployment=deployment,
        is_all_cash=intent.uses_all_cash,
        market=market,
        now=now,
    )
    if intent.side is OrderSide.SELL:
        sales_fit(portfolio=portfolio, instrument=deployment.instrument, cause=OWN_SALE)
    return order


def _fail(deployment: Deployment, bar: InstrumentBar, error: Exception) -> None:
    deployment.refresh_from_db(fields=["state", "last_bar_at"])
    deployment.status = Status.ERROR
    deployment.error = f"{type(error).__name__} at {bar.closed_at:%Y-%m-%d %H:%M}: {error}"[:2000]
    deployment.save(update_fields=["status", "error", "updated_at"])
    deployment_recorded(
        deployment=deployment,
        kind=deployment.status,
        market_at=bar.closed_at,
        note=deployment.error,
    )
