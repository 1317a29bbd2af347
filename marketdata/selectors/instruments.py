"""Reading instruments."""

from __future__ import annotations

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When

from elson.common.errors import DomainError
from marketdata.models import Instrument


class UnknownSymbol(DomainError):
    """No instrument has this symbol."""

    status = 404
    title = "Unknown symbol"

    def __init__(self, symbol: object) -> None:
        shown = str(symbol)[:24]
        super().__init__(
            "UNKNOWN_SYMBOL", f"There is no instrument {shown!r}.", field="symbol", symbol=shown
        )


def instrument_get(symbol: str) -> Instrument:
    """Return the instrument with its venue; symbols are upper case. Raises UnknownSymbol."""
    wanted = str(symbol).strip().upper()
    # PostgreSQL refuses NUL in text; no symbol is longer than its column.
    if not wanted or "\x00" in wanted or len(wanted) > 24:
        raise UnknownSymbol(symbol)
    found = Instrument.objects.select_related("venue").filter(symbol=wanted).first()
    if found is None:
        raise UnknownSymbol(symbol)
    return found


def instrument_list(
    *, symbols: list[str] | None = None, asset_class: str = "", tradable_only: bool = False
) -> QuerySet[Instrument]:
    """Every instrument with its venue, by symbol."""
    found = Instrument.objects.select_related("venue").order_by("symbol")
    if symbols is not None:
        found = found.filter(symbol__in=symbols)
    if asset_class:
        found = found.filter(asset_class=asset_class)
    return found.filter(is_tradable=True) if tradable_only else found


def instrument_search(text: str, *, limit: int = 20) -> list[Instrument]:
    """Find instruments by symbol or name; symbols that begin with the text come first."""
    wanted = text.replace("\x00", "").strip()[:40]
    if not wanted:
        return list(instrument_list()[:limit])
    rank = Case(
        When(symbol__iexact=wanted, then=Value(0)),
        When(symbol__istartswith=wanted, then=Value(1)),
        When(name__istartswith=wanted, then=Value(2)),
        default=Value(3),
        output_field=IntegerField(),
    )
    return list(
        Instrument.objects.select_related("venue")
        .filter(Q(symbol__icontains=wanted) | Q(name__icontains=wanted))
        .order_by(rank, "symbol")[:limit]
    )
