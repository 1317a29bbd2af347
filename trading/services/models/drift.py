"""Looking whether versions still see what they were trained on; one report a look."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np

from trading.engine.learning.drift import Drift, Light, drift, mix_shift
from trading.engine.learning.measurement import GateFigures, gate_figures
from trading.engine.types import Regime
from trading.models import DriftReport, ModelVersion, Prediction
from trading.selectors.model_versions import FEWEST_RESOLVED, version_list

WINDOW_DAYS = 90
# Share of candidates in other regimes than in training: yellow, red.
MIX_CUTS = (0.25, 0.50)
# Calibration error up to 75 %, above what a perfect model of this sample shows by chance.
ECE_CUTS = (0.05, 0.10)
# A profit-blind exit takes ten bars; results that wait longer mean that bars are missing.
DELAY_CUTS = (21.0, 45.0)
_ORDER = (Light.UNKNOWN, Light.OK, Light.WARNING, Light.CRITICAL)


def drift_check(*, now: dt.datetime, window_days: int = WINDOW_DAYS) -> int:
    """Write one report for each active or shadow version; return how many."""
    watched = [ModelVersion.State.ACTIVE, ModelVersion.State.SHADOW]
    versions = list(version_list().filter(state__in=watched))
    for version in versions:
        drift_measure(version=version, now=now, window_days=window_days)
    return len(versions)


def drift_measure(
    *, version: ModelVersion, now: dt.datetime, window_days: int = WINDOW_DAYS
) -> DriftReport:
    """Compare a version's predictions of the last days with its training."""
    since = now - dt.timedelta(days=window_days)
    rows = list(Prediction.objects.filter(version=version, created_at__gte=since))
    resolved = [row for row in rows if row.net_return is not None]
    features = _features(version, rows)
    score = _score(version, rows)
    calibration = _calibration(resolved)
    regimes = _regimes(version, rows)
    delay = _delay(rows)
    parts = [*features, score, calibration, regimes, delay]
    return DriftReport.objects.create(
        version=version,
        created_at=now,
        window_days=window_days,
        n_predictions=len(rows),
        n_resolved=len(resolved),
        light=_worst([part["light"] for part in parts]),
        features=features,
        score=score,
        calibration=calibration,
        regimes=regimes,
        delay=delay,
    )


def _features(version: ModelVersion, rows: list[Prediction]) -> list[dict[str, Any]]:
    """PSI and KS of each feature, the worst first."""
    known = version.reference.get("features", {})
    values = np.array(
        [[np.nan if v is None else v for v in row.features] for row in rows], dtype=np.float64
    ).reshape(len(rows), len(version.features))
    found = [
        {"name": name} | _plain(drift(known[name], values[:, j]))
        for j, name in enumerate(version.features)
        if name in known
    ]
    return sorted(found, key=lambda row: (-_ORDER.index(row["light"]), -(row["psi"] or 0.0)))


def _score(version: ModelVersion, rows: list[Prediction]) -> dict[str, Any]:
    before = version.reference.get("score")
    if not before:
        return {"n": 0, "psi": None, "ks": None, "light": Light.UNKNOWN}
    now = np.array([row.probability for row in rows])
    shares = np.linspace(0.0, 1.0, 11)
    deciles = np.quantile(now, shares).tolist() if len(rows) else []
    return _plain(drift(before, now)) | {
        "now": deciles,
        "before": np.quantile(np.array(before), shares).tolist(),
    }


def _calibration(resolved: list[Prediction]) -> dict[str, Any]:
    if len(resolved) < FEWEST_RESOLVED:
        return {"n": len(resolved), "light": Light.UNKNOWN}
    figures = gate_figures(
        [row.probability for row in resolved],
        [row.net_return for row in resolved if row.net_return is not None],
        [row.threshold for row in resolved],
    )
    values = figures.to_dict()
    names = ("n", "brier", "brier_skill", "log_loss", "ece", "slope", "win_rate", "base_rate")
    return {name: values[name] for name in names} | {"light": _calibration_light(figures)}


def _calibration_light(figures: GateFigures) -> Light:
    if math.isnan(figures.ece):
        return Light.UNKNOWN
    return _light(figures.ece - ece_by_chance(figures.base_rate, figures.n), ECE_CUTS)


def ece_by_chance(base_rate: float, n: int) -> float:
    """Return the calibration error a perfect model shows on a sample of this size.

    Ten bins of n/10 each differ by chance by about sqrt(p (1 - p) / (n / 10)) x 0.8.
    """
    return 0.8 * math.sqrt(base_rate * (1.0 - base_rate) * 10.0 / n)


def _regimes(version: ModelVersion, rows: list[Prediction]) -> dict[str, Any]:
    known = version.reference.get("regimes", {})
    before = [known.get(str(regime), 0) for regime in Regime]
    now = [sum(row.regime == str(regime) for row in rows) for regime in Regime]
    values = {
        "before": dict(zip([str(r) for r in Regime], before, strict=True)),
        "now": dict(zip([str(r) for r in Regime], now, strict=True)),
    }
    if sum(now) < FEWEST_RESOLVED or not sum(before):
        return values | {"shift": None, "light": Light.UNKNOWN}
    shift = mix_shift(before, now)
    chance = 0.8 * math.sqrt(len(Regime) / sum(now)) / 2.0
    return values | {"shift": shift, "light": _light(shift - chance, MIX_CUTS)}


def _delay(rows: list[Prediction]) -> dict[str, Any]:
    """How long results take, and how long the oldest has been waited for, in market days.

    The days of an instrument are counted on its own clock: replays stand at different dates.
    """
    delays = [
        (row.resolved_at - row.market_at).total_seconds() / 86_400.0
        for row in rows
        if row.resolved_at is not None
    ]
    waiting = [row for row in rows if row.resolved_at is None]
    latest: dict[int, dt.datetime] = {}
    for row in rows:
        latest[row.instrument_id] = max(latest.get(row.instrument_id, row.market_at), row.market_at)
    ages = [latest[row.instrument_id] - row.market_at for row in waiting]
    oldest = max(ages, default=dt.timedelta()).total_seconds() / 86_400.0
    light = _light(oldest, DELAY_CUTS) if rows else Light.UNKNOWN
    return {
        "median_days": float(np.median(delays)) if delays else None,
        "n_open": len(waiting),
        "oldest_open_days": oldest,
        "light": light,
    }


def _plain(found: Drift) -> dict[str, Any]:
    return {
        "n": found.n,
        "psi": None if math.isnan(found.psi) else found.psi,
        "ks": None if math.isnan(found.ks) else found.ks,
        "light": found.light,
    }


def _light(value: float, cuts: tuple[float, float]) -> Light:
    if value > cuts[1]:
        return Light.CRITICAL
    return Light.WARNING if value > cuts[0] else Light.OK


def _worst(lights: list[Light]) -> Light:
    return max(lights, key=_ORDER.index, default=Light.UNKNOWN)
