"""Bench `decide`: one new bar from its price to an order wish, a model's probability included."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np

from elson.benchmarks.harness import (
    OURS,
    Bench,
    Contender,
    Contest,
    Goal,
    Limit,
    Report,
    Results,
    ResultsDiffer,
    Times,
)
from elson.benchmarks.series import geometric_walk
from marketdata.types import Bars
from trading.engine import online
from trading.engine.costs import CostModel
from trading.engine.kernels import FloatArray
from trading.engine.learning.export import ModelArrays, export, predict_row_nb
from trading.engine.learning.models import ModelKind, fit_classifiers
from trading.engine.online import OnlineTrend, online_trend
from trading.engine.planning import StepContext
from trading.engine.state import start
from trading.engine.step import step
from trading.engine.strategies import strategy_get

NAIVE, LIVE = "pandas_sklearn", "live"
N_BARS, WARM_UP, WINDOW = 4_000, 1_500, 300
N_OURS, N_NAIVE, N_LIVE = 2_000, 10, 200
COSTS = CostModel(5.0)
LEAST_PROBABILITY = 0.2  # below it the model takes an entry away
# A neighbor that takes the core away for a moment changes the mean, not the median.
MEDIAN = "µs of one decision, median of the last round"
LIVE_COST = "µs of one decision, as the live runner asks"
LIVE_RATIO = "pandas over 300 bars, against the live runner's way"
CELLS = (online.EXIT_MEAN, online.ATR, online.RSI, online.VOLATILITY)


@contextmanager
def prepare(report: Report) -> Iterator[Contest]:
    """Train one gradient boosting, flatten it, and warm the running strategy up."""
    report("Training the model both sides ask.")
    bars = geometric_walk(17, N_BARS)
    rng = np.random.default_rng(17)
    rows = rng.standard_normal((1_200, len(CELLS))) * 10.0 + 50.0
    wins = rows[:, 0] + 5.0 * rng.standard_normal(1_200) > 50.0
    models = fit_classifiers(ModelKind.HIST_GRADIENT_BOOSTING, rows, wins, rng_seed=17)
    arrays = export(models)
    versions = f"pandas {version('pandas')}, scikit-learn {version('scikit-learn')}"
    yield Contest(
        (
            Contender(
                OURS,
                "Elson: features, regime, model, sizing, breaker, from Python",
                f"Python {platform.python_version()}",
                N_OURS,
                lambda: _ours(bars, arrays),
            ),
            Contender(
                LIVE,
                f"Elson, as the live runner asks: features of {WARM_UP:,} bars anew, every word",
                f"Python {platform.python_version()}",
                N_LIVE,
                lambda: _live(bars),
            ),
            Contender(
                NAIVE,
                f"pandas over {WINDOW} bars, then predict_proba of one row",
                versions,
                N_NAIVE,
                lambda: _naive(bars, models),
            ),
        ),
        _check,
        _figures,
    )


def _started(bars: Bars) -> OnlineTrend:
    running = online_trend(
        strategy_get("volatility_adaptive_trend").defaults,
        bars_per_year=bars.bars_per_year,
        cash=100_000.0,
        costs=COSTS,
    )
    for i in range(WARM_UP):
        running.step(
            int(bars.closed_at[i]), float(bars.high[i]), float(bars.low[i]), float(bars.close[i])
        )
    return running


def _ours(bars: Bars, model: ModelArrays) -> Results:
    running = _started(bars)
    high, low, close = bars.high.tolist(), bars.low.tolist(), bars.close.tolist()
    opened, wish, n_fills = bars.open.tolist(), 0.0, 0
    closed_at, carried, columns = bars.closed_at.tolist(), running.cells.carried, np.array(CELLS)
    features, probabilities = np.empty((N_OURS, len(CELLS))), np.empty(N_OURS)
    predict_row_nb(carried[columns], *model)
    spent = np.empty(N_OURS)
    began = time.perf_counter()
    for k in range(N_OURS):
        bar_began = time.perf_counter()
        i = WARM_UP + k
        if wish:
            running.book(wish, opened[i], abs(wish) * opened[i] * COSTS.commission_rate(-1))
            n_fills += 1
        wish = running.step(closed_at[i], high[i], low[i], close[i])
        row = carried.take(columns, mode="clip")
        features[k] = row
        probabilities[k] = predict_row_nb(row, *model)
        if wish > 0.0 and probabilities[k] < LEAST_PROBABILITY:
            wish = 0.0
        spent[k] = time.perf_counter() - bar_began
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "features": features,
        "probabilities": probabilities,
        "n_fills": n_fills,
        "spent": spent,
    }


def _live(bars: Bars) -> Results:
    """Decide as `trading.services.live_decisions` does: nothing kept but the state."""
    spec = strategy_get("volatility_adaptive_trend")
    context, state = StepContext(spec=spec, costs=COSTS), start(100_000.0)
    n_words = 0
    began = time.perf_counter()
    for k in range(N_LIVE):
        known = bars.slice(k, WARM_UP + k)
        outcome = step(spec.prepare(known, spec.defaults), WARM_UP - 1, state, context)
        state = outcome.state
        n_words += bool(outcome.decision and outcome.decision.reason)
    return {"seconds": time.perf_counter() - began, "n_words": n_words}


def _naive(bars: Bars, models: list[Any]) -> Results:
    import pandas as pd
    from threadpoolctl import threadpool_limits

    frame = pd.DataFrame({"high": bars.high, "low": bars.low, "close": bars.close})
    features, probabilities = np.empty((N_NAIVE, len(CELLS))), np.empty(N_NAIVE)
    # One row is faster without threads, and threads on a busy machine wait for each other.
    with threadpool_limits(1):
        began = time.perf_counter()
        for k in range(N_NAIVE):
            end = WARM_UP + k + 1
            features[k] = _pandas_row(frame.iloc[end - WINDOW : end], bars.bars_per_year)
            probabilities[k] = models[0].predict_proba(features[k : k + 1])[0, 1]
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "features": features, "probabilities": probabilities}


def _pandas_row(frame: Any, bars_per_year: float) -> FloatArray:
    close = frame["close"]
    change = close.diff()
    gain = change.clip(lower=0.0).ewm(alpha=0.5, adjust=False).mean()
    loss = (-change.clip(upper=0.0)).ewm(alpha=0.5, adjust=False).mean()
    before = close.shift()
    spans = np.maximum(
        frame["high"] - frame["low"],
        np.maximum((frame["high"] - before).abs(), (frame["low"] - before).abs()),
    )
    squares = np.log(close).diff() ** 2
    variance = squares.ewm(alpha=0.06).mean()
    return np.array(
        [
            close.rolling(5).mean().iloc[-1],
            spans.ewm(alpha=1.0 / 14.0, adjust=False).mean().iloc[-1],
            (100.0 * gain / (gain + loss)).iloc[-1],
            np.sqrt(variance * bars_per_year).iloc[-1],
        ]
    )


def _check(results: Mapping[str, Results]) -> None:
    """Hold both sides' features together; what 300 bars forget is below one in a million."""
    ours, naive = results[OURS], results[NAIVE]
    if results[LIVE]["n_words"] != N_LIVE:
        raise ResultsDiffer("the live way decided without a word")
    if not ours["n_fills"]:
        raise ResultsDiffer("no decision led to a trade, so stops and rebalancing had no work")
    if not np.allclose(ours["features"][:N_NAIVE], naive["features"], rtol=1e-6):
        raise ResultsDiffer("features of one new bar differ by more than 1e-6")
    if not np.allclose(ours["probabilities"][:N_NAIVE], naive["probabilities"], atol=1e-3):
        raise ResultsDiffer("probabilities of one new bar differ by more than 1e-3")


def _figures(times: Mapping[str, Times]) -> Mapping[str, float]:
    ours, live = times[OURS], times[LIVE]
    return {
        LIVE_COST: live.median * 1e6,
        LIVE_RATIO: times[NAIVE].over(live),
        MEDIAN: float(np.median(ours.results["spent"])) * 1e6,
        "µs of one decision, mean of the rounds": ours.median * 1e6,
    }


BENCH = Bench(
    name="decide",
    title="Decision on one new bar",
    unit="decision",
    workload=(
        f"{N_OURS:,} new bars of a seeded walk after {WARM_UP:,}: incremental features, regime, "
        "adaptive values, gradient boosting, sizing, circuit breaker and the booking of fills, "
        f"called from Python; the peer computes four features over {WINDOW} bars and asks the same "
        "model, on one thread. The live runner takes the long way by choice (ADR 35): it "
        "computes all features of its bars anew, keeps nothing but the strategy's state, and "
        "writes every sentence of the explanation."
    ),
    goals=(Goal(NAIVE, 100.0, 500.0),),
    prepare=prepare,
    limits=(
        Limit(MEDIAN, "µs", at_most=10.0),
        Limit(LIVE_COST, "µs"),
        Limit(LIVE_RATIO, "×"),
    ),
)
