"""Whether a result hangs on the order of the days: the same rule on shuffled bars.

INPUT    a finished run of one instrument or of an account, a seeded generator
OUTPUT   rows: win rate and Sharpe ratio against shuffled bars, and what the shuffles came to
LOOKBACK the whole run; see `reruns` and `account_reruns`

What is left after the shuffle is trend and volatility; what is lost is the order of the days. The
rule enters, leaves and stops itself as it does, so this is the null of an exit that is its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from marketdata.types import Bars, FloatArray
from trading.engine.allocation import Allocation
from trading.engine.backtest import BacktestRun
from trading.engine.checks.account_reruns import AccountReruns, Progress
from trading.engine.checks.reruns import Figures, Reruns
from trading.engine.checks.row import CheckRow, by_p, no_trade, not_applicable
from trading.engine.counts import counted
from trading.engine.nulls import exceedance, permuted_bars
from trading.engine.portfolio_backtest import PortfolioRun
from trading.engine.portfolio_nulls import permuted_legs
from trading.engine.shared_account import Leg

N_SHUFFLES = 30
WINDOW_BARS = 63
# Key and title of the rows.
WIN_RATE = ("NULL_BARS_WIN_RATE", "Win rate against shuffled bars")
SHARPE = ("NULL_BARS", "Sharpe ratio against shuffled bars")


@dataclass(frozen=True, slots=True, eq=False)
class Shuffles:
    """The two rows, and what the shuffles came to.

    Attributes
    ----------
    rows : tuple of CheckRow
        Of the win rate and of the Sharpe ratio.
    win_rates : float64, shape (n_traded,)
        Of the shuffles in which a trade was completed.
    sharpe_ratios : float64, shape (n_shuffles,)
        0 where nothing was traded.
    """

    rows: tuple[CheckRow, CheckRow]
    win_rates: FloatArray
    sharpe_ratios: FloatArray


NONE = Shuffles((no_trade(*WIN_RATE), no_trade(*SHARPE)), np.empty(0), np.empty(0))


def shuffled_bars(run: BacktestRun, bars: Bars, rng: np.random.Generator) -> Shuffles:
    """Compare with the same strategy on prices whose bars are shuffled within 63-bar windows."""
    if not run.round_trips:
        return NONE
    reruns = Reruns(run, bars, N_SHUFFLES)
    found = [
        reruns.figures(permuted_bars(reruns.bars, rng, window=WINDOW_BARS))
        for _ in range(N_SHUFFLES)
    ]
    return judged(reruns.baseline, found, reruns.span_words)


def shuffled_account(
    run: PortfolioRun,
    legs: Sequence[Leg],
    allocation: Allocation,
    rng: np.random.Generator,
    tell: Progress,
) -> Shuffles:
    """Compare with the same account on prices whose days are shuffled, the same for all."""
    if not run.account.round_trips:
        return NONE
    reruns = AccountReruns(run, legs, allocation, N_SHUFFLES)
    found = []
    for k in range(N_SHUFFLES):
        tell(k / N_SHUFFLES)
        found.append(reruns.figures(permuted_legs(reruns.legs, rng, window=WINDOW_BARS)))
    return judged(reruns.baseline, found, reruns.span_words, ", the same for all instruments,")


def judged(ours: Figures, found: Sequence[Figures], span: str = "", together: str = "") -> Shuffles:
    """Judge figures by those of their shuffles; `span` and `together` go into the sentences."""
    shuffled = f"{len(found)} shuffles of the bars within {WINDOW_BARS}-bar windows{together}"
    win_rates = np.array([one.win_rate for one in found if one.n_round_trips])
    # A shuffle in which nothing was traded earned nothing.
    sharpes = np.nan_to_num(np.array([one.sharpe_ratio for one in found]), nan=0.0)
    rows = (
        _win_rate_row(ours, win_rates, span, shuffled),
        _sharpe_row(ours.sharpe_ratio, sharpes, span, shuffled),
    )
    return Shuffles(rows, win_rates, sharpes)


def _win_rate_row(ours: Figures, draws: FloatArray, span: str, shuffled: str) -> CheckRow:
    if not (ours.n_round_trips and draws.shape[0]):
        return not_applicable(*WIN_RATE, f"No trade{span} to compare.")
    p, median = exceedance(ours.win_rate, draws), float(np.median(draws))
    sentence = (
        f"{ours.win_rate:.1%} of {counted(ours.n_round_trips, 'trade')} won{span}; on {shuffled} "
        f"the same rule wins {median:.1%} in the middle (p = {p:.3f})."
    )
    numbers = {
        "win_rate": ours.win_rate, "n_trades": float(ours.n_round_trips), "null_median": median,
        "p": p, "n": float(draws.shape[0]),
    }  # fmt: skip
    return CheckRow(*WIN_RATE, by_p(p), sentence, numbers)


def _sharpe_row(ours: float, draws: FloatArray, span: str, shuffled: str) -> CheckRow:
    if not math.isfinite(ours):
        return not_applicable(*SHARPE, f"No Sharpe ratio{span} to compare.")
    p, median = exceedance(ours, draws), float(np.median(draws))
    sentence = (
        f"Sharpe {ours:.2f}{span}; on {shuffled} the same rule reaches {median:.2f} in the middle "
        f"(p = {p:.3f})."
    )
    numbers = {"sharpe_ratio": ours, "null_median": median, "p": p, "n": float(draws.shape[0])}
    return CheckRow(*SHARPE, by_p(p), sentence, numbers)
