"""A strategy over a series: the whole run, or its equity alone."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from marketdata.types import Bars, FloatArray
from trading.engine.backtest.config import BacktestConfig
from trading.engine.backtest.paths import Holdings, holdings_of, stepped_decisions, tape_of
from trading.engine.backtest.result import BacktestRun, result_of
from trading.engine.errors import ConfigInvalid, InsufficientBars
from trading.engine.explanation import Decision
from trading.engine.strategies import strategy_get
from trading.engine.strategies.base import ParameterValue, StrategySpec, resolve_params


class Curve(NamedTuple):
    """Marked equity per bar, float64 of shape (n_bars - start_index,), and completed trades.

    Those that won are counted by what they left in cash. One that is turned around within a fill is
    judged at the close of that bar.
    """

    equity: FloatArray
    n_round_trips: int
    n_wins: int

    @property
    def win_rate(self) -> float:
        """Return the share of completed trades that won; NaN without one."""
        return self.n_wins / self.n_round_trips if self.n_round_trips else math.nan


def run(
    bars: Bars,
    strategy: str | StrategySpec,
    params: Mapping[str, object] | None = None,
    config: BacktestConfig | None = None,
) -> BacktestRun:
    """Run one strategy over one series.

    Parameters
    ----------
    bars : Bars
        At least two bars from ``config.start_index`` on.
    strategy : str or StrategySpec
        A key of `strategies.STRATEGIES`, or the strategy itself (one bound to a model, or an own
        one that is not registered).
    params : mapping or None
        Missing parameters take their default; text is converted.
    config : BacktestConfig or None
        None for 100,000 of cash and no costs.

    Returns
    -------
    BacktestRun
        Deterministic: the same arguments give the same numbers.

    Raises
    ------
    UnknownStrategy, ParameterInvalid, ConfigInvalid
        For a wrong request.
    InsufficientBars
        If fewer than two bars are left to trade, or none lies behind the warm-up.

    Examples
    --------
    >>> import numpy as np
    >>> price = np.array([1.0, 1.0, 2.0, 4.0, 4.0, 2.0, 1.0, 1.0])
    >>> bars = Bars("X", "1d", np.arange(8), price, price, price, price, np.zeros(8))
    >>> result = run(bars, "sma_cross", {"fast": 1, "slow": 2}, BacktestConfig(cash=100.0))
    >>> [(fill.bar, str(fill.side), fill.price) for fill in result.fills]
    [(3, 'BUY', 4.0), (5, 'SELL', 2.0)]
    >>> result.final_equity
    50.0
    """
    config = config or BacktestConfig()
    spec = strategy if isinstance(strategy, StrategySpec) else strategy_get(strategy)
    resolved = resolve_params(spec, params)
    _check_length(bars, spec, resolved, config)
    config.report("Warm-up", 0.0)
    features = spec.prepare(bars, resolved)
    config.report("Simulating", 0.0)
    tape = tape_of(features, spec, config)
    config.report("Statistics", 0.0)
    result = result_of(features, spec, config, tape)
    config.report("Statistics", 1.0)
    return result


def decisions_at(
    bars: Bars,
    strategy: str | StrategySpec,
    params: Mapping[str, object] | None,
    config: BacktestConfig,
    closes: Collection[int],
) -> tuple[Decision, ...]:
    """Explain some decisions of a run, without the words of all others and without its figures.

    Parameters
    ----------
    bars, strategy, params, config
        As in `run`; ``keeps_decisions`` need not be set.
    closes : collection of int
        Closes of bars from ``config.start_index`` on, nanoseconds since 1970.

    Returns
    -------
    tuple of Decision
        In order of time; those of a `run` that keeps its decisions, to the last word.

    Raises
    ------
    UnknownStrategy, ParameterInvalid, ConfigInvalid, InsufficientBars
        As `run`.
    ConfigInvalid
        Where no bar closes at one of the moments.

    Examples
    --------
    >>> import numpy as np
    >>> price = np.array([1.0, 1.0, 2.0, 4.0, 4.0, 2.0, 1.0, 1.0])
    >>> bars = Bars("X", "1d", np.arange(8), price, price, price, price, np.zeros(8))
    >>> made = decisions_at(bars, "sma_cross", {"fast": 1, "slow": 2}, BacktestConfig(), [4, 2])
    >>> [(decision.bar, str(decision.action)) for decision in made]
    [(2, 'ENTER_LONG'), (4, 'EXIT')]
    """
    spec = strategy if isinstance(strategy, StrategySpec) else strategy_get(strategy)
    resolved = resolve_params(spec, params)
    _check_length(bars, spec, resolved, config)
    at = []
    for close in closes:
        i = int(np.searchsorted(bars.closed_at, close))
        if i >= len(bars) or int(bars.closed_at[i]) != close:
            raise ConfigInvalid(f"no bar of {bars.symbol} closes at {close} ns")
        at.append(i)
    return tuple(stepped_decisions(spec.prepare(bars, resolved), spec, config, at))


def equity_of(
    bars: Bars, spec: StrategySpec, params: Mapping[str, object] | None, config: BacktestConfig
) -> FloatArray:
    """Run a strategy for its equity alone, without orders, trades and figures.

    Parameters
    ----------
    bars, spec, params, config
        As in `run`.

    Returns
    -------
    float64, shape (n_bars - start_index,)
        That of `run`.

    Raises
    ------
    ParameterInvalid, InsufficientBars
        As `run`.

    Examples
    --------
    >>> import numpy as np
    >>> price = np.array([1.0, 1.0, 2.0, 4.0, 4.0, 2.0, 1.0, 1.0])
    >>> bars = Bars("X", "1d", np.arange(8), price, price, price, price, np.zeros(8))
    >>> spec = strategy_get("sma_cross")
    >>> float(equity_of(bars, spec, {"fast": 1, "slow": 2}, BacktestConfig(cash=100.0))[-1])
    50.0
    """
    return curve_of(bars, spec, params, config).equity


def curve_of(
    bars: Bars, spec: StrategySpec, params: Mapping[str, object] | None, config: BacktestConfig
) -> Curve:
    """Run a strategy for its equity and the count of its trades, which is all a search needs.

    Parameters
    ----------
    bars, spec, params, config
        As in `run`.

    Returns
    -------
    Curve
        Equity and counts as `run` has them.

    Raises
    ------
    ParameterInvalid, InsufficientBars
        As `run`.

    Examples
    --------
    >>> import numpy as np
    >>> price = np.array([1.0, 1.0, 2.0, 4.0, 4.0, 2.0, 1.0, 1.0])
    >>> bars = Bars("X", "1d", np.arange(8), price, price, price, price, np.zeros(8))
    >>> spec = strategy_get("sma_cross")
    >>> curve_of(bars, spec, {"fast": 1, "slow": 2}, BacktestConfig(cash=100.0)).n_round_trips
    1
    """
    resolved = resolve_params(spec, params)
    _check_length(bars, spec, resolved, config)
    features = spec.prepare(bars, resolved)
    holdings = holdings_of(features, spec, config)
    equity: FloatArray = holdings.cash + holdings.quantity * bars.close
    earned = _earned(equity, holdings)
    n_wins = int(np.count_nonzero(earned > 0.0))
    return Curve(equity[config.start_index :], earned.shape[0], n_wins)


def _earned(equity: FloatArray, holdings: Holdings) -> FloatArray:
    """Return what each completed trade left, in currency: those within one bar last."""
    # A trade begins where something is held that was not, or was held the other way round.
    sides = np.sign(holdings.quantity)
    changes = np.flatnonzero(sides[1:] != sides[:-1])
    begins, ends = changes[sides[changes + 1] != 0.0], changes[sides[changes] != 0.0] + 1
    inside = holdings.inside
    return np.concatenate(
        (equity[ends] - equity[begins[: ends.shape[0]]], equity[inside] - equity[inside - 1])
    )


def _check_length(
    bars: Bars, spec: StrategySpec, params: Mapping[str, ParameterValue], config: BacktestConfig
) -> None:
    n_bars = len(bars)
    n_left = n_bars - config.start_index
    if n_left < 2:
        raise InsufficientBars(
            f"{bars.symbol}: {n_bars} bars from start_index {config.start_index} leave "
            f"{max(n_left, 0)}; "
            "a backtest needs at least 2"
        )
    warm_up = spec.warm_up(params)
    if n_bars <= warm_up:
        raise InsufficientBars(
            f"{spec.key} needs {warm_up} bars of warm-up with these parameters, found {n_bars} bars"
        )
