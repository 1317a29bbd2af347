"""What the market said, where it came from, and who watches it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from elson.common.models import TimestampedModel


class Timeframe(models.TextChoices):
    """Length of a bar."""

    MINUTE_1 = "1m", "1 minute"
    MINUTE_5 = "5m", "5 minutes"
    MINUTE_15 = "15m", "15 minutes"
    HOUR_1 = "1h", "1 hour"
    DAY_1 = "1d", "1 day"


class AssetClass(models.TextChoices):
    """What kind of thing is traded; costs and calendars depend on it."""

    EQUITY = "EQUITY", "Equity"
    ETF = "ETF", "ETF"
    INDEX = "INDEX", "Index"
    FX = "FX", "Currency pair"
    COMMODITY = "COMMODITY", "Commodity"
    CRYPTO = "CRYPTO", "Crypto"
    REFERENCE = "REFERENCE", "Reference, not tradable"


class Venue(models.Model):
    """Where an instrument trades, and by which clock."""

    code = models.CharField(max_length=12, unique=True)
    name = models.CharField(max_length=80)
    time_zone = models.CharField(max_length=64, default="America/New_York")
    session_close = models.TimeField(help_text="Close of a daily bar in the venue's time zone.")
    bars_per_year = models.PositiveIntegerField(default=252, help_text="Daily bars in a year.")

    def __str__(self) -> str:
        return self.code


class Instrument(TimestampedModel):
    """A tradable (or reference) series; `symbol` is our id for it everywhere."""

    symbol = models.CharField(max_length=24, unique=True)
    name = models.CharField(max_length=120)
    venue = models.ForeignKey(Venue, on_delete=models.PROTECT, related_name="instruments")
    asset_class = models.CharField(max_length=12, choices=AssetClass.choices)
    currency = models.CharField(max_length=3, default="USD")
    tick_size = models.DecimalField(max_digits=18, decimal_places=8, default="0.01")
    quantity_step = models.DecimalField(max_digits=18, decimal_places=8, default="0.0001")
    is_tradable = models.BooleanField(default=True)
    is_close_only = models.BooleanField(
        default=False, help_text="The source has closes only: fills use the next close."
    )
    source = models.CharField(max_length=160, blank=True)
    licence = models.CharField(max_length=120, blank=True)
    adjustment = models.CharField(max_length=60, blank=True)
    note = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return self.symbol


class Bar(models.Model):
    """One OHLCV interval, stamped with its close in UTC; written by imports, never edited.

    Floats: bars are measurements, money is not (docs/adr/0003).
    """

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="bars")
    timeframe = models.CharField(max_length=3, choices=Timeframe.choices)
    closed_at = models.DateTimeField()
    open = models.FloatField()
    high = models.FloatField()
    low = models.FloatField()
    close = models.FloatField()
    volume = models.FloatField(default=0.0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instrument", "timeframe", "closed_at"], name="bar_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(low__lte=models.F("open"))
                & models.Q(low__lte=models.F("close"))
                & models.Q(high__gte=models.F("open"))
                & models.Q(high__gte=models.F("close")),
                name="bar_low_high_enclose",
            ),
            models.CheckConstraint(condition=models.Q(volume__gte=0), name="bar_volume_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.timeframe} {self.closed_at:%Y-%m-%d %H:%M}"


class BarSeries(models.Model):
    """What is stored of one instrument and timeframe; one row, kept by `bars_ingest`.

    Its row is the lock of every import of that series, and `version` is new after every change,
    so that readers may keep the columns in memory.
    """

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="series")
    timeframe = models.CharField(max_length=3, choices=Timeframe.choices)
    n_bars = models.PositiveIntegerField(default=0)
    first_at = models.DateTimeField(null=True, blank=True)
    last_at = models.DateTimeField(null=True, blank=True)
    n_gaps = models.PositiveIntegerField(default=0)
    gaps = models.JSONField(
        default=list, help_text="Pairs of ISO times around the 50 longest gaps, in their order."
    )
    bars_per_year = models.FloatField(default=252.0, help_text="For annualizing.")
    version = models.UUIDField(default=uuid.uuid4, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instrument", "timeframe"], name="barseries_unique")
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.timeframe}: {self.n_bars} bars"


class Watchlist(TimestampedModel):
    """A user's named list of instruments."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="watchlists"
    )
    name = models.CharField(max_length=60)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="watchlist_unique")]

    def __str__(self) -> str:
        return self.name


class WatchlistItem(models.Model):
    """One instrument on a watchlist."""

    watchlist = models.ForeignKey(Watchlist, on_delete=models.CASCADE, related_name="items")
    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["watchlist", "instrument"], name="watchlistitem_unique")
        ]

    def __str__(self) -> str:
        return f"{self.watchlist_id}: {self.instrument_id}"


class IngestRun(models.Model):
    """One file offered to `bars_ingest`, stored or refused as a whole."""

    class Status(models.TextChoices):
        """How it ended."""

        STORED = "STORED", "Stored"
        UNCHANGED = "UNCHANGED", "Unchanged"
        REFUSED = "REFUSED", "Refused"

    source = models.CharField(max_length=160)
    sha256 = models.CharField(max_length=64, blank=True)
    instrument = models.ForeignKey(
        Instrument, on_delete=models.SET_NULL, null=True, blank=True, related_name="ingest_runs"
    )
    timeframe = models.CharField(max_length=3, choices=Timeframe.choices)
    status = models.CharField(max_length=10, choices=Status.choices)
    n_rows = models.PositiveIntegerField(default=0)
    n_stored = models.PositiveIntegerField(default=0)
    n_gaps = models.PositiveIntegerField(default=0)
    faults = models.JSONField(default=list, help_text="Up to 100: row, column, value, reason.")
    n_faults = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.source}: {self.status}"


class ReplaySession(TimestampedModel):
    """A cursor over real stored bars that moves by the clock; nothing after it is visible.

    The streamer advances it. `cursor_at` is the close of the last bar shown; `sequence` counts the
    bars shown in this epoch; a restart begins a new epoch.
    """

    class State(models.TextChoices):
        """Whether the cursor moves."""

        RUNNING = "RUNNING", "Running"
        PAUSED = "PAUSED", "Paused"
        ENDED = "ENDED", "Ended"

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="replay_sessions"
    )
    episode = models.CharField(max_length=40)
    lead = models.ForeignKey(
        Instrument,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Its bars are the calendar of the replay.",
    )
    instruments = models.ManyToManyField(Instrument, related_name="+")
    timeframe = models.CharField(max_length=3, choices=Timeframe.choices, default=Timeframe.DAY_1)
    starts_at = models.DateTimeField(help_text="Market time of the first bar.")
    cursor_at = models.DateTimeField(help_text="Close of the last bar shown.")
    sequence = models.PositiveIntegerField(default=0)
    epoch = models.PositiveIntegerField(default=1)
    speed = models.PositiveIntegerField(default=60, help_text="Bars a minute.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.RUNNING)
    is_auto_paused = models.BooleanField(default=False, help_text="Paused because nobody watched.")
    advanced_at = models.DateTimeField(help_text="Wall clock of the last step.")
    seen_at = models.DateTimeField(help_text="Wall clock when somebody last watched.")

    class Meta:
        indexes = [
            models.Index(
                fields=["advanced_at"], name="replay_running", condition=models.Q(state="RUNNING")
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(speed__gte=1, speed__lte=600), name="replay_speed_1_600"
            )
        ]

    def __str__(self) -> str:
        return f"{self.episode} {self.speed}x at {self.cursor_at:%Y-%m-%d}"
