"""What the landing page shows of the product: real stored bars, and real stored results."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import structlog
from django.conf import settings
from django.core.cache import cache

from accounts.models import User
from accounts.selectors import user_get_by_email
from accounts.services import entitlement_grant
from elson.common import formatting
from elson.common.errors import DomainError
from elson.serving.people import DEMO_EMAIL
from marketdata.providers.replay import episode_named
from marketdata.selectors import NoBars, UnknownSymbol, bars_get, instrument_get
from marketdata.types import Bars
from trading.engine.regimes import regimes_of
from trading.selectors.backtests import backtest_find_by_key
from trading.selectors.strategies import rule_name
from trading.selectors.studies import study_find_by_key, trial_get
from trading.services.backtests.drafts import draft_read
from trading.services.backtests.requests import backtest_request
from trading.services.studies.drafts import study_draft_read
from trading.services.studies.requests import study_request

logger = structlog.get_logger(__name__)
# The drawing: bars shown, and its own units of length.
N_BARS_BEFORE = 45  # so that the calm is seen as well
N_BARS = 150
WIDTH, HEIGHT = 1_040, 400
N_LABELS = 5
WORDS = ("LOW", "NORMAL", "HIGH", "EXTREME")
CACHE_SECONDS = 600

# Two runs of the demo person, the same rules on two instruments. They were picked because the
# first made money and the second lost it: showing winners only would teach the wrong thing.
RUNS = (
    {"client_key": "showcase-1", "strategy_key": "volatility_adaptive_trend", "symbol": "NASDAQ"},
    {"client_key": "showcase-2", "strategy_key": "volatility_adaptive_trend", "symbol": "WTI"},
)

# The search that panels of smaller plans show a sample of: small, so that it is done in seconds.
SEARCH = {
    "strategy_key": "sma_cross",
    "symbol": "NASDAQ",
    "method": "GRID",
    "n_trials": 12,
    "n_folds": 4,
    "fewest_trades": 5,
    "commission_bps": 1,
    "slippage_bps": 1,
    "space": {
        "fast": {"low": 20, "high": 50, "step": 10},
        "slow": {"low": 100, "high": 200, "step": 50},
    },
}
SEARCH_KEY = "showcase-search"
# What the demo person needs beyond the free plan for all of it.
GRANTS = {
    "backtests.at_once": len(RUNS) + 1,
    "backtests.per_day": 100,
    "optimize.runs_per_day": 3,
    "optimize.trials_per_run": 100,
}


def showcase_request(*, user: User, now: dt.datetime) -> None:
    """Ask for what strangers and smaller plans are shown; a second call asks for nothing new."""
    for key, value in GRANTS.items():
        entitlement_grant(user=user, key=key, value=value, source="staff:showcase")
    for run in RUNS:
        if backtest_find_by_key(user_id=user.pk, client_key=run["client_key"]) is not None:
            continue
        draft = draft_read(run | {"has_regime_costs": True, "slippage_bps": 1})
        backtest_request(user=user, draft=draft, now=now, client_key=run["client_key"])
    _search_request(user, now)


def _search_request(user: User, now: dt.datetime) -> None:
    """Ask for the sample search; where bars or the day's quota do not do, go on without it.

    It is made with the demo account: refusing a sample must not keep the platform from starting.
    """
    if study_find_by_key(user_id=user.pk, client_key=SEARCH_KEY) is not None:
        return
    draft = study_draft_read(SEARCH)
    try:
        study_request(user=user, draft=draft, now=now, client_key=SEARCH_KEY)
    except DomainError as error:
        logger.warning("showcase_search_left_out", error=error.message)


def landing_context() -> dict[str, Any]:
    """Return the demo chart and the panels, each empty where its data is not stored."""
    return {"chart": _cached("chart", _chart), "results": _cached("results", _results)}


def samples_shown() -> dict[str, Any]:
    """Return what panels of smaller plans show of the demo account, each empty until it is done."""
    return {"study": _cached("study", _study), "results": _cached("results", _results)}


def _cached(name: str, build: Any) -> Any:
    """Keep what was built for a while; what is missing is looked for again at the next visit."""
    key = f"elson.landing.3.{name}"
    known = cache.get(key)
    if known is None:
        known = build()
        if known:
            cache.set(key, known, CACHE_SECONDS)
    return known


# --- results ---------------------------------------------------------------------------


def _results() -> list[dict[str, Any]]:
    user = user_get_by_email(DEMO_EMAIL)
    if user is None:
        return []
    found = [backtest_find_by_key(user_id=user.pk, client_key=run["client_key"]) for run in RUNS]
    done = [backtest for backtest in found if backtest and backtest.status == "SUCCEEDED"]
    return [_result(backtest) for backtest in done] if len(done) == len(RUNS) else []


def _result(backtest: Any) -> dict[str, Any]:
    metrics, honesty = backtest.result.metrics, backtest.result.honesty
    marks = {"PASS": "ok", "WARN": "warn", "FAIL": "crit"}
    whole = metrics["all"]
    rows = [
        {"mark": marks.get(row["status"], "info"), "label": row["title"], "why": row["sentence"]}
        for row in honesty["rows"]
    ]
    return {
        "name": backtest.instrument.name,
        "first_at": whole["first_at"][:10],
        "last_at": whole["last_at"][:10],
        "total_return": whole["total_return"],
        "sharpe_ratio": whole["sharpe_ratio"],
        "max_drawdown": whole["max_drawdown"],
        "benchmark_return": metrics["benchmark"]["all"].get("total_return"),
        "tone": marks.get(honesty["status"], "info"),
        "verdict": honesty["verdict"],
        "troubles": [row for row in rows if row["mark"] != "ok"],
        "passed": [row for row in rows if row["mark"] == "ok"],
    }


def _study() -> dict[str, Any] | None:
    """Summarize the demo account's search; None until it is judged and something was ranked."""
    user = user_get_by_email(DEMO_EMAIL)
    if user is None:
        return None
    study = study_find_by_key(user_id=user.pk, client_key=SEARCH_KEY)
    verdict = (study.judgement if study else None) or {}
    if study is None or verdict.get("pick") is None:
        return None
    pick = trial_get(study, verdict["pick"])
    return {
        "source": f"Demo account: {rule_name(study.strategy_key)} on {study.instrument.symbol}, "
        f"{study.n_done} trials, done here on stored bars.",
        "number": pick.number,
        "values": ", ".join(
            f"{formatting.label_of(name)} {value:g}" for name, value in pick.parameters.items()
        ),
        "in_sample": pick.in_sample_sharpe,
        "out_of_sample": pick.out_of_sample_sharpe,
        "deflated": verdict["deflated_sharpe"],
        "overfitting": verdict["probability_of_overfitting"],
        "is_overfit": verdict["is_overfit"],
        "sentence": verdict["sentences"][0],
    }


# --- chart -----------------------------------------------------------------------------


def _chart() -> dict[str, Any] | None:
    """Draw the first bars of the replay's episode; None where they are not stored."""
    episode = episode_named(settings.REPLAY_EPISODE)
    try:
        instrument = instrument_get(episode.lead)
        bars = bars_get(instrument, episode.timeframe)
    except (UnknownSymbol, NoBars):
        return None
    first_ns = dt.datetime.combine(episode.starts_on, dt.time(), tzinfo=dt.UTC).timestamp() * 1e9
    first = max(int(np.searchsorted(bars.closed_at, first_ns)) - N_BARS_BEFORE, 0)
    shown = slice(first, min(first + N_BARS, len(bars)))
    if shown.stop - shown.start < N_LABELS:
        return None
    codes = regimes_of(bars).settled_codes[shown]
    return {
        "name": instrument.name,
        "source": instrument.source,
        "width": WIDTH,
        "height": HEIGHT,
        **_drawing(bars, shown, [WORDS[code] if code >= 0 else "" for code in codes.tolist()]),
    }


def _drawing(bars: Bars, shown: slice, regimes: list[str]) -> dict[str, Any]:
    """Compute positions of candles and bands, the axis labels, and the readout per bar."""
    opens, highs, lows, closes = (
        column[shown] for column in (bars.open, bars.high, bars.low, bars.close)
    )
    top, bottom = float(highs.max()), float(lows.min())
    margin = (top - bottom) * 0.04
    top, bottom = top + margin, bottom - margin
    n, step = len(regimes), WIDTH / len(regimes)

    def y(price: float) -> float:
        return round((top - price) / (top - bottom) * HEIGHT, 1)

    dates = [
        dt.datetime.fromtimestamp(ns / 1e9, tz=dt.UTC).date().isoformat()
        for ns in bars.closed_at[shown].tolist()
    ]
    candles = []
    for i in range(n):
        is_up = closes[i] >= opens[i]
        high_body, low_body = max(opens[i], closes[i]), min(opens[i], closes[i])
        candles.append(
            {
                "css": "up" if is_up else "down",
                "x": round((i + 0.5) * step, 1),
                "left": round((i + 0.2) * step, 1),
                "top": y(highs[i]),
                "bottom": y(lows[i]),
                "body": y(high_body),
                "foot": y(low_body),
                "size": max(round(y(low_body) - y(high_body), 1), 1.0),
            }
        )
    return {
        "candles": candles,
        "body_width": round(step * 0.6, 1),
        "bands": _bands(regimes, step),
        "prices": [top - (top - bottom) * i / (N_LABELS - 1) for i in range(N_LABELS)],
        "grid": [round(HEIGHT * i / (N_LABELS - 1), 1) for i in range(N_LABELS)],
        "dates": [dates[round(i * (n - 1) / (N_LABELS - 1))] for i in range(N_LABELS)],
        "first_date": dates[0],
        "last_date": dates[-1],
        "replay": {
            "date": dates,
            "close": [round(float(close), 2) for close in closes],
            "change": [round(float(close / closes[0] - 1), 5) for close in closes],
            "regime": regimes,
        },
    }


def _bands(regimes: list[str], step: float) -> list[dict[str, Any]]:
    """Join neighbors of the same regime."""
    bands: list[dict[str, Any]] = []
    for i, regime in enumerate(regimes):
        if bands and bands[-1]["regime"] == regime:
            bands[-1]["width"] = round((i + 1) * step - bands[-1]["x"], 1)
        else:
            bands.append({"regime": regime, "x": round(i * step, 1), "width": round(step, 1)})
    return [band for band in bands if band["regime"]]
