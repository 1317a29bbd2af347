"""Compile before anybody waits: what pages, runners and backtests call, once on a short tape.

INPUT    nothing; the tape is drawn from a fixed seed
OUTPUT   compiled kernels in numba's cache on disk
LOOKBACK none

numba compiles a kernel for the types it is called with, so each part calls what the product calls.
What is missing here is found later one by one (`kernel_cache.KernelMissing`), never wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from importlib import import_module

import numpy as np

from marketdata.types import Bars
from trading.engine import backtest
from trading.engine.allocation import Allocation
from trading.engine.backtest import BacktestConfig
from trading.engine.checks.account import portfolio_honesty
from trading.engine.checks.panel import honesty
from trading.engine.correlation import mean_correlation
from trading.engine.costs import CostModel
from trading.engine.kernel_cache import KernelMissing
from trading.engine.learning.export import LINEAR, SIGMOID, ModelArrays
from trading.engine.learning.features import GATE_FEATURES
from trading.engine.learning.fitted import QUANTILES, DatedModel, FittedModel
from trading.engine.market import DAY_NS
from trading.engine.nulls import charged_rates, trades_of_run
from trading.engine.portfolio_backtest import run_portfolio
from trading.engine.regimes import regimes_of
from trading.engine.shared_account import Leg
from trading.engine.strategies import Params, hybrid, strategy_get
from trading.engine.strategies.tables import PROTECTION_PARAMETER, RESTING
from trading.engine.sweep import sweep
from trading.engine.types import AssetClass
from trading.engine.win_chances import chances_of

Part = Callable[[], object]
N_BARS = 420
N_DRAWS = 5
STRATEGY_KEYS = (
    "volatility_adaptive_trend",
    "hybrid",
    "sma_cross",
    "rsi2_reversion",
    "donchian_breakout",
)
NOTHING: Params = {}
PROTECTED: Params = {PROTECTION_PARAMETER.key: RESTING}


def parts() -> Iterator[tuple[str, Part]]:
    """Return what is to be called, with its name: what pages need first comes first.

    Returns
    -------
    iterator of (str, callable)
        Each takes seconds while its kernels are missing, milliseconds afterwards.
    """
    yield "regimes", lambda: regimes_of(_tape("A"))
    yield "correlation", lambda: mean_correlation(_tape("A"), 1.0, [(_tape("B"), 1.0)], _end())
    for key in STRATEGY_KEYS:
        yield f"running {key}", partial(_equity, key, NOTHING)
    resting = [key for key in STRATEGY_KEYS if PROTECTION_PARAMETER in strategy_get(key).parameters]
    for key in resting:
        yield f"running {key} with resting orders", partial(_equity, key, PROTECTED)
    yield "orders of a limited volume", lambda: backtest.run(_tape("A"), "hybrid", NOTHING, _thin())
    yield "running hybrid with a model", _asked
    for key in STRATEGY_KEYS:
        yield f"backtest of {key}", partial(_examined, key, NOTHING)
    for key in resting:
        yield f"backtest of {key} with resting orders", partial(_examined, key, PROTECTED)
    yield "sweep", lambda: sweep(_tape("A"), "sma_cross", {"fast": [5, 6], "slow": [20, 21]})
    for params in (NOTHING, PROTECTED):
        name = "account with resting orders" if params else "account"
        yield name, partial(_account, params)


def kernel_compile(missing: KernelMissing) -> None:
    """Compile one kernel for the types it was asked with.

    Parameters
    ----------
    missing : KernelMissing
        As another process raised it.

    Raises
    ------
    ImportError, AttributeError
        When the kernel is not where it was.
    """
    found: object = import_module(missing.module)
    for name in missing.name.split("."):
        found = getattr(found, name)
    found.compile(missing.signature)  # type: ignore[attr-defined]


@cache
def _tape(symbol: str) -> Bars:
    """Draw a walk that trends and falls, so that every rule trades."""
    rng = np.random.default_rng(7 if symbol == "A" else 8)
    drift = 0.004 * np.sin(np.arange(N_BARS) / 15.0)
    close = 100.0 * np.exp(np.cumsum(drift + 0.012 * rng.standard_normal(N_BARS)))
    opened = close * np.exp(0.003 * rng.standard_normal(N_BARS))
    spread = 1.0 + 0.01 * rng.random(N_BARS)
    high, low = np.maximum(opened, close) * spread, np.minimum(opened, close) / spread
    closed_at = np.arange(N_BARS, dtype=np.int64) * DAY_NS
    volume = 1e6 * (1.0 + rng.random(N_BARS))
    return Bars(symbol, "1d", closed_at, opened, high, low, close, volume)


def _end() -> int:
    return int(_tape("A").closed_at[-1])


def _config() -> BacktestConfig:
    return BacktestConfig(slippage_bps=1.0, cost_preset=AssetClass.EQUITY, quantity_step=1.0)


def _thin() -> BacktestConfig:
    """Costs and fills that depend on the size of an order."""
    costs = CostModel(preset=AssetClass.EQUITY, impact=1.0, commission_minimum=1.0)
    return BacktestConfig(cost_model=costs, max_participation=0.1)


def _asked() -> None:
    """Let a model refuse dips, and decisions tell which features speak for one."""
    spec = hybrid.with_model(strategy_get("hybrid"), (DatedModel(0, _two_lines()),))
    config = replace(_config(), keeps_decisions=True)
    backtest.run(_tape("A"), spec, {"entry_level": 30.0}, config)


def _two_lines() -> FittedModel:
    """Return a small model: of a single line a decision would ask no kernel what a feature adds."""
    n = len(GATE_FEATURES)
    arrays = ModelArrays(
        fill=np.zeros(n),
        members=np.array([[LINEAR, 0, 0, SIGMOID, 0, 0]] * 2),
        scalars=np.array([[0.0, 1.0, -1.0, 0.0]] * 2),
        linear=np.ones((3, 2, n)),
        nodes=np.empty((0, 3), dtype=np.int64),
        splits=np.empty((0, 2)),
        roots=np.empty(0, dtype=np.int64),
        curve=np.empty((0, 2)),
    )
    return FittedModel("ENSEMBLE", GATE_FEATURES, arrays, QUANTILES, 0.5, 0, 0)


def _equity(key: str, params: Params) -> None:
    """Do what a page does beside a running strategy, and what its runner does at a bar."""
    spec = strategy_get(key)
    backtest.equity_of(_tape("A"), spec, params, _config())
    backtest.run(_tape("A"), key, params, replace(_config(), keeps_decisions=True))


def _examined(key: str, params: Params) -> None:
    run, bars = backtest.run(_tape("A"), key, params, _config()), _tape("A")
    honesty(run, bars, np.random.default_rng(1), n_draws=N_DRAWS)
    rates, slippage = charged_rates(run.config.costs, run.costs, run.regime_codes)
    chances_of(run.round_trips, trades_of_run(run, bars, slippage), run.regime_codes, rates)


def _account(params: Params) -> None:
    legs = [Leg(_tape(symbol), "volatility_adaptive_trend", params) for symbol in "AB"]
    run = run_portfolio(legs, _config(), Allocation())
    rng = np.random.default_rng(1)
    portfolio_honesty(run, legs, Allocation(), rng, n_draws=N_DRAWS)
