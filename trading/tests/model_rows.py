"""Trained versions, predictions, drift and verifications for tests of doors; all synthetic."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from marketdata.models import BarSeries, Instrument
from trading.engine.learning.calibration import calibration_bins
from trading.engine.learning.features import GATE_FEATURES
from trading.engine.learning.measurement import gate_figures
from trading.engine.learning.members import member_figures
from trading.engine.learning.reliability import by_quarter
from trading.engine.types import Regime
from trading.models import (
    DriftReport,
    ModelArtifact,
    ModelPerformance,
    ModelTraining,
    ModelTransition,
    ModelVersion,
    Prediction,
)
from trading.tests.factories import NOW

DAY = dt.timedelta(days=1)
THRESHOLD = 0.55
REGIMES = tuple(str(regime.value) for regime in Regime)


def candidates(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and net results of a calibrated model."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.35, 0.9, n)
    net = np.where(rng.uniform(size=n) < p, 0.01, -0.015)
    return p, net


def metrics_make(seed: int = 1, n: int = 400) -> dict[str, Any]:
    p, net = candidates(n, seed)
    per_regime = {}
    for k, regime in enumerate(REGIMES):
        chosen = slice(k, None, len(REGIMES))
        per_regime[regime] = gate_figures(p[chosen], net[chosen], THRESHOLD).to_dict()
    bins = [
        {
            "low": found.low,
            "high": found.high,
            "n": found.n,
            "n_wins": found.n_wins,
            "mean_probability": found.mean_probability if found.n else None,
            "win_rate": found.win_rate if found.n else None,
            "interval": list(found.interval),
        }
        for found in calibration_bins(p, net > 0.0)
    ]
    whole = gate_figures(p, net, THRESHOLD).to_dict()
    quarters = np.arange("2018-01", "2019-01", 3, dtype="datetime64[M]").astype("datetime64[ns]")
    decided_at = np.resize(quarters.astype(np.int64), n)
    return {
        "all": whole,
        "regimes": per_regime,
        "by_year": {"2020": whole},
        "by_quarter": [row.to_dict() for row in by_quarter(decided_at, p, net)],
        "bins": bins,
        "regime_bins": dict.fromkeys(REGIMES, bins),
        "members": [members_make("LOGISTIC", 1.0, p, net)],
    }


def members_make(kind: str, weight: float, p: np.ndarray, net: np.ndarray) -> dict[str, Any]:
    """One sub-model, the same in each regime."""
    figures = member_figures(kind, weight, p, net > 0.0).to_dict()
    return figures | {"regimes": {regime: dict(figures) for regime in REGIMES}}


def version_make(
    number: int = 1, *, state: str = "ACTIVE", now: dt.datetime = NOW, **fields: Any
) -> ModelVersion:
    training = ModelTraining.objects.create(
        kind="LOGISTIC", status="SUCCEEDED", phase="DONE", progress=1.0, symbols=["WALK"]
    )
    ModelArtifact.objects.create(
        training=training, valid_from=now - 365 * DAY, artifact={}, content_hash="a" * 64,
        n_train=800,
    )  # fmt: skip
    version = ModelVersion.objects.create(
        training=training,
        strategy_key="hybrid",
        number=number,
        kind="LOGISTIC",
        state=state,
        content_hash=f"{number:064d}",
        data_hash="d" * 64,
        code_version="abc1234",
        features=list(GATE_FEATURES),
        trained_from=dt.date(2001, 1, 2),
        trained_until=dt.date(2019, 12, 20),
        tested_from=dt.date(2005, 1, 3),
        n_train=1_000 * number,
        n_tested=400,
        n_instruments=12,
        veto_share=0.2,
        metrics=metrics_make(number),
        gates=[
            {"name": "ece", "value": 0.02, "limit": 0.05, "is_passed": True, "text": "ECE 0.02"}
        ],
        created_at=now,
        **fields,
    )
    ModelTransition.objects.create(
        version=version, from_state="", to_state=state, reason="trained in a test", created_at=now
    )
    return version


def gap_make() -> None:
    """Give every stored series the same gap."""
    gap = ["1990-02-01T21:00:00+00:00", "1990-03-01T21:00:00+00:00"]
    BarSeries.objects.update(n_gaps=1, gaps=[gap])


def predictions_make(
    version: ModelVersion,
    instrument: Instrument,
    counts: dict[str, int],
    *,
    now: dt.datetime = NOW,
    win_share: float | None = None,
) -> None:
    """Store resolved predictions per regime, a day apart; `win_share` overrides what came of it."""
    at = 0
    for k, (regime, n) in enumerate(counts.items()):
        p, net = candidates(n, 50 + k)
        if win_share is not None:
            net = np.where(np.arange(n) < n * win_share, 0.01, -0.015)
        for probability, result in zip(p.tolist(), net.tolist(), strict=True):
            at += 1
            Prediction.objects.create(
                version=version, instrument=instrument, market_at=now - at * DAY,
                created_at=now - dt.timedelta(hours=at), is_shadow=False, regime=regime,
                probability=probability, threshold=THRESHOLD, features=[],
                resolved_at=now, net_return=result, is_win=result > 0,
            )  # fmt: skip


def drift_make(version: ModelVersion, *, light: str = "WARNING", now: dt.datetime = NOW) -> None:
    DriftReport.objects.create(
        version=version, created_at=now, window_days=90, n_predictions=120, n_resolved=100,
        light=light,
        features=[{"name": "rsi", "n": 120, "psi": 0.31, "ks": 0.2, "light": light}],
        score={"n": 120, "psi": 0.05, "ks": 0.08, "light": "OK"},
        calibration={"n": 100, "brier": 0.2, "brier_skill": 0.1, "ece": 0.04, "slope": 0.9,
                     "log_loss": 0.6, "light": "OK"},
        regimes={"before": {"LOW": 0.2, "NORMAL": 0.5, "HIGH": 0.2, "EXTREME": 0.1},
                 "now": {"LOW": 0.1, "NORMAL": 0.4, "HIGH": 0.3, "EXTREME": 0.2},
                 "shift": 0.2, "light": "WARNING"},
        delay={"median_days": 6.0, "n_open": 4, "oldest_open_days": 12, "light": "OK"},
    )  # fmt: skip


def figures_make(n: int, win_rate: float) -> dict[str, Any]:
    """One line of a verification's report."""
    return {
        "n": n, "win_rate": win_rate, "ci": [win_rate - 0.03, win_rate + 0.03],
        "null_win_rate": 0.7, "null_ci": [0.67, 0.73], "excess": win_rate - 0.7,
        "excess_ci": [-0.01, 0.09], "profit_factor": 1.3, "expectancy_bps": 40.0,
        "expectancy_ci_bps": [10.0, 70.0], "expectancy_2x_bps": 30.0,
    }  # fmt: skip


def performance_make(
    *, missed: list[str] | None = None, now: dt.datetime = NOW
) -> ModelPerformance:
    missed = missed or []
    lines = {name: figures_make(200 + 50 * k, 0.74) for k, name in enumerate(REGIMES)}
    goals = [
        {"name": name, "value": 0.74, "relation": ">=", "must": 0.7, "met": name not in missed}
        for name in ("high_win_rate", "extreme_win_rate")
    ]
    row = ModelPerformance(
        protocol="vol-robustness-v1", strategy_key="hybrid", data_hash="e" * 64,
        code_version="abc1234", n_instruments=5, n_round_trips=1_100, is_met=not missed,
        goals=goals, missed=missed, created_at=now,
        report={
            "regimes": lines, "spread_pp": 2.1, "all": figures_make(1_100, 0.74),
            "profit_blind": {"regimes": lines},
            "controls": {"truncated_history": {"passed": True}, "n_passed": 1},
            "calibration": {"n": 400, "ece": 0.02, "ece_all": 0.03,
                            "bins": metrics_make()["bins"]},
            "luck": {"dsr": 0.97, "pbo": 0.2, "n_trials": 300},
            "portfolio": {"sharpe_ratio": 0.6, "always_long": {"sharpe_ratio": 0.7}},
        },
    )  # fmt: skip
    row.save()
    return row
