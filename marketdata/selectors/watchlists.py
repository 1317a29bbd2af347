"""Reading watchlists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Prefetch, QuerySet

from elson.common.errors import NotFound
from elson.common.formatting import parse_whole
from marketdata.models import Instrument, Watchlist, WatchlistItem

if TYPE_CHECKING:
    from accounts.models import User


def watchlist_list(user: User) -> QuerySet[Watchlist]:
    """Return the user's lists, oldest first, with their instruments fetched in order."""
    items = WatchlistItem.objects.select_related("instrument__venue").order_by("position", "id")
    return (
        Watchlist.objects.filter(user=user)
        .prefetch_related(Prefetch("items", queryset=items))
        .order_by("id")
    )


def watchlist_get(user: User, watchlist_id: int | str) -> Watchlist:
    """Return one list of this user; the same NotFound for foreign and unknown."""
    found = watchlist_list(user).filter(pk=parse_whole(str(watchlist_id)) or 0).first()
    if found is None:
        raise NotFound("watchlist", watchlist_id)
    return found


def watchlist_instruments(watchlist: Watchlist) -> list[Instrument]:
    """Instruments of a list that came from `watchlist_list`, in its order."""
    return [item.instrument for item in watchlist.items.all()]
