"""How much of a result is luck: what the best of many trials reaches when nothing works.

INPUT    returns per bar, the number of trials ever made and how much their Sharpe ratios spread
OUTPUT   probabilities in [0, 1] and Sharpe ratios per bar (not annualized)
LOOKBACK everything it is given; nothing here ever decides a trade
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from trading.engine.errors import ConfigInvalid, InsufficientBars, NonFiniteInput
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.metrics import ROUNDING

NORMAL = NormalDist()
FEWEST_RETURNS = 4
MOST_BLOCKS = 20
# Values of one array of a batch of splits: what a core keeps close by, and a bound of memory.
BATCH_VALUES = 64_000


@dataclass(frozen=True, slots=True, eq=False)
class Overfitting:
    """What choosing the best trial on one half of history was worth on the other half.

    Attributes
    ----------
    probability : float
        PBO: share of splits whose in-sample best is below the median out-of-sample; near 0.5
        for noise, near 0 for a real edge.
    loss_probability : float
        Share of splits whose in-sample best has a negative Sharpe ratio out-of-sample.
    logits : float64, shape (n_splits,)
        Log odds of the chosen trial's rank out-of-sample; < 0 counts as overfit, 0 as half.
    in_sample, out_of_sample : float64, shape (n_splits,)
        Sharpe ratio per bar of the chosen trial in both halves.
    n_blocks, n_trials : int
        Blocks history was cut into, trials compared.
    """

    probability: float
    loss_probability: float
    logits: FloatArray
    in_sample: FloatArray
    out_of_sample: FloatArray
    n_blocks: int
    n_trials: int


def bar_sharpe(returns: ArrayLike) -> float:
    """Return the Sharpe ratio per bar: mean over sample deviation, 0 when nothing moves.

    Examples
    --------
    >>> bar_sharpe([0.0, 0.0, 0.0, 0.0])
    0.0
    """
    values = _returns(returns)
    n = values.shape[0]
    mean = float(np.add.reduce(values)) / n
    # As `std` computes it, without asking for the mean again: a search does this for every fold.
    apart = values - mean
    deviation = math.sqrt(float(np.add.reduce(apart * apart)) / (n - 1))
    return mean / deviation if deviation > ROUNDING else 0.0


def expected_max_sharpe(n_trials: int, sharpe_std: float) -> float:
    """Compute the Sharpe ratio the best of ``n_trials`` worthless trials is expected to show.

    ``sharpe_std * ((1 - g) * q(1 - 1/N) + g * q(1 - 1/(N e)))`` with the normal quantile ``q`` and
    the Euler-Mascheroni constant ``g``.

    Parameters
    ----------
    n_trials : int
        Trials ever made of this kind, >= 1.
    sharpe_std : float
        Standard deviation of their Sharpe ratios, per bar, >= 0.

    Returns
    -------
    float
        Per bar, >= 0; 0 for one trial.

    Raises
    ------
    ConfigInvalid
        For no trial or a negative or non-finite deviation.

    References
    ----------
    Bailey and López de Prado, The Deflated Sharpe Ratio (2014), equation 1.

    Examples
    --------
    >>> round(expected_max_sharpe(100, 0.05), 4)
    0.1265
    >>> expected_max_sharpe(1, 0.05)
    0.0
    """
    if n_trials < 1:
        raise ConfigInvalid(f"n_trials {n_trials} must be at least 1")
    if not (math.isfinite(sharpe_std) and sharpe_std >= 0.0):
        raise ConfigInvalid(f"sharpe_std {sharpe_std} must be a number of at least 0")
    if n_trials == 1:
        return 0.0
    middle = NORMAL.inv_cdf(1.0 - 1.0 / n_trials)
    tail = NORMAL.inv_cdf(1.0 - 1.0 / (n_trials * math.e))
    # With two or three trials the approximation dips below the mean of one.
    return max(sharpe_std * ((1.0 - np.euler_gamma) * middle + np.euler_gamma * tail), 0.0)


def probabilistic_sharpe_ratio(returns: ArrayLike, benchmark_sharpe: float = 0.0) -> float:
    """Compute the probability that the true Sharpe ratio exceeds a benchmark.

    ``Phi((S - B) * sqrt(T - 1) / sqrt(1 - skew * S + (kurtosis - 1) / 4 * S^2))``

    Parameters
    ----------
    returns : float64, shape (n_bars,)
        Fractions per bar, at least 4.
    benchmark_sharpe : float
        Per bar.

    Returns
    -------
    float
        In [0, 1]; 0 where the returns never move, as nothing is shown then.

    Raises
    ------
    InsufficientBars, NonFiniteInput
        For fewer than 4 returns, or NaN or infinity among them.

    References
    ----------
    Bailey and López de Prado, The Sharpe Ratio Efficient Frontier (2012), equation 4.

    Examples
    --------
    >>> probabilistic_sharpe_ratio([0.01, -0.01, 0.01, -0.01])
    0.5
    """
    values = _returns(returns)
    deviation = float(values.std(ddof=1))
    if deviation <= ROUNDING:
        return 0.0
    sharpe = float(values.mean()) / deviation
    centered = (values - values.mean()) / values.std()
    skew, kurtosis = float(np.mean(centered**3)), float(np.mean(centered**4))
    # Never below 0 in theory (Pearson's inequality); the floor is for rounding.
    variance = max(1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2, 1e-12)
    z = (sharpe - benchmark_sharpe) * math.sqrt(values.shape[0] - 1) / math.sqrt(variance)
    return NORMAL.cdf(z)


def deflated_sharpe_ratio(returns: ArrayLike, n_trials: int, sharpe_std: float) -> float:
    """Compute the probability that the Sharpe ratio beats the best of as many worthless trials.

    Parameters
    ----------
    returns : float64, shape (n_bars,)
        Returns of the chosen trial, fractions per bar.
    n_trials : int
        Trials ever made, including the chosen one.
    sharpe_std : float
        Standard deviation of the trials' Sharpe ratios, per bar.

    Returns
    -------
    float
        In [0, 1]; above 0.95 is the usual bar.

    Raises
    ------
    ConfigInvalid, InsufficientBars, NonFiniteInput
        As `expected_max_sharpe` and `probabilistic_sharpe_ratio`.

    References
    ----------
    Bailey and López de Prado, The Deflated Sharpe Ratio (2014), equation 2.

    Examples
    --------
    >>> wave = 0.001 + 0.01 * np.sin(np.arange(500.0))
    >>> deflated_sharpe_ratio(wave, 1, 0.05) > 0.95 > deflated_sharpe_ratio(wave, 100, 0.05)
    True
    """
    return probabilistic_sharpe_ratio(returns, expected_max_sharpe(n_trials, sharpe_std))


def overfitting(performance: FloatArray, n_blocks: int = 16) -> Overfitting:
    """Estimate the probability of backtest overfitting by combinatorial symmetric cross-validation.

    History is cut into ``n_blocks``; for every way to call half of them in-sample the best trial
    there is looked up in the other half.

    Parameters
    ----------
    performance : float64, shape (n_bars, n_trials)
        Returns per bar of every trial over the same bars; at least 2 trials.
    n_blocks : int
        Even, 2 to 20; blocks differ by at most one bar and hold at least 2.

    Returns
    -------
    Overfitting
        See there; deterministic.

    Raises
    ------
    ConfigInvalid
        For fewer than two trials, or a number of blocks that is odd or out of range.
    InsufficientBars
        With fewer than two bars a block.
    NonFiniteInput
        For NaN or infinity.

    Notes
    -----
    A trial that never moves has Sharpe ratio 0. Equal trials share their mean rank. A split whose
    best trial ranks in the very middle outside counts half: trials that are all alike have
    probability 0.5, where nothing speaks for the choice and nothing against it. The work is
    n_trials times the binomial coefficient (n_blocks over n_blocks / 2), in bounded memory.

    References
    ----------
    Bailey, Borwein, López de Prado and Zhu, The Probability of Backtest Overfitting (2015).

    Examples
    --------
    >>> bars = np.arange(64.0)
    >>> steady, wild = 0.01 + 0.001 * np.sin(bars), 0.05 * np.sin(bars)
    >>> overfitting(np.column_stack((steady, wild)), n_blocks=4).probability
    0.0
    """
    _check_performance(performance, n_blocks)
    edges = np.arange(n_blocks + 1) * performance.shape[0] // n_blocks
    return overfitting_of_blocks(
        np.add.reduceat(performance, edges[:-1], axis=0),
        np.add.reduceat(performance**2, edges[:-1], axis=0),
        np.diff(edges).astype(np.float64),
    )


def overfitting_of_blocks(
    sums: FloatArray, squares: FloatArray, lengths: FloatArray
) -> Overfitting:
    """Do what `overfitting` does from the sums of each block, for trials whose returns are gone.

    Parameters
    ----------
    sums, squares : float64, shape (n_blocks, n_trials)
        Sum of returns, and of squared returns, of every trial in every block.
    lengths : float64, shape (n_blocks,)
        Bars in each block.

    Returns
    -------
    Overfitting
        Equal to that of `overfitting`.
    """
    n_blocks, n_trials = sums.shape
    chosen = _halves(n_blocks)
    size = max(BATCH_VALUES // n_trials, 1)
    there: list[tuple[FloatArray, ...]] = []
    back: list[tuple[FloatArray, ...]] = []
    for at in range(0, chosen.shape[0], size):
        first = _sharpes(chosen[at : at + size], sums, squares, lengths)
        second = _sharpes(1.0 - chosen[at : at + size], sums, squares, lengths)
        there.append(_outcomes(first, second))
        # The split that swaps the halves of the k-th is the k-th from the end.
        back.insert(0, tuple(column[::-1] for column in _outcomes(second, first)))
    columns = zip(*there, *back, strict=True)
    ranks, inside, outside = (np.concatenate(column) for column in columns)
    shares = ranks / (n_trials + 1.0)
    logits = np.log(shares / (1.0 - shares))
    return Overfitting(
        # In the middle it did neither better nor worse than a choice by lot.
        probability=float(np.mean(logits < 0.0) + 0.5 * np.mean(logits == 0.0)),
        loss_probability=float(np.mean(outside < 0.0)),
        logits=logits,
        in_sample=inside,
        out_of_sample=outside,
        n_blocks=n_blocks,
        n_trials=n_trials,
    )


def _halves(n_blocks: int) -> FloatArray:
    """Return one row per way to halve the blocks, 1 for the half with the first block.

    Each is two splits: either half may be the in-sample one.
    """
    others = combinations(range(1, n_blocks), n_blocks // 2 - 1)
    picks: IntArray = np.array([(0, *other) for other in others], dtype=np.int64)
    chosen = np.zeros((picks.shape[0], n_blocks))
    np.put_along_axis(chosen, picks, 1.0, axis=1)
    return chosen


def _outcomes(inside: FloatArray, outside: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return rank out-of-sample and both Sharpe ratios of each split's in-sample best."""
    rows = np.arange(inside.shape[0])
    best = inside.argmax(axis=1)
    reached = outside[rows, best]
    below = (outside < reached[:, None]).sum(axis=1)
    equal = (outside == reached[:, None]).sum(axis=1)
    return below + (equal + 1.0) / 2.0, inside[rows, best], reached


def _sharpes(
    weights: FloatArray, sums: FloatArray, squares: FloatArray, lengths: FloatArray
) -> FloatArray:
    n = (weights @ lengths)[:, None]
    mean = (weights @ sums) / n
    # Sums of squares cancel to a rounding error where a trial never moves.
    spread = (weights @ squares) / n
    variance = spread - mean**2
    moves = variance > 1e-14 * spread
    deviation = np.sqrt(np.where(moves, variance, 1.0) * n / (n - 1.0))
    ratios: FloatArray = np.where(moves, mean / deviation, 0.0)
    return ratios


def _check_performance(performance: FloatArray, n_blocks: int) -> None:
    if performance.ndim != 2 or performance.shape[1] < 2:
        raise ConfigInvalid(f"performance has shape {performance.shape}; 2 trials are needed")
    if n_blocks % 2 or not 2 <= n_blocks <= MOST_BLOCKS:
        raise ConfigInvalid(f"n_blocks {n_blocks} must be even and from 2 to {MOST_BLOCKS}")
    if performance.shape[0] < 2 * n_blocks:
        raise InsufficientBars(
            f"{performance.shape[0]} bars cannot fill {n_blocks} blocks of at least 2"
        )
    if not np.isfinite(performance).all():
        bar, trial = np.argwhere(~np.isfinite(performance))[0]
        raise NonFiniteInput(f"return of trial {trial} at bar {bar} is not a finite number")


def _returns(returns: ArrayLike) -> FloatArray:
    values = np.asarray(returns, dtype=np.float64)
    if values.shape[0] < FEWEST_RETURNS:
        raise InsufficientBars(
            f"{values.shape[0]} returns; a Sharpe ratio is judged from at least {FEWEST_RETURNS}"
        )
    if not np.isfinite(values).all():
        where = int(np.flatnonzero(~np.isfinite(values))[0])
        raise NonFiniteInput(f"return {where} is {values[where]}; a finite number is needed")
    return values
