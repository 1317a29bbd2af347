"""Writing instruments and venues, as importers describe them."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import cast

from django.db import models, transaction

from marketdata.models import Instrument, Venue
from marketdata.providers.base import VENUES, InstrumentSpec


@transaction.atomic
def instrument_ensure(*, spec: InstrumentSpec) -> Instrument:
    """Return the instrument of this symbol, made from `spec` if it is new.

    An instrument that exists keeps what it says: an import adds bars, it does not rename.
    """
    found = Instrument.objects.select_related("venue").filter(symbol=spec.symbol).first()
    if found is not None:
        return found
    fields = asdict(spec)
    fields["venue"] = venue_ensure(code=spec.venue)
    fields["tick_size"] = Decimal(spec.tick_size)
    fields["quantity_step"] = Decimal(spec.quantity_step)
    for name in ("name", "source", "licence", "adjustment", "note"):
        field = cast("models.CharField", Instrument._meta.get_field(name))
        fields[name] = fields[name][: field.max_length]
    return Instrument.objects.create(**fields)


def venue_ensure(*, code: str) -> Venue:
    """Return the venue of this code, made from the known venues if it is new."""
    known = VENUES[code]
    venue, _ = Venue.objects.get_or_create(
        code=code,
        defaults={
            "name": known.name,
            "time_zone": known.time_zone,
            "session_close": known.session_close,
            "bars_per_year": known.bars_per_year,
        },
    )
    return venue
