"""A stored study turned back into what the engine works with."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marketdata.selectors import bars_hash
from marketdata.types import Bars, FloatArray
from trading.engine import backtest, metrics
from trading.engine.backtest import BacktestConfig
from trading.engine.costs import CostModel
from trading.engine.search import SearchPlan, Space, plan_search, space_from
from trading.engine.search.judgement import ScoredTrial
from trading.engine.search.scoring import TrialScore
from trading.engine.strategies import StrategySpec
from trading.models import Study
from trading.services.backtests.loading import bars_stored
from trading.services.bindings import identity_of, spec_with
from trading.services.market_costs import cost_preset_of, usual_costs
from trading.services.studies.evaluation import costs_named
from trading.services.trial_ledger import Evaluation, Family

if TYPE_CHECKING:
    from marketdata.models import Instrument
    from trading.services.backtests.drafts import BacktestDraft


@dataclass(frozen=True, slots=True, eq=False)
class StudySetup:
    """Everything a worker needs to evaluate trials of one study.

    `spec` is bound to the model version the study was asked with, whatever is active by now; `bars`
    is the whole span, hold-out included; `search_bars` ends before it.
    """

    spec: StrategySpec
    bars: Bars
    search_bars: Bars
    space: Space
    plan: SearchPlan
    config: BacktestConfig
    evaluation: Evaluation

    def params(self, moving: Mapping[str, Any]) -> dict[str, Any]:
        """Complete moving parameters to a full set."""
        return self.space.params(moving)

    def returns_of(self, trial: ScoredTrial) -> FloatArray:
        """Run a trial again and return its returns per bar on the search span."""
        curve = backtest.curve_of(
            self.search_bars, self.spec, self.params(trial.moving), self.config
        )
        return metrics.simple_returns(curve.equity, start=self.config.cash)


def setup_of(study: Study) -> StudySetup:
    """Load bars and plan of a study; raises what the engine or the bars refuse."""
    bars = bars_stored(
        symbol=study.instrument.symbol,
        timeframe=study.timeframe,
        start=study.start_date,
        end=study.end_date,
    )
    spec = spec_with(study.strategy_key, study.model_version)
    space = space_from(spec, study.space, study.fixed)
    plan = plan_of(study, len(bars), space)
    search_bars = bars.slice(0, plan.n_search)
    config = config_of(study, start_index=plan.start)
    family = Family(study.user_id, study.strategy_key, study.instrument_id)
    model = identity_of(study.model_version)
    return StudySetup(
        spec=spec,
        bars=bars,
        search_bars=search_bars,
        space=space,
        plan=plan,
        config=config,
        evaluation=Evaluation(family, search_content(search_bars, config, model)),
    )


def search_content(
    search_bars: Bars, config: BacktestConfig, model: Mapping[str, object] | None
) -> dict[str, Any]:
    """Return what decides a trial beside its parameters; the command's searches use it too."""
    return {
        "bars": bars_hash(search_bars),
        "start": config.start_index,
        "cash": config.cash,
        "costs": costs_named(config),
        "model": None if model is None else model["content_hash"],
    }


def plan_of(study: Study, n_bars: int, space: Space) -> SearchPlan:
    """Divide the bars as the study asks."""
    return plan_search(
        n_bars,
        space,
        n_folds=study.n_folds,
        holdout_share=study.holdout_share,
        dispersion_weight=study.dispersion_weight,
        fewest_trades=study.fewest_trades,
        deepest_drawdown=study.deepest_drawdown,
    )


def config_of(study: Study, *, start_index: int = 0) -> BacktestConfig:
    """Return cash and costs of the study."""
    market = study.instrument if study.has_regime_costs else None
    return search_config(study, market, start_index=start_index)


def search_config(
    asked: Study | BacktestDraft, market: Instrument | None, *, start_index: int
) -> BacktestConfig:
    """Return cash and costs of a search, with the usual costs of a market if one is given."""
    own: dict[str, Any] = {
        "commission_bps": asked.commission_bps,
        "slippage_bps": asked.slippage_bps,
    }
    if market is not None and asked.has_usual_slippage:
        usual = usual_costs(market, has_slippage=True)
        own = {"cost_model": CostModel(**own, **usual)}
    elif market is not None:
        own["cost_preset"] = cost_preset_of(market)
    return BacktestConfig(cash=float(asked.cash), seed=asked.seed, start_index=start_index, **own)


def score_values(score: TrialScore) -> dict[str, Any]:
    """Return the columns of a trial that hold its score."""
    return {
        "objective": None if score.refusal else score.objective,
        "in_sample_sharpe": score.in_sample_sharpe,
        "out_of_sample_sharpe": score.out_of_sample_sharpe,
        "dispersion": score.dispersion,
        "n_trades": score.n_trades,
        "max_drawdown": score.max_drawdown,
        "total_return": score.total_return,
        "bar_sharpe": score.bar_sharpe,
        "refusal": score.refusal[:200],
        "folds": {"in_sample": score.fold_in_sample, "out_of_sample": score.fold_out_of_sample},
        "blocks": array("d", (*score.block_sums, *score.block_squares)).tobytes(),
    }


# Of a finished trial, in the order `scored_of` takes them.
SCORED = (
    "number", "parameters", "objective", "in_sample_sharpe", "out_of_sample_sharpe", "dispersion",
    "folds", "n_trades", "max_drawdown", "total_return", "bar_sharpe", "blocks", "refusal",
)  # fmt: skip


def scored_of(row: Sequence[Any]) -> ScoredTrial:
    """Read the columns `SCORED` of a finished trial back; what was never stored is NaN."""
    number, moving, objective, inside, outside, dispersion, folds, *rest = row
    n_trades, deepest, total_return, bar_sharpe, packed, refusal = rest
    blocks = array("d")
    blocks.frombytes(bytes(packed))
    middle = len(blocks) // 2
    return ScoredTrial(
        number=number,
        moving=moving,
        score=TrialScore(
            objective=_or_nan(objective),
            in_sample_sharpe=_or_nan(inside),
            out_of_sample_sharpe=_or_nan(outside),
            dispersion=_or_nan(dispersion),
            fold_in_sample=tuple(folds["in_sample"]),
            fold_out_of_sample=tuple(folds["out_of_sample"]),
            n_trades=n_trades or 0,
            max_drawdown=_or_nan(deepest),
            total_return=_or_nan(total_return),
            bar_sharpe=_or_nan(bar_sharpe),
            block_sums=tuple(blocks[:middle]),
            block_squares=tuple(blocks[middle:]),
            refusal=refusal,
        ),
    )


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
