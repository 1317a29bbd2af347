"""Writing market data: imports, replays, watchlists."""

from marketdata.services.bars import bars_ingest, ingest_unchanged, offer_ingest
from marketdata.services.instruments import instrument_ensure, venue_ensure
from marketdata.services.replay import (
    TOPIC_RUNNER,
    TOPIC_STREAMER,
    EpisodeUnknown,
    ReplayDataMissing,
    ReplayStep,
    SpeedOutOfRange,
    replay_advance,
    replay_is_due,
    replay_open,
    replay_pause,
    replay_restart,
    replay_resume,
    replay_set_speed,
    replay_touch,
    replay_watch,
)
from marketdata.services.watchlists import (
    WatchlistNameInvalid,
    watchlist_add,
    watchlist_create,
    watchlist_delete,
    watchlist_remove,
    watchlist_rename,
)

__all__ = [
    "TOPIC_RUNNER",
    "TOPIC_STREAMER",
    "EpisodeUnknown",
    "ReplayDataMissing",
    "ReplayStep",
    "SpeedOutOfRange",
    "WatchlistNameInvalid",
    "bars_ingest",
    "ingest_unchanged",
    "instrument_ensure",
    "offer_ingest",
    "replay_advance",
    "replay_is_due",
    "replay_open",
    "replay_pause",
    "replay_restart",
    "replay_resume",
    "replay_set_speed",
    "replay_touch",
    "replay_watch",
    "venue_ensure",
    "watchlist_add",
    "watchlist_create",
    "watchlist_delete",
    "watchlist_remove",
    "watchlist_rename",
]
