"""What a run adds to its owner's trials, and what was tried before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from marketdata.selectors import bars_hash, instrument_get
from marketdata.types import Bars, FloatArray
from trading.engine import metrics
from trading.engine.checks.chance import Trials
from trading.engine.luck import FEWEST_RETURNS, bar_sharpe
from trading.models import Backtest
from trading.selectors.backtests import study_overfitting
from trading.selectors.studies import trials_counted
from trading.services.backtests.progress import Clock
from trading.services.backtests.requests import COST_FIELDS
from trading.services.bindings import Binding
from trading.services.trial_ledger import Evaluation, Family, backtest_counted


def evaluations_of(
    backtest: Backtest, series: Sequence[Bars], bound: Binding
) -> list[tuple[Family, str]]:
    """Name what is tried, for each instrument it is tried on.

    A run that was never stored has the names of one that was.
    """
    asked = (
        "commission_bps", "slippage_bps", "has_regime_costs", *COST_FIELDS, "limits",
        "allocation",
    )  # fmt: skip
    content = {
        **{name: getattr(backtest, name) for name in asked},
        "cash": f"{backtest.cash:.8f}",
        "bars": {bars.symbol: bars_hash(bars) for bars in series},
        "model": None if bound.model is None else bound.model["content_hash"],
    }
    families = [
        Family(backtest.user_id, backtest.strategy_key, instrument_get(bars.symbol).pk)
        for bars in series
    ]
    return [(family, Evaluation(family, content).key(backtest.parameters)) for family in families]


def run_counted(
    evaluations: Sequence[tuple[Family, str]], cash: float, clock: Clock, equity: FloatArray
) -> None:
    """Put what was simulated into the ledger; a few bars say nothing of a strategy."""
    if equity.shape[0] < FEWEST_RETURNS:
        return
    returns = metrics.simple_returns(equity, start=cash)
    backtest_counted(
        evaluations=evaluations,
        bar_sharpe=bar_sharpe(returns),
        n_bars=returns.shape[0],
        now=clock(),
    )


def trials_of(backtest: Backtest, evaluations: Sequence[tuple[Family, str]]) -> Trials:
    """Count what was tried before, for an account on the most tried of its instruments, and this.

    The same run asked for again tries nothing new, so it is judged by the same count.
    """
    earlier = getattr(backtest.rerun_of, "result", None) if backtest.rerun_of else None
    if earlier is not None and "trials" in earlier.manifest["settings"]:
        return Trials(**earlier.manifest["settings"]["trials"])
    families = [trials_counted(**asdict(family), but=key) for family, key in evaluations]
    counted = max(families, key=lambda found: found.n_trials)
    return Trials(
        n_trials=counted.n_trials + 1,
        sharpe_std=counted.sharpe_std,
        overfitting=study_overfitting(backtest=backtest),
    )
