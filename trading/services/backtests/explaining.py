"""Why a stored run made one of its trades: the words of its decisions, asked for one at a time.

A run keeps fills, not words. The rule is gone through again up to the trade's end, with the same
bars and the same model, and explains the two decisions that made it. Writes nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings
from django.core.cache import cache

from elson.common.errors import Conflict, DomainError, NotFound, Unavailable
from marketdata.selectors import bars_hash, instrument_get, nanoseconds
from marketdata.types import Bars, BarsError
from trading.engine.backtest import decisions_at
from trading.engine.errors import EngineError
from trading.engine.explanation import Decision
from trading.engine.portfolio_backtest import account_decisions
from trading.engine.shared_account import Leg
from trading.engine.types import DecisionAction, OrderSide
from trading.models import Backtest
from trading.selectors.model_versions import version_by_hash
from trading.services.backtests.asked import bars_of, symbols_of, traded_config
from trading.services.backtests.experiment import ExperimentConfig, Silent, engine_config
from trading.services.backtests.loading import closes_between, market_costs
from trading.services.backtests.portfolios import AllocationChoice
from trading.services.bindings import Binding, identity_of, spec_with

# On a busy machine a bar took 80 to 170 µs: five seconds at most, which a person waits for.
MOST_BARS = 30_000
KEPT_SECONDS = 3_600
# How long a second one waits for its turn before it is told to come back.
PATIENCE_SECONDS = 2.0
ENTRIES = {OrderSide.BUY: DecisionAction.ENTER_LONG, OrderSide.SELL: DecisionAction.ENTER_SHORT}

_turn = threading.Lock()


class TradeUnexplained(Conflict):
    """The words of a trade cannot be had; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class TradeExplained:
    """What was decided at the signal, and at the last close before the trade ended.

    `exit` is None where the trade ended within the bar of its entry.
    """

    entry: Decision
    exit: Decision | None


class ExplainingBusy(Unavailable):
    """Another trade is being gone through in this process."""

    def __init__(self) -> None:
        super().__init__(
            "EXPLAINING_BUSY",
            "Another trade is being explained at this moment. Ask again in a few seconds.",
        )


def trade_explain(*, backtest: Backtest, number: int) -> TradeExplained:
    """Explain one trade of a finished run; for an hour the words are kept.

    Raises NotFound for a trade the run does not have; TradeUnexplained where bars, model or code
    are no longer those of the run, or where there are too many bars; ExplainingBusy where another
    one is being explained.
    """
    trip = _trip(backtest, number)
    key = _key(backtest, trip)
    known: TradeExplained | None = cache.get(key)
    if known is not None:
        return known
    with _turn_taken():
        # Who asked for the same trade twice waited for the first answer.
        known = cache.get(key) or _explained(backtest, trip)
        cache.set(key, known, KEPT_SECONDS)
    return known


def _key(backtest: Backtest, trip: Mapping[str, Any]) -> str:
    """Name a trade by all its words are made of, so that nothing has to be forgotten."""
    told = json.dumps([backtest.result.manifest, trip], sort_keys=True, default=str)
    content = hashlib.sha256(told.encode()).hexdigest()
    return f"trade-explained:{settings.ELSON_VERSION}:{backtest.pk}:{content}"


@contextmanager
def _turn_taken() -> Iterator[None]:
    """Let one thread of this process go through a run: the others have pages to answer."""
    if not _turn.acquire(timeout=PATIENCE_SECONDS):
        raise ExplainingBusy
    try:
        yield
    finally:
        _turn.release()


def _explained(backtest: Backtest, trip: Mapping[str, Any]) -> TradeExplained:
    try:
        made = _decisions(backtest, trip)
    except (EngineError, BarsError, DomainError) as error:
        if isinstance(error, TradeUnexplained):
            raise
        raise _unexplained(str(error)) from error
    entry = made[0]
    if entry.action is not ENTRIES[OrderSide(trip["side"])]:
        raise _unexplained("its rule decides otherwise today: the code has changed since the run")
    return TradeExplained(entry, made[1] if len(made) > 1 else None)


def _trip(backtest: Backtest, number: int) -> Mapping[str, Any]:
    result = getattr(backtest, "result", None)
    trips = result.round_trips if result else ()
    found = next((trip for trip in trips if trip["number"] == number), None)
    if found is None:
        raise NotFound("trade", f"{number} of backtest #{backtest.pk}")
    return found


def _decisions(backtest: Backtest, trip: Mapping[str, Any]) -> Sequence[Decision]:
    _check_length(backtest, trip)
    symbol = trip.get("symbol") or symbols_of(backtest)[0]
    series = [bars_of(backtest, one) for one in symbols_of(backtest)]
    own = next(bars for bars in series if bars.symbol == symbol)
    closes = _closes(own, trip)
    _check(backtest, series)
    config = traded_config(backtest, _bound(backtest))
    made = (
        _of_account(backtest, series, config, closes)
        if backtest.symbols
        else decisions_at(
            own, config.spec or "", config.parameters, engine_config(own, config, Silent()), closes
        )
    )
    return [decision for decision in made if decision.symbol == symbol]


def _closes(own: Bars, trip: Mapping[str, Any]) -> list[int]:
    """Return the closes of the signal and of the bar before the exit, which may be the same."""
    signal, leave = (
        nanoseconds(dt.datetime.fromisoformat(trip[name])) for name in ("signal_at", "exit_at")
    )
    before = int(np.searchsorted(own.closed_at, leave, "left")) - 1
    return sorted({signal, max(int(own.closed_at[max(before, 0)]), signal)})


def _of_account(
    backtest: Backtest, series: Sequence[Bars], config: ExperimentConfig, closes: Sequence[int]
) -> Sequence[Decision]:
    costs = market_costs(backtest, backtest.symbols)
    legs = [
        Leg(bars, config.spec or "", config.parameters, costs.get(bars.symbol)) for bars in series
    ]
    longest = max(series, key=len)
    choice = AllocationChoice(**backtest.allocation)
    settings = engine_config(longest, config, Silent())
    return account_decisions(legs, settings, choice.engine_allocation, closes)


def _check_length(backtest: Backtest, trip: Mapping[str, Any]) -> None:
    """Refuse more bars than anybody waits for, before a million of them are read and hashed."""
    leave = nanoseconds(dt.datetime.fromisoformat(trip["exit_at"]))
    span = (backtest.timeframe, backtest.start_date, backtest.end_date)
    closes = (closes_between(instrument_get(symbol), *span) for symbol in symbols_of(backtest))
    n_bars = sum(int(np.searchsorted(closed_at, leave, "left")) for closed_at in closes)
    if n_bars > MOST_BARS:
        raise _unexplained(
            f"{n_bars:,} bars lead to it, and at most {MOST_BARS:,} are gone through for one page",
            advice="Run it again from a later day",
        )


def _check(backtest: Backtest, series: Sequence[Bars]) -> None:
    """Refuse bars that are not those of the run."""
    told = backtest.result.manifest["data"]
    parts = {part["symbol"]: part["sha256"] for part in told.get("instruments", [told])}
    for bars in series:
        if parts.get(bars.symbol) != bars_hash(bars):
            raise _unexplained(f"the bars of {bars.symbol} have changed since the run")


def _bound(backtest: Backtest) -> Binding:
    """Bind the strategy to the model the run asked, whichever decides today."""
    told = backtest.result.manifest["settings"].get("model")
    version = version_by_hash(told["content_hash"]) if told else None
    return Binding(spec_with(backtest.strategy_key, version), identity_of(version))


def _unexplained(why: str, advice: str = "Run it again") -> TradeUnexplained:
    return TradeUnexplained(
        "TRADE_UNEXPLAINED", f"This trade cannot be explained: {why.rstrip('.')}. {advice}."
    )
