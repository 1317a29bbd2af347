"""How well the regime detector did on the markets one person watches, up to their market date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from marketdata.models import Instrument
from marketdata.selectors import bars_map, series_map
from trading.engine.regime_quality import (
    DetectorQuality,
    added_up,
    detector_quality,
    hindsight_codes,
)
from trading.selectors.markets import regime_track


def detector_quality_get(
    instruments: Sequence[Instrument], until: dt.datetime | None
) -> DetectorQuality:
    """Add up the daily series of these instruments; nothing after `until` is looked at."""
    wanted = list(instruments)
    bars = bars_map(wanted, until=until)
    parts = []
    for series in series_map(wanted).values():
        found = bars.get(series.instrument.symbol)
        if found is None:
            continue
        codes = regime_track(series).codes[: len(found)]
        parts.append(detector_quality(codes, hindsight_codes(found.close)))
    return added_up(parts)
