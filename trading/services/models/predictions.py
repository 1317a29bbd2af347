"""What versions say about live candidates, written at the decision and completed by its outcome."""

from __future__ import annotations

import datetime as dt

import numpy as np
import structlog
from django.db import transaction
from django.db.models import Max

from marketdata.models import Instrument, ReplaySession
from marketdata.selectors import NoBars, bars_get, instant, nanoseconds
from marketdata.types import Bars
from trading.engine import hybrid
from trading.engine.costs import CostModel, commission_rates
from trading.engine.errors import EngineError
from trading.engine.kernels import FloatArray
from trading.engine.learning.features import GATE_FEATURES, feature_table
from trading.engine.learning.fitted import DatedModel
from trading.engine.learning.labels import meta_labels
from trading.engine.regimes import regimes_of
from trading.engine.strategies.base import Features
from trading.engine.types import regime_of
from trading.models import ModelVersion, Prediction
from trading.selectors.model_versions import versions_recorded
from trading.services.bindings import HYBRID, models_of
from trading.services.market_costs import cost_preset_of

logger = structlog.get_logger(__name__)
# Of one series at a time, newest first: what is resolved makes room for what is older, and what can
# never be (its bars were taken away) grows old below. Still open for want of bars are at most the
# candidates of the last BLIND_BARS bars, far fewer than these.
MOST_OPEN = 1_000


def predictions_record(
    *, strategy_key: str, features: Features, i: int, instrument: Instrument, now: dt.datetime
) -> int:
    """Write what the active version and each shadow say about bar ``i``; return how many are new.

    Only candidates the rule may buy are asked about. The same candidate seen by another portfolio
    or by a repeated step is written once.
    """
    if strategy_key != HYBRID or not _is_candidate(features, i):
        return 0
    versions = versions_recorded(strategy_key)
    if not versions:
        return 0
    row = _row(features, i)
    if not np.isfinite(row).all():
        return 0
    closed_at = int(features.bars.closed_at[i])
    rows = [
        _prediction(version, features, i, row, dated, instrument, now)
        for version in versions
        if (dated := _in_force(version, closed_at)) is not None
    ]
    before = Prediction.objects.filter(
        instrument=instrument,
        timeframe=features.bars.timeframe,
        market_at=instant(closed_at),
        version__in=versions,
    ).count()
    Prediction.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows) - min(before, len(rows))


def predictions_resolve() -> int:
    """Complete predictions whose profit-blind exit has been filled; return how many.

    Where instruments are replayed, only bars that some replay has reached count.
    """
    waiting = Prediction.objects.filter(resolved_at__isnull=True)
    n_resolved = 0
    # Series by series: one whose bars do not come on must not take the turn of the others.
    series = waiting.order_by("instrument_id", "timeframe")
    for instrument_id, timeframe in series.values_list("instrument_id", "timeframe").distinct():
        rows = waiting.filter(instrument_id=instrument_id, timeframe=timeframe)
        newest = list(rows.select_related("instrument").order_by("-market_at")[:MOST_OPEN])
        if newest:  # else another worker has resolved them since the series were listed
            n_resolved += _resolve(newest[0].instrument, timeframe, newest[::-1])
    return n_resolved


def _is_candidate(features: Features, i: int) -> bool:
    arrays = features.arrays
    return i >= features.first and bool(arrays["is_dip"][i] and arrays["is_tradable"][i])


def _row(features: Features, i: int) -> FloatArray:
    named = [features.arrays.get(f"feature:{name}") for name in GATE_FEATURES]
    if all(column is not None for column in named):
        return np.array([column[i] for column in named if column is not None])
    table = feature_table(features.bars, features.regimes, features.arrays["cost_rate"])
    return table.columns(GATE_FEATURES)[i].copy()


def _in_force(version: ModelVersion, closed_at: int) -> DatedModel | None:
    try:
        models = models_of(version)
    except EngineError:
        logger.exception("model_unreadable", version=version.pk)
        return None
    known = [dated for dated in models if dated.valid_from <= closed_at]
    return known[-1] if known else None


def _prediction(
    version: ModelVersion,
    features: Features,
    i: int,
    row: FloatArray,
    dated: DatedModel,
    instrument: Instrument,
    now: dt.datetime,
) -> Prediction:
    regime = regime_of(int(features.regimes.relative_codes[i]))
    return Prediction(
        version=version,
        instrument=instrument,
        timeframe=features.bars.timeframe,
        market_at=instant(int(features.bars.closed_at[i])),
        created_at=now,
        is_shadow=version.state != ModelVersion.State.ACTIVE,
        regime=str(regime) if regime else "",
        probability=dated.model.probability(row),
        threshold=dated.model.threshold(version.veto_share),
        features=row.tolist(),
    )


def _resolve(instrument: Instrument, timeframe: str, rows: list[Prediction]) -> int:
    replayed = ReplaySession.objects.filter(instruments=instrument)
    until = replayed.aggregate(latest=Max("cursor_at"))["latest"]
    try:
        bars = bars_get(instrument.symbol, timeframe, until=until)
    except NoBars:
        return 0
    outcomes = _outcomes(bars, instrument, rows)
    n_resolved = 0
    with transaction.atomic():
        for row in rows:
            found = outcomes.get(nanoseconds(row.market_at))
            if found is None:
                continue
            exit_at, net = found
            n_resolved += Prediction.objects.filter(pk=row.pk, resolved_at__isnull=True).update(
                resolved_at=instant(exit_at), net_return=net, is_win=net > 0.0
            )
    return n_resolved


def _outcomes(
    bars: Bars, instrument: Instrument, rows: list[Prediction]
) -> dict[int, tuple[int, float]]:
    """Exit time and net result by the time of the candidate's close; open ones are missing."""
    preset = cost_preset_of(instrument)
    codes = regimes_of(bars).codes
    rates = commission_rates(CostModel(preset=preset), codes)
    wanted = np.unique(np.array([nanoseconds(row.market_at) for row in rows], dtype=np.int64))
    places = np.searchsorted(bars.closed_at, wanted)
    places = places[places < len(bars)]
    places = places[np.isin(bars.closed_at[places], wanted)]
    labels = meta_labels(bars, places, rates, max_bars=hybrid.BLIND_BARS)
    times = bars.closed_at
    return {
        int(times[signal]): (int(times[exit_bar]), float(net))
        for signal, exit_bar, net in zip(
            labels.signal_bar, labels.exit_bar, labels.net_return, strict=True
        )
    }
