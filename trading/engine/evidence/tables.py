"""The tables of the protocol: each win rate with its sample, its interval and its null.

INPUT    round trips and the nulls of the same exits
OUTPUT   plain dictionaries, rates as fractions, results in basis points
LOOKBACK everything given
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trading.engine.evidence.instruments import EvidenceInstrument
from trading.engine.evidence.intervals import (
    exceeding_probability,
    month_block_interval,
    rank_probability,
)
from trading.engine.evidence.nulls import RandomEntries, drawn_win_rates
from trading.engine.evidence.trips import Trips
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.metrics import profit_factor, wilson_interval
from trading.engine.types import Regime

BPS = 1e4
YEARS_PER_PERIOD = 5
Row = dict[str, Any]


def win_row(trips: Trips, entries: RandomEntries, *, seed: int, n_draws: int) -> Row:
    """Describe one group of trades.

    Parameters
    ----------
    trips : Trips
        The group; may be empty.
    entries : RandomEntries
        N1 of the same exits.
    seed, n_draws : int
        Of intervals and null draws.

    Returns
    -------
    dict
        ``n, months, win_rate, ci`` (month blocks), ``wilson_ci, null_win_rate, null_ci, null_p,
        excess, excess_ci, profit_factor, n_losses, expectancy_bps, expectancy_ci_bps,
        expectancy_2x_bps, expectancy_2x_ci_bps, null_expectancy_bps, avg_win_bps, avg_loss_bps,
        break_even_win_rate, worst_bps``; None where a figure is not defined. A profit factor of
        None beside wins and 0 ``n_losses`` has no bound: JSON knows no infinity.
    """
    if len(trips) == 0:
        return dict.fromkeys(_KEYS, None) | {"n": 0, "months": 0, "n_losses": 0}
    wins, expected = trips.wins, entries.expected(trips)
    rate = float(wins.mean())
    excess = wins - expected
    drawn = drawn_win_rates(trips, entries, seed, n_draws=n_draws)
    won, lost = trips.net[trips.net > 0.0], trips.net[trips.net <= 0.0]
    avg_win = float(won.mean()) if won.size else math.nan
    avg_loss = float(lost.mean()) if lost.size else math.nan
    values: Row = {
        "n": len(trips),
        "months": int(np.unique(trips.month).size),
        "win_rate": rate,
        "ci": _pair(month_block_interval(wins, trips.month, seed)),
        "wilson_ci": _pair(wilson_interval(int(wins.sum()), len(trips))),
        "null_win_rate": float(expected.mean()),
        "null_ci": _pair(np.percentile(drawn, [2.5, 97.5])),
        "null_p": rank_probability(rate, drawn),
        "excess": float(excess.mean()),
        "excess_ci": _pair(month_block_interval(excess, trips.month, seed)),
        "profit_factor": profit_factor(trips.net),
        "n_losses": int(np.count_nonzero(trips.net < 0.0)),
        "expectancy_bps": float(trips.net.mean()) * BPS,
        "expectancy_ci_bps": _pair(month_block_interval(trips.net * BPS, trips.month, seed)),
        "expectancy_2x_bps": float(trips.net_double.mean()) * BPS,
        "expectancy_2x_ci_bps": _pair(
            month_block_interval(trips.net_double * BPS, trips.month, seed)
        ),
        "null_expectancy_bps": float(
            np.nanmean(entries.mean_net[trips.instrument, trips.code]) * BPS
        ),
        "avg_win_bps": avg_win * BPS,
        "avg_loss_bps": avg_loss * BPS,
        # Wins and losses of the average size cancel at this share of wins.
        "break_even_win_rate": -avg_loss / (avg_win - avg_loss),
        "worst_bps": float(trips.net.min()) * BPS,
    }
    return {key: _known(value) for key, value in values.items()}


def regime_table(
    trips: Trips, codes: IntArray, entries: RandomEntries, *, seed: int, n_draws: int
) -> dict[str, Row]:
    """Describe the trades of each regime.

    Parameters
    ----------
    trips : Trips
        All trades.
    codes : int64, shape (n_trips,)
        Regime of each trade's signal, 0 to 3; others are left out.
    entries, seed, n_draws
        As for `win_row`.

    Returns
    -------
    dict
        LOW, NORMAL, HIGH, EXTREME to their rows.
    """
    return {
        str(regime): win_row(trips.where(codes == code), entries, seed=seed + code, n_draws=n_draws)
        for code, regime in enumerate(Regime)
    }


def spread_pp(rows: dict[str, Row]) -> float | None:
    """Return the largest minus the smallest win rate over the regimes, percentage points."""
    rates = [row["win_rate"] for row in rows.values()]
    known = [rate for rate in rates if isinstance(rate, float)]
    return (max(known) - min(known)) * 100.0 if len(known) == len(rates) else None


def split_table(
    trips: Trips, labels: Sequence[str], entries: RandomEntries, *, seed: int, n_draws: int
) -> dict[str, Row]:
    """Describe the trades of each label, in order of the label's name."""
    names = np.array(labels)
    return {
        str(name): win_row(trips.where(names == name), entries, seed=seed, n_draws=n_draws)
        for name in np.unique(names)
    }


def class_labels(instruments: Sequence[EvidenceInstrument], trips: Trips) -> list[str]:
    """Return the asset class of each trade."""
    return [instruments[k].asset_class for k in trips.instrument]


def period_labels(trips: Trips) -> list[str]:
    """Return the five-year period of each trade's signal, such as ``2005-2009``."""
    starts = trips.year // YEARS_PER_PERIOD * YEARS_PER_PERIOD
    return [f"{start}-{start + YEARS_PER_PERIOD - 1}" for start in starts]


def pooled(trips: Trips) -> NDArray[np.bool_]:
    """Mark the trades of HIGH and EXTREME."""
    return trips.code >= list(Regime).index(Regime.HIGH)


def permutation_row(trips: Trips, draws: Sequence[Trips]) -> Row:
    """Compare win rates with those on permuted bars (N2).

    Parameters
    ----------
    trips : Trips
        On the real bars.
    draws : sequence of Trips
        On each permutation.

    Returns
    -------
    dict
        For HIGH, EXTREME and both pooled: ``n, win_rate, null_win_rate, excess, p, p_rank``; and
        ``n_draws``.
    """
    groups = {"HIGH": (2,), "EXTREME": (3,), "pooled": (2, 3)}
    table: Row = {"n_draws": len(draws)}
    for name, codes in groups.items():
        rate = _rate(trips, codes)
        drawn = np.array([_rate(draw, codes) for draw in draws])
        null = float(np.nanmean(drawn)) if np.isfinite(drawn).any() else math.nan
        table[name] = {
            "n": int(np.isin(trips.code, codes).sum()),
            "win_rate": _known(rate),
            "null_win_rate": _known(null),
            "excess": _known(rate - null),
            "p": _known(exceeding_probability(rate, drawn)),
            "p_rank": _known(rank_probability(rate, drawn)) if math.isfinite(rate) else None,
        }
    return table


def _rate(trips: Trips, codes: tuple[int, ...]) -> float:
    wins = trips.wins[np.isin(trips.code, codes)]
    return float(wins.mean()) if wins.size else math.nan


def _pair(bounds: Sequence[float] | FloatArray) -> list[float | None]:
    return [_finite(float(bound)) for bound in bounds]


def _known(value: object) -> object:
    return _finite(value) if isinstance(value, float) else value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


_KEYS = (
    "n", "months", "win_rate", "ci", "wilson_ci", "null_win_rate", "null_ci", "null_p", "excess",
    "excess_ci", "profit_factor", "n_losses", "expectancy_bps", "expectancy_ci_bps",
    "expectancy_2x_bps", "expectancy_2x_ci_bps", "null_expectancy_bps", "avg_win_bps",
    "avg_loss_bps", "break_even_win_rate", "worst_bps",
)  # fmt: skip
