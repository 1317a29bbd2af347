"""What a trial is worth: the middle of its out-of-sample folds, less how much they differ.

INPUT    bars, a strategy with parameters, a `SearchPlan`
OUTPUT   a `TrialScore`: both sides of every fold, costs included, and what luck needs
LOOKBACK the strategy's own; the final hold-out is never part of a score
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from marketdata.types import Bars, FloatArray, IntArray
from trading.engine import backtest, metrics
from trading.engine.backtest import BacktestConfig
from trading.engine.counts import counted
from trading.engine.errors import ConfigInvalid, InsufficientBars
from trading.engine.luck import bar_sharpe, expected_max_sharpe, probabilistic_sharpe_ratio
from trading.engine.search.space import Space
from trading.engine.strategies import strategy_get
from trading.engine.strategies.base import ParameterValue, StrategySpec

SMALLEST_HOLDOUT = 0.15
LARGEST_HOLDOUT = 0.5
FEWEST_FOLD_BARS = 20
MOST_FOLDS = 20
# Blocks of the cross-validation behind PBO: 924 ways to halve 12.
N_BLOCKS = 12


@dataclass(frozen=True, slots=True)
class Fold:
    """Bars that come first and the bars after them, as half-open index ranges."""

    train: tuple[int, int]
    test: tuple[int, int]


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How history is used by a search.

    Attributes
    ----------
    start : int
        First bar that may decide; the same for all trials so that they can be compared.
    n_search : int
        Bars the search may see; the hold-out begins here.
    n_bars : int
        All bars.
    folds : tuple of Fold
        Each tests on the bars right after its growing training window.
    dispersion_weight : float
        Taken from the median: this times the sample deviation of the folds.
    fewest_trades : int
        Trials with fewer are not ranked.
    deepest_drawdown : float
        Fraction <= 0; trials that fell deeper are not ranked.
    """

    start: int
    n_search: int
    n_bars: int
    folds: tuple[Fold, ...]
    dispersion_weight: float
    fewest_trades: int
    deepest_drawdown: float

    @property
    def block_edges(self) -> IntArray:
        """Edges of the blocks behind PBO, counted from `start`, shape (n_blocks + 1,)."""
        edges: IntArray = np.arange(N_BLOCKS + 1) * (self.n_search - self.start) // N_BLOCKS
        return edges


@dataclass(frozen=True, slots=True)
class TrialScore:
    """What one trial showed on the search span; Sharpe ratios a year unless said otherwise.

    `objective` is NaN and `refusal` says why where a constraint is broken. `bar_sharpe` is per bar
    over the span; `block_sums` and `block_squares` are what `luck.overfitting_of_blocks` takes.
    """

    objective: float
    in_sample_sharpe: float
    out_of_sample_sharpe: float
    dispersion: float
    fold_in_sample: tuple[float, ...]
    fold_out_of_sample: tuple[float, ...]
    n_trades: int
    max_drawdown: float
    total_return: float
    bar_sharpe: float
    block_sums: tuple[float, ...]
    block_squares: tuple[float, ...]
    refusal: str = ""

    @property
    def gap(self) -> float:
        """In-sample less out-of-sample: what was lost on the way to unseen bars."""
        return self.in_sample_sharpe - self.out_of_sample_sharpe

    @property
    def standard_error(self) -> float:
        """Standard error of the mean of the folds, a year."""
        return self.dispersion / math.sqrt(len(self.fold_out_of_sample))


@dataclass(frozen=True, slots=True)
class Holdout:
    """What a chosen set of parameters did on bars no search has seen.

    `expected_max_sharpe` is what the best of `n_looks` worthless looks at the same bars shows, a
    year; `probability` is that of a true Sharpe ratio above it.
    """

    sharpe_ratio: float
    probability: float
    total_return: float
    max_drawdown: float
    n_trades: int
    n_bars: int
    n_looks: int
    expected_max_sharpe: float


def plan_search(
    n_bars: int,
    space: Space,
    *,
    n_folds: int = 5,
    holdout_share: float = 0.2,
    dispersion_weight: float = 0.5,
    fewest_trades: int = 20,
    deepest_drawdown: float = -1.0,
) -> SearchPlan:
    """Divide history into warm-up, folds and the final hold-out.

    Parameters
    ----------
    n_bars : int
        Bars there are.
    space : Space
        Its longest warm-up decides where trials begin, up to a quarter of the search span.
    n_folds : int
        2 to 20.
    holdout_share : float
        0.15 to 0.5; it cannot be switched off.
    dispersion_weight : float
        >= 0.
    fewest_trades : int
        >= 0.
    deepest_drawdown : float
        In [-1, 0).

    Returns
    -------
    SearchPlan
        See there.

    Raises
    ------
    ConfigInvalid
        For a value outside its bounds.
    InsufficientBars
        If a fold would hold fewer than 20 bars.

    Examples
    --------
    >>> from trading.engine.search.space import space_from
    >>> from trading.engine.strategies import strategy_get
    >>> space = space_from(strategy_get("sma_cross"), {"fast": {"low": 5, "high": 10}})
    >>> plan = plan_search(1000, space, n_folds=3)
    >>> plan.n_search, plan.folds[0].test[0] == plan.folds[0].train[1]
    (800, True)
    """
    _check_plan(n_folds, holdout_share, dispersion_weight, fewest_trades, deepest_drawdown)
    n_search = n_search_of(n_bars, holdout_share)
    start = min(_longest_warm_up(space), n_search // 4)
    edges = [start + (n_search - start) * k // (n_folds + 1) for k in range(n_folds + 2)]
    if min(np.diff(edges)) < FEWEST_FOLD_BARS:
        raise InsufficientBars(
            f"{n_bars} bars leave {int(min(np.diff(edges)))} for each of {n_folds} folds; "
            f"at least {FEWEST_FOLD_BARS} are needed"
        )
    folds = tuple(Fold((start, edges[k]), (edges[k], edges[k + 1])) for k in range(1, n_folds + 1))
    return SearchPlan(
        start=start,
        n_search=n_search,
        n_bars=n_bars,
        folds=folds,
        dispersion_weight=dispersion_weight,
        fewest_trades=fewest_trades,
        deepest_drawdown=deepest_drawdown,
    )


def n_search_of(n_bars: int, holdout_share: float) -> int:
    """Count the bars before the hold-out; a share of a bar belongs to the hold-out.

    Examples
    --------
    >>> n_search_of(11, 0.2)
    8
    """
    return n_bars - math.ceil(n_bars * holdout_share)


def _check_plan(
    n_folds: int, share: float, weight: float, fewest_trades: int, deepest: float
) -> None:
    if not 2 <= n_folds <= MOST_FOLDS:
        raise ConfigInvalid(f"folds {n_folds} must be from 2 to {MOST_FOLDS}")
    if not SMALLEST_HOLDOUT <= share <= LARGEST_HOLDOUT:
        raise ConfigInvalid(
            f"hold-out share {share:g} must be from {SMALLEST_HOLDOUT:g} to {LARGEST_HOLDOUT:g}"
        )
    if not (math.isfinite(weight) and weight >= 0.0):
        raise ConfigInvalid(f"dispersion weight {weight} must be a number of at least 0")
    if fewest_trades < 0:
        raise ConfigInvalid(f"fewest trades {fewest_trades} must not be negative")
    if not -1.0 <= deepest < 0.0:
        raise ConfigInvalid(f"deepest drawdown {deepest:g} must be from -1 to below 0")


def _longest_warm_up(space: Space) -> int:
    """Look at the corners of the space; warm-ups grow with the windows they come from."""
    allowed = space.corners() or [{}]
    return max(space.spec.warm_up(space.params(moving)) for moving in allowed)


def evaluate(
    bars: Bars,
    strategy: str | StrategySpec,
    params: Mapping[str, ParameterValue],
    plan: SearchPlan,
    config: BacktestConfig | None = None,
) -> TrialScore:
    """Score one set of parameters on the search span.

    Parameters
    ----------
    bars : Bars
        At least ``plan.n_search``; what lies behind is cut off before anything is computed.
    strategy : str or StrategySpec
        A key of `strategies.STRATEGIES`, or a strategy that is bound to its models.
    params : mapping
        Full set of parameters.
    plan : SearchPlan
        Of the study.
    config : BacktestConfig or None
        Costs, cash and whom to tell of progress; its start index is the plan's.

    Returns
    -------
    TrialScore
        Deterministic.

    Raises
    ------
    ParameterInvalid, InsufficientBars
        As `backtest.run`.
    """
    known = bars if len(bars) == plan.n_search else bars.slice(0, plan.n_search)
    settings = replace(config or BacktestConfig(), start_index=plan.start)
    spec = strategy if isinstance(strategy, StrategySpec) else strategy_get(strategy)
    curve = backtest.curve_of(known, spec, params, settings)
    return score_equity(
        curve.equity,
        plan,
        cash=settings.cash,
        bars_per_year=known.bars_per_year,
        n_trades=curve.n_round_trips,
    )


def score_equity(
    equity: FloatArray, plan: SearchPlan, *, cash: float, bars_per_year: float, n_trades: int
) -> TrialScore:
    """Score an equity curve from ``plan.start`` to ``plan.n_search``.

    Parameters
    ----------
    equity : float64, shape (n_search - start,)
        Currency, > 0.
    plan : SearchPlan
        Folds and constraints.
    cash : float
        Capital before the first bar.
    bars_per_year : float
        Annualizes the Sharpe ratios.
    n_trades : int
        Completed trades.

    Returns
    -------
    TrialScore
        See there.
    """
    returns = metrics.simple_returns(equity, start=cash)
    trains = tuple(_sharpe(returns, fold.train, plan, bars_per_year) for fold in plan.folds)
    tests = tuple(_sharpe(returns, fold.test, plan, bars_per_year) for fold in plan.folds)
    dispersion = float(np.std(tests, ddof=1))
    middle = float(np.median(tests))
    deepest = metrics.max_drawdown(equity, start=cash)
    refusal = _refusal(plan, n_trades, deepest)
    edges = plan.block_edges[:-1]
    return TrialScore(
        objective=math.nan if refusal else middle - plan.dispersion_weight * dispersion,
        in_sample_sharpe=float(np.median(trains)),
        out_of_sample_sharpe=middle,
        dispersion=dispersion,
        fold_in_sample=trains,
        fold_out_of_sample=tests,
        n_trades=n_trades,
        max_drawdown=deepest,
        total_return=float(equity[-1]) / cash - 1.0,
        bar_sharpe=bar_sharpe(returns),
        block_sums=tuple(np.add.reduceat(returns, edges).tolist()),
        block_squares=tuple(np.add.reduceat(returns**2, edges).tolist()),
        refusal=refusal,
    )


def holdout_run(
    bars: Bars,
    strategy: str | StrategySpec,
    params: Mapping[str, ParameterValue],
    plan: SearchPlan,
    config: BacktestConfig | None = None,
    *,
    n_looks: int = 1,
) -> Holdout:
    """Run chosen parameters over the final hold-out; earlier bars only warm up.

    Parameters
    ----------
    bars : Bars
        All ``plan.n_bars``.
    strategy, params, plan, config
        As in `evaluate`.
    n_looks : int
        Ideas ever looked at on these bars, this one included, >= 1.

    Returns
    -------
    Holdout
        Sharpe ratio a year, and the probability that it is above what so many looks show by luck.

    Notes
    -----
    The Sharpe ratio per bar of a worthless idea on T bars spreads by about 1 / sqrt(T). The looks
    themselves are too few to measure their spread.
    """
    settings = replace(config or BacktestConfig(), start_index=plan.n_search, progress=None)
    run = backtest.run(bars, strategy, params, settings)
    returns = metrics.simple_returns(run.equity, start=settings.cash)
    luck = expected_max_sharpe(n_looks, 1.0 / math.sqrt(returns.shape[0]))
    return Holdout(
        sharpe_ratio=bar_sharpe(returns) * math.sqrt(run.bars_per_year),
        probability=probabilistic_sharpe_ratio(returns, luck),
        total_return=float(run.equity[-1]) / settings.cash - 1.0,
        max_drawdown=metrics.max_drawdown(run.equity, start=settings.cash),
        n_trades=len(run.round_trips),
        n_bars=returns.shape[0],
        n_looks=n_looks,
        expected_max_sharpe=luck * math.sqrt(run.bars_per_year),
    )


def _sharpe(
    returns: FloatArray, span: tuple[int, int], plan: SearchPlan, bars_per_year: float
) -> float:
    part = returns[span[0] - plan.start : span[1] - plan.start]
    return bar_sharpe(part) * math.sqrt(bars_per_year)


def _refusal(plan: SearchPlan, n_trades: int, deepest: float) -> str:
    if n_trades < plan.fewest_trades:
        return f"{counted(n_trades, 'trade')}, at least {plan.fewest_trades} are asked for"
    if deepest < plan.deepest_drawdown:
        return f"drawdown {deepest:.1%}, at most {plan.deepest_drawdown:.1%} is allowed"
    return ""
