"""What chance alone would have reached, and an honest verdict about a run."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elson.common.formatting import percent, ratio
from marketdata.types import Bars
from trading.engine.backtest import BacktestRun
from trading.engine.checks.chance import Trials
from trading.engine.checks.panel import Honesty, honesty, in_sentence
from trading.engine.enough import FEWEST_FOR_WIN_RATE, shortfall
from trading.engine.metrics import FEWEST_FOR_SHARPE
from trading.engine.nulls import charged_rates, trades_of_run
from trading.engine.types import Regime, RuleStatus
from trading.engine.win_chances import UNKNOWN, chances_of

N_DRAWS = 200
KEPT_GOOD = 0.5
LOOKS = "OUT_OF_SAMPLE_LOOKS"
# Ideas judged on the same days before they warn, and the share of days that makes them the same.
FEW_LOOKS = 3
SAME_WINDOW = 0.5
# The engine writes plain ASCII; people read a real minus.
ASCII_MINUS = re.compile(r"(?<![\w-])-(?=[\d.])")
ALL = "ALL"
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """The panel, the win rate that chance gives in each regime, and the curves beside ours."""

    panel: Honesty
    null_win_rates: Mapping[str, float | None]
    benchmark: FloatArray
    band: dict[str, FloatArray]


def judge(
    *,
    bars: Bars,
    run: BacktestRun,
    seed: int,
    n_draws: int = N_DRAWS,
    trials: Trials | None = None,
) -> Judgement:
    """Compare a run with random entries and with buying and holding."""
    panel = honesty(run, bars, np.random.default_rng(seed), n_draws=n_draws, trials=trials)
    return Judgement(panel, null_win_rates(bars, run), panel.buy_and_hold, band_of(run, panel))


def null_win_rates(bars: Bars, run: BacktestRun) -> dict[str, float | None]:
    """Return the expected win rate of random entries, by regime and for ALL; None without a trade.

    Each trade is compared with every bar of its own regime; see `chances_of`. The mean is exact, so
    no random numbers are needed.
    """
    codes = np.full(len(bars), -1, dtype=np.int64)
    codes[run.first_bar :] = run.regime_codes
    rates, slippage = charged_rates(run.config.costs, run.costs, codes)
    trades = trades_of_run(run, bars, slippage)
    return mean_chances(chances_of(run.round_trips, trades, codes, rates, run.first_bar))


def mean_chances(chances: Mapping[str, Sequence[float]]) -> dict[str, float | None]:
    """Average chances by regime and for ALL; None where there is no trade."""
    every = [chance for group in chances.values() for chance in group]
    names = [str(regime) for regime in Regime]
    return {
        ALL: float(np.mean(every)) if every else None,
        **{
            name: float(np.mean(chances[name])) if name in chances else None
            for name in (*names, UNKNOWN)
        },
    }


def band_of(run: BacktestRun, panel: Honesty) -> dict[str, FloatArray]:
    """Stretch the band of the null model, given at some bars, over every bar."""
    if panel.nulls is None:
        return {}
    bars = np.arange(run.equity.shape[0])
    at = panel.nulls.band_bars
    return {
        name: np.interp(bars, at, values)
        for name, values in (
            ("low", panel.nulls.band_low),
            ("median", panel.nulls.band_median),
            ("high", panel.nulls.band_high),
        )
    }


def panel_values(
    judgement: Judgement,
    figures: Mapping[str, Any],
    n_draws: int,
    windows: Sequence[tuple[str, str]] | None = None,
) -> dict[str, Any]:
    """Write the panel down: verdict first, then its rows, out-of-sample among the first."""
    rows = [
        {
            "key": row.key,
            "title": row.title,
            "status": str(row.status),
            "sentence": ASCII_MINUS.sub("\N{MINUS SIGN}", row.sentence),
            "numbers": dict(row.numbers),
        }
        for row in judgement.panel.rows
    ]
    if kept := _kept_row(figures):
        rows.insert(1, kept)
    if looks := looks_row(figures, windows):
        rows.insert(2, looks)
    status, verdict = _verdict(rows)
    nulls = judgement.panel.nulls
    return {
        "status": status,
        "verdict": verdict,
        "rows": rows,
        "null_win_rates": dict(judgement.null_win_rates),
        "shuffled_win_rates": np.sort(judgement.panel.shuffled.win_rates),
        "shuffled_sharpe_ratios": np.sort(judgement.panel.shuffled.sharpe_ratios),
        "null_sharpe_ratios": [] if nulls is None else np.sort(nulls.sharpe_ratios),
        "null_leave_by": "" if nulls is None else str(nulls.leave_by),
        "n_draws": 0 if nulls is None else n_draws,
    }


def _kept_row(figures: Mapping[str, Any]) -> dict[str, Any] | None:
    """Compare the Sharpe ratio of the two segments; None without an out-of-sample part.

    It says nothing where one of them has too few bars, or the judged one too few trades.
    """
    inside = figures["in_sample"].get("sharpe_ratio", math.nan)
    outside = figures["out_of_sample"].get("sharpe_ratio", math.nan)
    if not (math.isfinite(inside) and math.isfinite(outside)):
        return None
    if few := _few_words(figures):
        status, sentence = RuleStatus.NOT_APPLICABLE, few
    else:
        status = _kept_status(inside, outside)
        sentence = (
            f"Sharpe {ratio(inside)} before the split and {ratio(outside)} after it"
            f"{_kept_words(inside, outside)}. The parameters were given, not fitted, so both "
            "parts are unseen unless you chose them by looking."
        )
    return {
        "key": "OUT_OF_SAMPLE",
        "title": "Out of sample",
        "status": str(status),
        "sentence": sentence,
        "numbers": {"in_sample": inside, "out_of_sample": outside},
    }


def _kept_status(inside: float, outside: float) -> RuleStatus:
    if outside <= 0.0:
        return RuleStatus.FAIL
    return RuleStatus.PASS if outside >= KEPT_GOOD * inside else RuleStatus.WARN


def _few_words(figures: Mapping[str, Any]) -> str:
    """Say what there is too little of to compare the two segments; "" where there is enough."""
    checked = (
        ("in_sample", "sharpe_ratio", "bars before", FEWEST_FOR_SHARPE),
        ("out_of_sample", "sharpe_ratio", "bars after", FEWEST_FOR_SHARPE),
        ("out_of_sample", "win_rate", "trades after", FEWEST_FOR_WIN_RATE),
    )
    for part, key, what, fewest in checked:
        if (n := shortfall(figures[part], key)) is not None:
            return f"Too few {what} the split to compare the two: {n}, and {fewest} are needed."
    return ""


def looks_row(
    figures: Mapping[str, Any], windows: Sequence[tuple[str, str]] | None
) -> dict[str, Any] | None:
    """Count the ideas judged before on the same days; None without a count or such a part."""
    outside = figures["out_of_sample"]
    if windows is None or not outside:
        return None
    n = sum(_share_seen(outside, window) >= SAME_WINDOW for window in windows)
    return {
        "key": LOOKS,
        "title": "Looks at the out-of-sample days",
        "status": str(RuleStatus.PASS if n <= FEW_LOOKS else RuleStatus.WARN),
        "sentence": looks_sentence(n, whose="of yours"),
        "numbers": {"n": float(n)},
    }


def looks_sentence(n: int, *, whose: str) -> str:
    """Say how many ideas were judged before, to their author or to a reader of a shared result."""
    if n == 0:
        return f"No other idea {whose} on this instrument was judged on these days before."
    plural, verb = ("s", "were") if n != 1 else ("", "was")
    return (
        f"{n} other idea{plural} {whose} on this instrument {verb} judged on these days before; "
        "each look makes them less unseen."
    )


def _share_seen(outside: Mapping[str, Any], window: tuple[str, str]) -> float:
    first, last = (dt.datetime.fromisoformat(outside[name]) for name in ("first_at", "last_at"))
    begin, end = (dt.datetime.fromisoformat(text) for text in window)
    shared = (min(last, end) - max(first, begin)).total_seconds()
    return max(shared, 0.0) / max((last - first).total_seconds(), 1.0)


def _kept_words(inside: float, outside: float) -> str:
    """Say how much of the first part was kept; a percentage only where it means something."""
    if inside <= 0.0:
        return "" if outside <= 0.0 else ", better than before"
    if outside <= 0.0:
        return ", so nothing of it was kept"
    if outside >= inside:
        return ", so all of it was kept"
    return f", so {percent(outside / inside, 0)} of it was kept"


def _verdict(rows: list[dict[str, Any]]) -> tuple[str, str]:
    failed = [in_sentence(row["title"]) for row in rows if row["status"] == RuleStatus.FAIL]
    warned = [in_sentence(row["title"]) for row in rows if row["status"] == RuleStatus.WARN]
    if failed:
        names = ", ".join(failed)
        return "FAIL", f"Do not trust this yet: {len(failed)} of {len(rows)} checks fail ({names})."
    if warned:
        return "WARN", f"Believable with reservations: look at {', '.join(warned)}."
    n_judged = sum(row["status"] != RuleStatus.NOT_APPLICABLE for row in rows)
    return "PASS", f"Holds up: all {n_judged} checks pass. The future may still differ."
