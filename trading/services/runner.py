"""Moving portfolios along their replayed market: fills, marks, decisions, equity, bar by bar.

Every bar of a portfolio is one transaction under its row lock. `Portfolio.processed_at` moves in
the same transaction, so a bar is worked through once, whoever crashes or runs twice.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import structlog
from django.db import transaction

from marketdata.models import Instrument, ReplaySession
from marketdata.selectors import NoBars, bars_get, bars_map, closes_at, instant, nanoseconds
from marketdata.types import Bars
from trading.engine.correlation import mean_correlation
from trading.engine.fills import BarPrices
from trading.engine.state import StrategyState, book_fill
from trading.engine.step import StepContext, StepOutcome, step
from trading.engine.strategies import Features, resolve_params
from trading.engine.strategies.tables import breaker_config
from trading.engine.types import (
    Fill,
    OrderIntent,
    OrderSide,
    Regime,
    TimeInForce,
    regime_of,
)
from trading.models import Decision, Deployment, EquityPoint, Order, Portfolio, Position
from trading.selectors.portfolios import (
    PortfolioSummary,
    mark_of,
    portfolio_value,
    positions_open,
)
from trading.selectors.prices import regime_at
from trading.services.amounts import UNIT, amount_of
from trading.services.bindings import spec_for
from trading.services.events import decision_published, equity_published, event_publish
from trading.services.fills import FillNews, orders_match
from trading.services.models.predictions import predictions_record
from trading.services.orders import WORKING, order_submit
from trading.services.portfolios import portfolio_lock
from trading.services.pretrade import MarketView, costs_of

logger = structlog.get_logger(__name__)
ENGINE_VERSION = "1"
Status = Deployment.Status


@dataclass(frozen=True, slots=True)
class Advance:
    """How far one call came."""

    n_bars: int
    n_fills: int
    n_decisions: int
    processed_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class InstrumentBar:
    """One closed bar of one instrument inside the step of the lead's calendar."""

    instrument: Instrument
    bars: Bars
    closed_at: dt.datetime

    @property
    def index(self) -> int:
        """Index in the instrument's stored series."""
        return len(self.bars) - 1

    @property
    def prices(self) -> BarPrices:
        """The bar as the engine's fills want it."""
        bars = self.bars
        return BarPrices(
            open=float(bars.open[-1]),
            high=float(bars.high[-1]),
            low=float(bars.low[-1]),
            close=float(bars.close[-1]),
            volume=float(bars.volume[-1]),
            closed_at=int(bars.closed_at[-1]),
        )


def portfolio_advance(
    *,
    portfolio_id: int,
    until: dt.datetime,
    now: dt.datetime,
    max_bars: int | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Advance:
    """Work through every bar of the lead's calendar after `processed_at` up to `until`.

    One transaction a bar; stops early after `max_bars` or when `is_stopping()` says so.
    """
    n_bars = n_fills = n_decisions = 0
    processed_at: dt.datetime | None = None
    while (max_bars is None or n_bars < max_bars) and not is_stopping():
        done = _bar_advance(portfolio_id, until, now)
        if done is None:
            break
        n_bars += 1
        n_fills += done.n_fills
        n_decisions += done.n_decisions
        processed_at = done.processed_at
    return Advance(n_bars, n_fills, n_decisions, processed_at)


@transaction.atomic
def _bar_advance(portfolio_id: int, until: dt.datetime, now: dt.datetime) -> Advance | None:
    """Work through the next bar: 1. fills · 2. marks · 3. decisions · 4. equity · 5. events."""
    portfolio = portfolio_lock(portfolio_id)
    if portfolio.replay is None or portfolio.is_archived:
        return None
    # The cursor is read under the lock: a restarted replay must not be overtaken by an old `until`.
    bar_at = _next_bar_at(portfolio, min(until, portfolio.replay.cursor_at))
    if bar_at is None:
        return None
    # Written first: checks made on the way ask for the day's loss at this bar.
    Portfolio.objects.filter(pk=portfolio.pk).update(processed_at=bar_at)
    n_fills = n_decisions = 0
    deployments = _deployments(portfolio)
    for bars_now in _bars_by_time(portfolio, deployments, bar_at):
        for bar in bars_now:
            n_fills += _fill_and_mark(portfolio, bar, deployments)
        for bar in bars_now:
            n_decisions += _decide_all(portfolio, bar, deployments, now)
    _equity_write(portfolio, bar_at)
    return Advance(1, n_fills, n_decisions, bar_at)


def _replay_of(portfolio: Portfolio) -> ReplaySession:
    if portfolio.replay is None:  # `_bar_advance` has looked
        raise AssertionError("a portfolio without a replay has no bars")
    return portfolio.replay


def _next_bar_at(portfolio: Portfolio, until: dt.datetime) -> dt.datetime | None:
    replay = _replay_of(portfolio)
    calendar = closes_at(replay.lead, replay.timeframe)
    after = portfolio.processed_at or replay.starts_at
    i = int(np.searchsorted(calendar, nanoseconds(after), side="right"))
    if i >= len(calendar):
        return None
    bar_at = instant(int(calendar[i]))
    return bar_at if bar_at <= until else None


def _deployments(portfolio: Portfolio) -> list[Deployment]:
    """Deployments whose book may change: all that run, and others while their orders work."""
    return list(
        Deployment.objects.filter(portfolio=portfolio)
        .select_related("version__strategy", "instrument__venue")
        .order_by("pk")
    )


def _bars_by_time(
    portfolio: Portfolio, deployments: list[Deployment], bar_at: dt.datetime
) -> Iterator[list[InstrumentBar]]:
    """Bars that closed since the last step, grouped by close time, oldest first."""
    after = portfolio.processed_at or _replay_of(portfolio).starts_at
    found: dict[int, list[InstrumentBar]] = {}
    for instrument in _instruments(portfolio, deployments):
        for bar in _bars_between(instrument, _replay_of(portfolio).timeframe, after, bar_at):
            found.setdefault(nanoseconds(bar.closed_at), []).append(bar)
    for moment in sorted(found):
        yield sorted(found[moment], key=lambda bar: bar.instrument.symbol)


def _instruments(portfolio: Portfolio, deployments: list[Deployment]) -> list[Instrument]:
    """Instruments with something to do: an order at work, a holding, a running strategy."""
    wanted = {item.instrument_id for item in deployments if item.status == Status.RUNNING}
    wanted |= set(
        Order.objects.filter(portfolio=portfolio, status__in=WORKING).values_list(
            "instrument_id", flat=True
        )
    )
    wanted |= {position.instrument_id for position in positions_open(portfolio)}
    return list(Instrument.objects.filter(pk__in=wanted).select_related("venue").order_by("symbol"))


def _bars_between(
    instrument: Instrument, timeframe: str, after: dt.datetime, until: dt.datetime
) -> list[InstrumentBar]:
    try:
        bars = bars_get(instrument, timeframe, until=until)
    except NoBars:
        return []
    first = int(np.searchsorted(bars.closed_at, nanoseconds(after), side="right"))
    last = len(bars) - 1
    return [
        InstrumentBar(
            instrument,
            bars if i == last else bars.until(i),
            instant(int(bars.closed_at[i])),
        )
        for i in range(first, last + 1)
    ]


def _fill_and_mark(portfolio: Portfolio, bar: InstrumentBar, deployments: list[Deployment]) -> int:
    """Let orders meet the bar, book fills in the strategies' own books, mark the holding."""
    own = [item for item in deployments if item.instrument_id == bar.instrument.pk]
    book_cash = {item.pk: float(item.state["cash"]) for item in own}
    news = orders_match(
        portfolio=portfolio,
        instrument=bar.instrument,
        bar=bar.prices,
        closed_at=bar.closed_at,
        book_cash=book_cash,
    )
    for deployment in own:
        _book(deployment, [item for item in news if item.order.deployment_id == deployment.pk], bar)
    Position.objects.filter(portfolio=portfolio, instrument=bar.instrument).update(
        last_price=amount_of(bar.prices.close), last_price_at=bar.closed_at
    )
    return len(news)


def _book(deployment: Deployment, news: list[FillNews], bar: InstrumentBar) -> None:
    """Book fills with the broker's own floats: the book is then the backtest's to the last bit."""
    if not news:
        return
    state = StrategyState.from_dict(deployment.state)
    for item in news:
        fill = Fill(
            client_order_id=item.order.client_order_id,
            symbol=bar.instrument.symbol,
            side=OrderSide(item.order.side),
            quantity=item.report.quantity,
            price=item.report.price,
            commission=item.report.commission,
            bar=bar.index,
            filled_at=item.report.filled_at,
        )
        state = book_fill(state, fill)
    deployment.state = state.to_dict()
    deployment.save(update_fields=["state", "updated_at"])


def _decide_all(
    portfolio: Portfolio, bar: InstrumentBar, deployments: list[Deployment], now: dt.datetime
) -> int:
    """Ask every running strategy on the instrument; one that fails is stopped, the others go on."""
    n_decisions = 0
    for deployment in deployments:
        is_due = deployment.instrument_id == bar.instrument.pk and deployment.status == "RUNNING"
        if not is_due or bar.closed_at <= deployment.starts_at:
            continue
        if deployment.last_bar_at is not None and bar.closed_at <= deployment.last_bar_at:
            continue
        try:
            with transaction.atomic():
                _decide(portfolio, deployment, bar, now)
            n_decisions += 1
        except Exception as error:
            logger.exception("strategy_failed", deployment=deployment.pk, bar=str(bar.closed_at))
            _fail(deployment, bar, error)
    return n_decisions


def _decide(
    portfolio: Portfolio, deployment: Deployment, bar: InstrumentBar, now: dt.datetime
) -> None:
    """One step of the engine: store the decision, place its order, keep the state."""
    spec = spec_for(deployment.version.strategy.key)
    features = spec.prepare(bar.bars, resolve_params(spec, deployment.version.parameters))
    state = StrategyState.from_dict(deployment.state)
    context = StepContext(
        spec=spec,
        costs=costs_of(bar.instrument),
        quantity_step=float(bar.instrument.quantity_step),
        correlation=_correlation(portfolio, bar, features, state),
    )
    outcome = step(features, bar.index, state, context)
    decision = _decision_write(deployment, bar, outcome)
    if outcome.order_intent is not None:
        market = MarketView(
            price=amount_of(bar.prices.close),
            price_at=bar.closed_at,
            regime=_regime(features, bar),
            market_at=bar.closed_at,
        )
        _order(portfolio, deployment, decision, outcome.order_intent, market, now)
    predictions_record(
        strategy_key=spec.key, features=features, i=bar.index, instrument=bar.instrument, now=now
    )
    deployment.state = outcome.state.to_dict()
    deployment.last_bar_at = bar.closed_at
    deployment.save(update_fields=["state", "last_bar_at", "updated_at"])
    decision_published(decision, bar.instrument.symbol, portfolio.pk)


def _correlation(
    portfolio: Portfolio, bar: InstrumentBar, features: Features, state: StrategyState
) -> float:
    """Ask how much an instrument moves with the others held, where a breaker wants to know."""
    if breaker_config(features.params) is None:
        return math.nan
    held = {
        position.instrument.symbol: position
        for position in positions_open(portfolio)
        if position.instrument_id != bar.instrument.pk
    }
    if not held:
        return math.nan
    others = bars_map(
        [position.instrument for position in held.values()],
        bar.bars.timeframe,
        until=bar.closed_at,
    )
    return mean_correlation(
        bar.bars,
        state.quantity,
        [(bars, float(held[symbol].quantity)) for symbol, bars in others.items()],
        nanoseconds(bar.closed_at),
    )


def _regime(features: Features, bar: InstrumentBar) -> Regime | None:
    # Costs follow the unsmoothed regime of the signal bar, as in a backtest.
    return regime_of(int(features.regimes.codes[bar.index]))


def _decision_write(deployment: Deployment, bar: InstrumentBar, outcome: StepOutcome) -> Decision:
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
        reason=made.reason,
        what_would_change=made.would_change,
        blocked_by=made.blocked_by or "",
        engine_version=ENGINE_VERSION,
    )


def _order(
    portfolio: Portfolio,
    deployment: Deployment,
    decision: Decision,
    intent: OrderIntent,
    market: MarketView,
    now: dt.datetime,
) -> None:
    step_size = deployment.instrument.quantity_step
    n_steps = (amount_of(intent.quantity) / step_size).to_integral_value()
    order_submit(
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


def _fail(deployment: Deployment, bar: InstrumentBar, error: Exception) -> None:
    deployment.refresh_from_db(fields=["state", "last_bar_at"])
    deployment.status = Status.ERROR
    deployment.error = f"{type(error).__name__} at {bar.closed_at:%Y-%m-%d %H:%M}: {error}"[:2000]
    deployment.save(update_fields=["status", "error", "updated_at"])
    event_publish(
        portfolio_id=deployment.portfolio_id,
        topic="deployment",
        market_at=bar.closed_at,
        data={"id": deployment.pk, "status": deployment.status, "error": deployment.error},
    )


def _equity_write(portfolio: Portfolio, bar_at: dt.datetime) -> None:
    portfolio.processed_at = bar_at
    summary = portfolio_value(portfolio)
    replay = _replay_of(portfolio)
    regime = regime_at(replay.lead, until=bar_at, timeframe=replay.timeframe)
    point = EquityPoint.objects.create(
        portfolio=portfolio,
        market_at=bar_at,
        equity=amount_of(summary.equity),
        cash=summary.cash,
        gross_exposure=amount_of(summary.gross_exposure),
        net_exposure=amount_of(summary.net_exposure),
        regime=str(regime or ""),
    )
    equity_published(point, _headline(portfolio, summary, regime))


def _headline(
    portfolio: Portfolio, summary: PortfolioSummary, regime: Regime | None
) -> dict[str, object]:
    """Numbers that change on every page each bar."""
    return {
        "equity": amount_of(summary.equity),
        "cash": summary.cash,
        "buying_power": amount_of(summary.buying_power),
        "positions_value": amount_of(summary.positions_value),
        "day_pnl": amount_of(summary.day_pnl),
        "day_return": summary.day_return,
        "total_pnl": amount_of(summary.total_pnl),
        "total_return": summary.total_return,
        "unrealized_pnl": amount_of(summary.unrealized_pnl),
        "gross_ratio": summary.gross_ratio,
        "net_ratio": summary.net_ratio,
        "daily_loss_used_ratio": summary.daily_loss_used_ratio,
        "regime": str(regime or ""),
        "positions": [
            {
                "symbol": position.instrument.symbol,
                "quantity": position.quantity,
                "last_price": mark_of(position),
                "market_value": amount_of(position.quantity * mark_of(position)),
                "unrealized_pnl": amount_of(
                    position.quantity * mark_of(position) - position.cost_basis
                ),
            }
            for position in positions_open(portfolio)
        ],
    }
