"""Compare our figures with empyrical-reloaded and quantstats; on request write golden numbers.

Run it in the environment of the peers, which `make bench` makes:

    PYTHONPATH=. .venv-bench/bin/python docs/research/metrics_equality.py [FILE.csv ...]
    PYTHONPATH=. .venv-bench/bin/python docs/research/metrics_equality.py --golden OUT.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import quantstats.stats as qs
from vectorbt_equality import bars_of

from trading.engine import metrics
from trading.engine.luck import probabilistic_sharpe_ratio

# empyrical-reloaded 0.5.9, the last with a wheel for everything it needs, knows NumPy 1 names.
for name, value in (("NINF", -np.inf), ("PINF", np.inf)):
    setattr(np, name, value)
empyrical = import_module("empyrical")

SEEDS = (11, 12, 13)
N_RETURNS = 500
YEAR = 252
Peer = Callable[[pd.Series], float]

OURS: dict[str, Callable[[np.ndarray], float]] = {
    "annual_return": lambda r: metrics.annual_return(r, YEAR),
    "volatility": lambda r: metrics.volatility(r, YEAR),
    "sharpe_ratio": lambda r: metrics.sharpe_ratio(r, YEAR),
    "sortino_ratio": lambda r: metrics.sortino_ratio(r, YEAR),
    "calmar_ratio": lambda r: metrics.calmar_ratio(r, YEAR),
    "max_drawdown": lambda r: metrics.max_drawdown(np.cumprod(1.0 + r), start=1.0),
    "profit_factor": metrics.profit_factor,
    "hit_rate": metrics.hit_rate,
    "probabilistic_sharpe_ratio": probabilistic_sharpe_ratio,
}
EMPYRICAL: dict[str, Peer] = {
    "annual_return": empyrical.annual_return,
    "volatility": empyrical.annual_volatility,
    "sharpe_ratio": empyrical.sharpe_ratio,
    "sortino_ratio": empyrical.sortino_ratio,
    "calmar_ratio": empyrical.calmar_ratio,
    "max_drawdown": empyrical.max_drawdown,
}
QUANTSTATS: dict[str, Peer] = {
    "annual_return": lambda r: qs.cagr(r, periods=YEAR),
    "volatility": lambda r: qs.volatility(r, periods=YEAR),
    "sharpe_ratio": lambda r: qs.sharpe(r, periods=YEAR),
    "sortino_ratio": lambda r: qs.sortino(r, periods=YEAR),
    "calmar_ratio": lambda r: qs.calmar(r, periods=YEAR),
    "max_drawdown": qs.max_drawdown,
    "profit_factor": qs.profit_factor,
    "hit_rate": qs.win_rate,
    "probabilistic_sharpe_ratio": qs.probabilistic_sharpe_ratio,
}
PEERS = {"empyrical": EMPYRICAL, "quantstats": QUANTSTATS}


def main() -> None:
    """Print the largest relative difference of each figure to each peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--golden", type=Path)
    options = parser.parse_args()
    if options.golden:
        options.golden.write_text(json.dumps(golden(), indent=1) + "\n")
        return
    series = [walk(seed) for seed in SEEDS]
    series += [pd.Series(bars_of(path).close).pct_change().dropna() for path in options.files]
    series = [dated(returns) for returns in series]
    print(f"{len(series)} series, {sum(map(len, series)):,} returns")
    print("| figure | empyrical | quantstats |")
    print("|---|---|---|")
    for name, our in OURS.items():
        cells = []
        for peers in PEERS.values():
            if name not in peers:
                cells.append("–")
                continue
            worst = max(apart(our(r.to_numpy()), float(peers[name](r))) for r in series)
            cells.append(f"{worst:.1e}")
        print(f"| {name} | {' | '.join(cells)} |")


def walk(seed: int) -> pd.Series:
    """Return seeded daily returns with zeros among them, as a strategy in cash has."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(0.0004, 0.012, N_RETURNS)
    returns[rng.random(N_RETURNS) < 0.2] = 0.0
    return pd.Series(returns)


def dated(returns: pd.Series) -> pd.Series:
    """Give returns the business days that quantstats wants."""
    days = pd.bdate_range("1900-01-01", periods=len(returns))
    return pd.Series(returns.to_numpy(), index=days)


def apart(ours: float, theirs: float) -> float:
    """Return the relative difference; 0 for two values that are both undefined."""
    if np.isnan(ours) and not np.isfinite(theirs):
        return 0.0
    return abs(ours / theirs - 1.0)


def golden() -> dict[str, object]:
    """Compute the numbers stored with the tests."""
    return {
        "peers": {
            "empyrical": f"empyrical-reloaded {version('empyrical-reloaded')}",
            "quantstats": f"quantstats {version('quantstats')}",
        },
        "n_returns": N_RETURNS,
        "figures": {
            str(seed): {
                key: {name: float(peer(dated(walk(seed)))) for name, peer in peers.items()}
                for key, peers in PEERS.items()
            }
            for seed in SEEDS
        },
    }


if __name__ == "__main__":
    main()
