"""Writing watchlists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Max

from elson.common.errors import Conflict, DomainError, NotFound, TooMany
from marketdata.models import Instrument, Watchlist, WatchlistItem
from marketdata.selectors.instruments import instrument_get

if TYPE_CHECKING:
    from accounts.models import User

MAX_WATCHLISTS = 10
MAX_ITEMS = 100
MAX_NAME = 60


class WatchlistNameInvalid(DomainError):
    """The name is empty or too long."""

    title = "Name not usable"


@transaction.atomic
def watchlist_create(*, user: User, name: str, symbols: list[str] | None = None) -> Watchlist:
    """Make a list with these symbols in order; raises Conflict on a name the user has already."""
    name = _name_checked(name)
    if Watchlist.objects.filter(user=user, name=name).exists():
        raise Conflict("WATCHLIST_EXISTS", f"There is a watchlist {name!r} already.", field="name")
    if Watchlist.objects.filter(user=user).count() >= MAX_WATCHLISTS:
        raise TooMany("TOO_MANY_WATCHLISTS", f"There are {MAX_WATCHLISTS} watchlists; no more fit.")
    watchlist = Watchlist.objects.create(user=user, name=name)
    for symbol in symbols or []:
        watchlist_add(watchlist=watchlist, symbol=symbol)
    return watchlist


@transaction.atomic
def watchlist_rename(*, watchlist: Watchlist, name: str) -> Watchlist:
    """Give the list another name."""
    name = _name_checked(name)
    if (
        Watchlist.objects.filter(user=watchlist.user_id, name=name)
        .exclude(pk=watchlist.pk)
        .exists()
    ):
        raise Conflict("WATCHLIST_EXISTS", f"There is a watchlist {name!r} already.", field="name")
    watchlist.name = name
    watchlist.save(update_fields=["name", "updated_at"])
    return watchlist


@transaction.atomic
def watchlist_add(*, watchlist: Watchlist, symbol: str) -> Instrument:
    """Put an instrument at the end of the list; a second time is the same as once."""
    instrument = instrument_get(symbol)
    # The list's row is the lock: two clicks at once must not share a place.
    Watchlist.objects.select_for_update().get(pk=watchlist.pk)
    items = WatchlistItem.objects.filter(watchlist=watchlist)
    if items.filter(instrument=instrument).exists():
        return instrument
    if items.count() >= MAX_ITEMS:
        raise TooMany("WATCHLIST_FULL", f"{watchlist.name} holds {MAX_ITEMS} symbols; no more fit.")
    last = items.aggregate(last=Max("position"))["last"]
    WatchlistItem.objects.create(
        watchlist=watchlist, instrument=instrument, position=0 if last is None else last + 1
    )
    return instrument


@transaction.atomic
def watchlist_remove(*, watchlist: Watchlist, symbol: str) -> None:
    """Take an instrument off the list; raises NotFound when it is not on it."""
    deleted, _ = WatchlistItem.objects.filter(
        watchlist=watchlist, instrument=instrument_get(symbol)
    ).delete()
    if not deleted:
        raise NotFound("symbol on this watchlist", symbol)


@transaction.atomic
def watchlist_delete(*, watchlist: Watchlist) -> None:
    """Remove the list; its instruments stay."""
    watchlist.delete()


def _name_checked(name: str) -> str:
    cleaned = " ".join(str(name).replace("\x00", "").split())
    if not cleaned or len(cleaned) > MAX_NAME:
        raise WatchlistNameInvalid(
            "INVALID_NAME",
            f"A watchlist name has 1 to {MAX_NAME} characters; this one has {len(cleaned)}.",
            field="name",
        )
    return cleaned
