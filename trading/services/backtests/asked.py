"""A stored run as the engine takes it: its instruments, their bars, what it trades on."""

from __future__ import annotations

from marketdata.types import Bars
from trading.models import Backtest
from trading.services.backtests.experiment import ExperimentConfig, costs_of
from trading.services.backtests.loading import bars_stored
from trading.services.bindings import Binding
from trading.services.own_limits import engine_limits


def symbols_of(backtest: Backtest) -> list[str]:
    """Return what a run trades, in the order it was asked for."""
    return list(backtest.symbols) or [backtest.instrument.symbol]


def bars_of(backtest: Backtest, symbol: str) -> Bars:
    """Read the bars of one of its instruments; UnknownSymbol, UnknownTimeframe or NoBars."""
    return bars_stored(
        symbol=symbol,
        timeframe=backtest.timeframe,
        start=backtest.start_date,
        end=backtest.end_date,
    )


def traded_config(backtest: Backtest, bound: Binding) -> ExperimentConfig:
    """Return everything that decides what a run trades; how it is judged is left as it is."""
    return ExperimentConfig(
        strategy_key=backtest.strategy_key,
        parameters=backtest.parameters,
        cash=float(backtest.cash),
        costs=costs_of(backtest, backtest.instrument if backtest.has_regime_costs else None),
        max_participation=backtest.max_participation,
        carries_rest=backtest.carries_rest,
        limits=engine_limits(backtest.limits),
        seed=backtest.seed,
        spec=bound.spec,
        model=bound.model,
    )
