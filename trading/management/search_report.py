"""What `manage.py optimize` tells of a search: values for programs, lines for people."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trading.services.studies.local import LocalOutcome, LocalSearch


def search_values(search: LocalSearch, outcome: LocalOutcome, n_top: int) -> dict[str, Any]:
    from trading.services.backtests.statistics import plain

    verdict = outcome.judgement
    rows: dict[int | None, Any] = {trial.number: _row(search, trial) for trial in outcome.trials}
    found: dict[str, Any] = plain(
        {
            "strategy": search.strategy_key,
            "model": search.model,
            "method": search.method.lower(),
            "n_trials": len(outcome.trials) + len(outcome.errors),
            "n_failed": len(outcome.errors),
            "n_ranked": verdict.n_ranked,
            "best": rows.get(verdict.best),
            "suggested": rows.get(verdict.pick),
            "leaderboard": [rows[number] for number in _ranking(outcome)[: max(n_top, 0)]],
            **_verdict_values(outcome),
            "errors": outcome.errors,
            "plan": asdict(search.plan),
            "holdout": {
                "n_bars": search.plan.n_bars - search.plan.n_search,
                "is_opened": False,
            },
            "manifest": _manifest(search),
        }
    )
    return found


def _ranking(outcome: LocalOutcome) -> list[int]:
    """Return the numbers of the trials that have an objective, best first."""
    ranked = sorted(
        (t for t in outcome.trials if math.isfinite(t.score.objective)),
        key=lambda t: (-t.score.objective, t.number),
    )
    return [trial.number for trial in ranked]


def _verdict_values(outcome: LocalOutcome) -> dict[str, Any]:
    verdict = outcome.judgement
    by_number = {trial.number: trial for trial in outcome.trials}
    return {
        "in_sample": _side(by_number, verdict.pick, "in_sample_sharpe", "fold_in_sample"),
        "out_of_sample": _side(
            by_number, verdict.pick, "out_of_sample_sharpe", "fold_out_of_sample"
        ),
        "pbo": verdict.probability_of_overfitting,
        "deflated_sharpe_ratio": verdict.deflated_sharpe,
        "trial_count": verdict.n_trials_counted,
        "expected_max_sharpe": verdict.expected_max_sharpe,
        "rank_correlation": verdict.rank_correlation,
        "walk_forward_sharpe": verdict.procedure_sharpe,
        "is_overfit": verdict.is_overfit,
        "is_spike": verdict.is_spike,
        "stable_zone": verdict.zone,
        "importance": verdict.importance,
        "sentences": verdict.sentences,
    }


def _manifest(search: LocalSearch) -> dict[str, Any]:
    from trading.services.backtests.manifest import manifest_of

    return manifest_of(
        bars=search.bars,
        parameters={"space": search.space.to_dict(), "fixed": dict(search.space.fixed)},
        seed=search.config.seed,
        source="file or database",
        settings_used={
            "cash": search.config.cash,
            **asdict(search.config.costs),
            "cost_preset": search.config.costs.preset,
            "model": search.model,
        },
    )


def _row(search: LocalSearch, trial: Any) -> dict[str, Any]:
    score = trial.score
    return {
        "trial": trial.number,
        "parameters": search.space.params(trial.moving),
        "objective": score.objective,
        "in_sample_sharpe": score.in_sample_sharpe,
        "out_of_sample_sharpe": score.out_of_sample_sharpe,
        "gap": score.gap,
        "dispersion": score.dispersion,
        "n_trades": score.n_trades,
        "max_drawdown": score.max_drawdown,
        "total_return": score.total_return,
    }


def _side(by_number: dict[int, Any], pick: int | None, name: str, folds: str) -> Any:
    if pick is None:
        return None
    score = by_number[pick].score
    return {"sharpe_ratio": getattr(score, name), "folds": getattr(score, folds)}


def _model_words(values: dict[str, Any]) -> str:
    found = values["model"]
    if found is None:
        return "without a model"
    return f"with model {found['number']} ({found['kind'].lower()} {found['content_hash'][:8]})"


def failure(values: dict[str, Any]) -> str:
    """Say why the first of the failed trials failed."""
    number, reason = min(values["errors"].items(), key=lambda item: int(item[0]))
    return f"trial {number}: {reason}"


def search_text(values: dict[str, Any]) -> str:
    lines = [
        f"{values['n_trials']:,} trials of {values['strategy']} {_model_words(values)}, "
        f"{values['n_ranked']:,} ranked, {values['n_failed']:,} failed",
        *([f"The first that failed is {failure(values)}"] if values["n_failed"] else []),
        "",
        f"{'trial':>6} {'objective':>10} {'in':>7} {'out':>7} {'spread':>7} {'trades':>7} "
        f"{'drawdown':>9}  parameters",
    ]
    moving = set(values["manifest"]["params"]["space"])
    for row in values["leaderboard"]:
        shown = ", ".join(f"{k}={v}" for k, v in row["parameters"].items() if k in moving)
        lines.append(
            f"{row['trial']:>6} {row['objective']:>10.3f} {row['in_sample_sharpe']:>7.2f} "
            f"{row['out_of_sample_sharpe']:>7.2f} {row['dispersion']:>7.2f} "
            f"{row['n_trades']:>7} {row['max_drawdown']:>9.1%}  {shown}"
        )
    lines += ["", *values["sentences"]]
    if values["suggested"]:
        lines.append(f"Suggested: trial {values['suggested']['trial']} (the hold-out is unopened).")
    return "\n".join(lines)
