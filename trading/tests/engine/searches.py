"""One small search, scored once for all tests that look at its trials."""

from trading.engine import backtest, metrics
from trading.engine.backtest import BacktestConfig
from trading.engine.search import (
    evaluate,
    grid,
    plan_search,
    space_from,
)
from trading.engine.search.judgement import ScoredTrial
from trading.engine.strategies import strategy_get
from trading.tests.engine.walks import random_walk

SPEC = strategy_get("sma_cross")
RANGES = {
    "fast": {"low": 5, "high": 30, "step": 5},
    "slow": {"low": 20, "high": 80, "step": 20},
}
SPACE = space_from(SPEC, RANGES)
BARS = random_walk(11, 1200)
PLAN = plan_search(len(BARS), SPACE, n_folds=3, fewest_trades=2)


def scored(space=SPACE, bars=BARS, plan=PLAN):
    return [
        ScoredTrial(k, moving, evaluate(bars, "sma_cross", space.params(moving), plan))
        for k, moving in enumerate(grid(space), start=1)
    ]


TRIALS = scored()


def returns_of(moving):
    config = BacktestConfig(start_index=PLAN.start)
    run = backtest.run(BARS.slice(0, PLAN.n_search), "sma_cross", SPACE.params(moving), config)
    return metrics.simple_returns(run.equity, start=config.cash)
