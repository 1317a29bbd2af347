"""What a search found, and how much of it is luck.

INPUT    a space, the scored trials, the trials ever counted for this strategy and instrument
OUTPUT   best and suggested trial, stable zone, importance, PBO, deflated Sharpe, a verdict
LOOKBACK the search span; the hold-out is not looked at here
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trading.engine.counts import counted
from trading.engine.errors import ConfigInvalid
from trading.engine.kernels import FloatArray
from trading.engine.luck import deflated_sharpe_ratio, expected_max_sharpe, overfitting_of_blocks
from trading.engine.search.plateau import Plateau, plateau_of
from trading.engine.search.sampling import Moving
from trading.engine.search.scoring import SearchPlan, TrialScore
from trading.engine.search.space import Space

GOOD_DEFLATED = 0.95
WEAK_PBO = 0.25
BAD_PBO = 0.5
# More rows teach a forest of this size nothing about which parameter matters, and a tree needs few.
# Sixteen trees give shares within one to two points of five hundred; a verdict waits for them.
IMPORTANCE_ROWS, TREE_ROWS, N_TREES = 2_000, 500, 16


@dataclass(frozen=True, slots=True)
class ScoredTrial:
    """A finished trial: its number in the study, its moving parameters, its score."""

    number: int
    moving: Moving
    score: TrialScore


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """The verdict on a search; Sharpe ratios a year, numbers are trial numbers.

    `probability_of_overfitting`, `deflated_sharpe` and the correlation are NaN where too few trials
    were ranked to say anything. `procedure_sharpe` is what choosing the best trial of each training
    window would have earned, in the middle, on the bars after it.
    """

    n_ranked: int
    best: int | None
    pick: int | None
    zone: tuple[int, ...]
    is_spike: bool
    standard_error: float
    importance: Mapping[str, float]
    rank_correlation: float
    procedure_sharpe: float
    probability_of_overfitting: float
    loss_probability: float
    n_trials_counted: int
    expected_max_sharpe: float
    deflated_sharpe: float
    is_overfit: bool
    sentences: tuple[str, ...]


def judge(
    space: Space,
    plan: SearchPlan,
    trials: Sequence[ScoredTrial],
    *,
    bars_per_year: float,
    n_trials_counted: int,
    sharpe_std: float,
    returns_of: Callable[[ScoredTrial], FloatArray],
) -> Judgement:
    """Judge a search by everything its trials showed.

    Parameters
    ----------
    space : Space
        What was searched.
    plan : SearchPlan
        How.
    trials : sequence of ScoredTrial
        All finished trials, ranked or not.
    bars_per_year : float
        Annualizes.
    n_trials_counted : int
        Trials ever made of this strategy on this instrument, at least ``len(trials)``.
    sharpe_std : float
        Deviation of their Sharpe ratios per bar.
    returns_of : callable
        Returns per bar of a trial on the search span; asked once, for the suggested one.

    Returns
    -------
    Judgement
        See there; deterministic.

    Notes
    -----
    Importance is the impurity decrease of a small random forest with a fixed seed.
    """
    ranked = [trial for trial in trials if math.isfinite(trial.score.objective)]
    n_counted = max(n_trials_counted, len(trials), 1)
    luck = expected_max_sharpe(n_counted, sharpe_std) * math.sqrt(bars_per_year)
    if not ranked:
        return _nothing_ranked(len(trials), n_counted, luck)
    units = space.units([trial.moving for trial in ranked])
    objective = np.array([trial.score.objective for trial in ranked])
    errors = np.array([trial.score.standard_error for trial in ranked])
    plateau = plateau_of(units, objective, errors)
    pick = ranked[plateau.pick]
    pbo, loss = _overfitting(plan, ranked)
    deflated = deflated_sharpe_ratio(returns_of(pick), n_counted, sharpe_std)
    return Judgement(
        n_ranked=len(ranked),
        best=ranked[plateau.best].number,
        pick=pick.number,
        zone=tuple(ranked[k].number for k in plateau.zone),
        is_spike=plateau.is_spike,
        standard_error=plateau.standard_error,
        importance=importance(space, units, objective),
        rank_correlation=rank_correlation(
            np.array([trial.score.in_sample_sharpe for trial in ranked]),
            np.array([trial.score.out_of_sample_sharpe for trial in ranked]),
        ),
        procedure_sharpe=_procedure_sharpe(ranked),
        probability_of_overfitting=pbo,
        loss_probability=loss,
        n_trials_counted=n_counted,
        expected_max_sharpe=luck,
        deflated_sharpe=deflated,
        is_overfit=deflated < GOOD_DEFLATED or pbo >= BAD_PBO,
        sentences=_sentences(plateau, ranked, pbo, deflated, n_counted=n_counted, luck=luck),
    )


def rank_correlation(first: FloatArray, second: FloatArray) -> float:
    """Compute Spearman's rank correlation; NaN for fewer than 3 pairs or no variation.

    Examples
    --------
    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0]))
    0.5
    """
    if first.shape[0] < 3:
        return math.nan
    a, b = _mean_ranks(first), _mean_ranks(second)
    if a.std() == 0.0 or b.std() == 0.0:
        return math.nan
    return round(float(np.corrcoef(a, b)[0, 1]), 12)


def importance(space: Space, units: FloatArray, objective: FloatArray) -> dict[str, float]:
    """Say how much each parameter decides the objective; shares that add up to 1.

    Empty for fewer than ten trials, or where nothing differs.
    """
    if objective.shape[0] < 10 or np.ptp(objective) == 0.0:
        return {}
    # scikit-learn takes a second to import and only a judgement needs it.
    from sklearn.ensemble import RandomForestRegressor

    rows = np.linspace(0, objective.shape[0] - 1, min(objective.shape[0], IMPORTANCE_ROWS))
    kept = np.unique(rows.astype(np.int64))
    forest = RandomForestRegressor(
        n_estimators=N_TREES,
        min_samples_leaf=2,
        max_samples=min(TREE_ROWS, kept.shape[0]),
        random_state=0,
    )
    shares = forest.fit(units[kept], objective[kept]).feature_importances_
    return {d.key: float(share) for d, share in zip(space.dimensions, shares, strict=True)}


def luck_warning(n_trials: int, n_bars: int, bars_per_year: float) -> str:
    """Say before a search what its best trial will show by luck alone; "" where that is little.

    Parameters
    ----------
    n_trials, n_bars : int
        Trials planned and bars searched.
    bars_per_year : float
        Annualizes.

    Returns
    -------
    str
        A sentence, or "" below a Sharpe ratio of 0.5 a year.
    """
    # Sharpe ratios of worthless trials spread by about one over the root of the bars.
    luck = expected_max_sharpe(max(n_trials, 1), 1.0 / math.sqrt(n_bars)) * math.sqrt(bars_per_year)
    if luck < 0.5:
        return ""
    years = n_bars / bars_per_year
    return (
        f"The best of {n_trials:,} worthless trials on {years:.1f} years reaches a Sharpe ratio of "
        f"about {luck:.2f} by luck; try fewer, or search a longer span."
    )


def _nothing_ranked(n_trials: int, n_counted: int, luck: float) -> Judgement:
    trials = counted(n_trials, "trial")
    sentence = f"None of {trials} meets the constraints: there is nothing to choose from."
    nan = math.nan
    return Judgement(
        n_ranked=0,
        best=None,
        pick=None,
        zone=(),
        is_spike=False,
        standard_error=nan,
        importance={},
        rank_correlation=nan,
        procedure_sharpe=nan,
        probability_of_overfitting=nan,
        loss_probability=nan,
        n_trials_counted=n_counted,
        expected_max_sharpe=luck,
        deflated_sharpe=nan,
        is_overfit=True,
        sentences=(sentence,),
    )


def _overfitting(plan: SearchPlan, ranked: Sequence[ScoredTrial]) -> tuple[float, float]:
    if len(ranked) < 2:
        return math.nan, math.nan
    lengths = np.diff(plan.block_edges).astype(np.float64)
    found = overfitting_of_blocks(
        np.array([trial.score.block_sums for trial in ranked]).T,
        np.array([trial.score.block_squares for trial in ranked]).T,
        lengths,
    )
    return found.probability, found.loss_probability


def _procedure_sharpe(ranked: Sequence[ScoredTrial]) -> float:
    trains = np.array([trial.score.fold_in_sample for trial in ranked])
    tests = np.array([trial.score.fold_out_of_sample for trial in ranked])
    if not trains.size:
        raise ConfigInvalid("a walk-forward needs at least 1 fold, found 0")
    return float(np.median(tests[trains.argmax(axis=0), np.arange(trains.shape[1])]))


def _mean_ranks(values: FloatArray) -> FloatArray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: FloatArray = (ends - (counts - 1) / 2.0)[inverse]
    return ranks


def _sentences(
    plateau: Plateau,
    ranked: Sequence[ScoredTrial],
    pbo: float,
    deflated: float,
    *,
    n_counted: int,
    luck: float,
) -> tuple[str, ...]:
    best, pick = ranked[plateau.best], ranked[plateau.pick]
    n_zone = plateau.zone.shape[0]
    if plateau.is_spike:
        shape = (
            f"Spike: trial {best.number} stands more than one standard error above its neighbors; "
            f"the stable zone of {counted(n_zone, 'trial')} lies around trial {pick.number}."
        )
    else:
        shape = (
            f"Plateau: {counted(n_zone, 'connected trial')} within one standard error of the best; "
            f"trial {pick.number} is in their middle."
        )
    chance = (
        f"The best of {n_counted:,} worthless trials is expected to reach a Sharpe ratio of "
        f"{luck:.2f}; the probability that trial {pick.number} beats that is {deflated:.0%}."
    )
    if math.isnan(pbo):
        return shape, chance
    word = "little" if pbo < WEAK_PBO else "some" if pbo < BAD_PBO else "strong"
    split = (
        f"In {pbo:.0%} of the ways to halve history the best trial of one half is in the worse "
        f"half of the other: {word} sign of overfitting."
    )
    return shape, chance, split
