"""A model for each year, trained on what was known before it, and what they were worth.

No database here. `year_plans` says which models there are to train, `year_fit` trains one, and
`out_of_sample` asks each about the candidates of its own time only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trading.engine import hybrid
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.learning.calibration import calibration_bins
from trading.engine.learning.features import GATE_FEATURES
from trading.engine.learning.fitted import QUANTILES, DatedModel, FittedModel
from trading.engine.learning.measurement import gate_figures
from trading.engine.learning.members import member_figures, member_kinds, member_probabilities
from trading.engine.learning.models import fit
from trading.engine.learning.reliability import by_quarter
from trading.engine.market import DAY_NS
from trading.engine.types import Regime, RegimeCode
from trading.engine.walkforward import yearly_folds, years_of
from trading.services.models.candidates import Candidates

# Years with fewer known candidates before them get no model: the rule decides alone.
MINIMUM_CANDIDATES = 500


@dataclass(frozen=True, slots=True, eq=False)
class YearPlan:
    """Rows to learn from, and the moment (nanoseconds UTC) from which the model may decide."""

    valid_from: int
    rows: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class OutOfSample:
    """Candidates the rule would buy, each with what the model of its time said.

    `base` is what could be said without a model: the win rate of the candidates known when the
    model in force began.
    """

    candidates: Candidates
    probability: FloatArray
    threshold: FloatArray
    base: FloatArray

    def __len__(self) -> int:
        """Count the candidates."""
        return len(self.candidates)

    def rows(self, chosen: Any) -> OutOfSample:
        """Return some rows, by mask or by number."""
        return OutOfSample(
            self.candidates.rows(chosen),
            self.probability[chosen],
            self.threshold[chosen],
            self.base[chosen],
        )


def year_plans(candidates: Candidates) -> list[YearPlan]:
    """Plan one model per calendar year of the data, and the newest for what follows it."""
    if not len(candidates):
        return []
    decided, resolved = candidates.decided_at, candidates.resolved_at
    years = np.unique(years_of(decided))
    starts = np.array([f"{year}-01-01" for year in years], dtype="datetime64[ns]").astype(np.int64)
    newest = int(resolved.max()) + DAY_NS
    plans = [
        YearPlan(
            int(starts[years == fold.year][0]), _in_order(decided, fold.train, fold.calibration)
        )
        for fold in yearly_folds(
            decided, resolved, minimum=MINIMUM_CANDIDATES, test_decided_at=starts
        )
    ]
    if len(candidates) >= MINIMUM_CANDIDATES:
        plans.append(YearPlan(newest, np.arange(len(candidates))))
    return [plan for plan in plans if _has_both(candidates, plan.rows)]


def year_fit(candidates: Candidates, plan: YearPlan, *, kind: str, seed: int) -> FittedModel:
    """Train the model of one plan."""
    rows = candidates.rows(plan.rows)
    return fit(
        kind,
        rows.features,
        rows.net_return > 0.0,
        rng_seed=seed,
        decided_at=rows.decided_at,
        resolved_at=rows.resolved_at,
    )


def rows_hash(candidates: Candidates, plan: YearPlan) -> str:
    """Return one SHA-256 of everything the model of a plan learns from."""
    rows = candidates.rows(plan.rows)
    digest = hashlib.sha256(f"{len(rows)}\n".encode())
    for column in (rows.features, rows.net_return, rows.decided_at, rows.resolved_at):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def out_of_sample(candidates: Candidates, models: Sequence[DatedModel]) -> OutOfSample:
    """Ask the model in force at each candidate the rule would buy.

    Candidates before the first model are left out; no model is asked about what it learned from.
    """
    entries = candidates.rows(candidates.is_entry)
    in_force = _in_force(models, entries)
    probability, threshold, base = (np.full(len(entries), np.nan) for _ in range(3))
    for k, dated in enumerate(models):
        rows = np.flatnonzero(in_force == k)
        probability[rows] = dated.model.probabilities(entries.features[rows])
        threshold[rows] = dated.model.threshold(hybrid.VETO_SHARE)
        known = entries.net_return[entries.resolved_at < dated.valid_from]
        base[rows] = np.mean(known > 0.0) if known.size else dated.model.base_rate
    return OutOfSample(entries, probability, threshold, base).rows(in_force >= 0)


def metrics_of(tested: OutOfSample) -> dict[str, Any]:
    """Return the figures a version is shown with, all out of sample.

    `all`, `regimes` and `by_year` hold gate figures, `bins` and `regime_bins` reliability bins,
    `by_quarter` sums of what was said and what happened.
    """
    rows = tested.candidates
    years = years_of(rows.decided_at)
    masks = _regime_masks(rows)
    quarters = by_quarter(rows.decided_at, tested.probability, rows.net_return)
    return {
        "all": _figures(tested, np.ones(len(tested), dtype=bool)),
        "regimes": {name: _figures(tested, mask) for name, mask in masks.items()},
        "by_year": {str(year): _figures(tested, years == year) for year in np.unique(years)},
        "by_quarter": [row.to_dict() for row in quarters],
        "bins": _bins(tested),
        "regime_bins": {name: _bins(tested.rows(mask)) for name, mask in masks.items()},
    }


def member_metrics(tested: OutOfSample, models: Sequence[DatedModel]) -> list[dict[str, Any]]:
    """Measure each member of the models in force alone, over all candidates and by regime.

    Members weigh the same, always; a single model is its only member.
    """
    rows = tested.candidates
    kinds = member_kinds(models[-1].model)
    said = np.full((len(tested), len(kinds)), np.nan)
    in_force = _in_force(models, rows)
    for k, dated in enumerate(models):
        chosen = np.flatnonzero(in_force == k)
        said[chosen] = member_probabilities(dated.model, rows.features[chosen])
    masks = _regime_masks(rows)
    is_win, weight = rows.net_return > 0.0, 1.0 / len(kinds)
    return [
        member_figures(kind, weight, said[:, m], is_win).to_dict()
        | {
            "regimes": {
                name: member_figures(kind, weight, said[mask, m], is_win[mask]).to_dict()
                for name, mask in masks.items()
            }
        }
        for m, kind in enumerate(kinds)
    ]


def reference_of(candidates: Candidates, models: Sequence[DatedModel]) -> dict[str, Any]:
    """Return what drift is measured against: the candidates the newest model learned from."""
    entries = candidates.rows(candidates.is_entry)
    scores = models[-1].model.probabilities(entries.features)
    codes = entries.regime_code
    return {
        "features": {
            name: np.quantile(entries.features[:, j], QUANTILES).tolist()
            for j, name in enumerate(GATE_FEATURES)
        },
        "score": np.quantile(scores, QUANTILES).tolist(),
        "regimes": {
            str(regime): int((codes == int(RegimeCode[regime.name])).sum()) for regime in Regime
        },
    }


def _in_force(models: Sequence[DatedModel], rows: Candidates) -> IntArray:
    """Index of the model that decides each row; -1 before the first."""
    moments = np.array([dated.valid_from for dated in models], dtype=np.int64)
    return np.searchsorted(moments, rows.decided_at, side="right") - 1


def _regime_masks(rows: Candidates) -> dict[str, Any]:
    return {str(regime): rows.regime_code == int(RegimeCode[regime.name]) for regime in Regime}


def _bins(tested: OutOfSample) -> list[dict[str, Any]]:
    if not len(tested):
        return []
    return [
        {
            "low": found.low,
            "high": found.high,
            "n": found.n,
            "n_wins": found.n_wins,
            "mean_probability": found.mean_probability if found.n else None,
            "win_rate": found.win_rate if found.n else None,
            "interval": list(found.interval),
        }
        for found in calibration_bins(tested.probability, tested.candidates.net_return > 0.0)
    ]


def _figures(tested: OutOfSample, chosen: Any) -> dict[str, Any]:
    part = tested.rows(chosen)
    return gate_figures(part.probability, part.candidates.net_return, part.threshold).to_dict()


def _in_order(decided_at: IntArray, *parts: IntArray) -> IntArray:
    rows = np.concatenate(parts)
    return rows[np.argsort(decided_at[rows], kind="stable")]


def _has_both(candidates: Candidates, rows: IntArray) -> bool:
    """Tell whether both parts of the rows hold wins and losses, so that they can be learned."""
    is_win = candidates.net_return[rows] > 0.0
    late = int(rows.shape[0] * 0.75)
    return all(0 < int(part.sum()) < part.shape[0] for part in (is_win[:late], is_win[late:]))
