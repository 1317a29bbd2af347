"""Figures equal empyrical's and quantstats' where the definitions agree.

docs/research/metrics-equality.md says where they do not; metrics_equality.py --golden wrote the
numbers.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from trading.engine import metrics
from trading.engine.luck import probabilistic_sharpe_ratio

GOLDEN = json.loads((Path(__file__).parent / "golden" / "metrics.json").read_text())
FIGURES = GOLDEN["figures"]
YEAR = 252.0
AGREEING = {
    "annual_return": lambda r: metrics.annual_return(r, YEAR),
    "volatility": lambda r: metrics.volatility(r, YEAR),
    "sharpe_ratio": lambda r: metrics.sharpe_ratio(r, YEAR),
    "sortino_ratio": lambda r: metrics.sortino_ratio(r, YEAR),
    "calmar_ratio": lambda r: metrics.calmar_ratio(r, YEAR),
    "max_drawdown": lambda r: metrics.max_drawdown(np.cumprod(1.0 + r), start=1.0),
    "profit_factor": metrics.profit_factor,
}


def walk(seed):
    """The returns of metrics_equality.py, written a second time."""
    rng = np.random.default_rng(int(seed))
    returns = rng.normal(0.0004, 0.012, GOLDEN["n_returns"])
    returns[rng.random(GOLDEN["n_returns"]) < 0.2] = 0.0
    return returns


@pytest.mark.parametrize("seed", FIGURES)
@pytest.mark.parametrize("peer", GOLDEN["peers"])
@pytest.mark.parametrize("name", AGREEING)
def test_figure_equals_the_peers(name, peer, seed):
    if name not in FIGURES[seed][peer]:
        assert (name, peer) == ("profit_factor", "empyrical")
        return

    assert AGREEING[name](walk(seed)) == pytest.approx(FIGURES[seed][peer][name], rel=1e-9)


@pytest.mark.parametrize("seed", FIGURES)
def test_quantstats_leaves_zero_returns_out_of_its_win_rate(seed):
    returns = walk(seed)
    theirs = FIGURES[seed]["quantstats"]["hit_rate"]

    assert metrics.hit_rate(returns[returns != 0.0]) == pytest.approx(theirs, rel=1e-12)
    assert metrics.hit_rate(returns) < theirs


@pytest.mark.parametrize("seed", FIGURES)
def test_quantstats_corrects_the_moments_of_its_probabilistic_sharpe_ratio(seed):
    theirs = FIGURES[seed]["quantstats"]["probabilistic_sharpe_ratio"]

    assert probabilistic_sharpe_ratio(walk(seed)) == pytest.approx(theirs, rel=1e-4)
