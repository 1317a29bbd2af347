"""Backtests asked for, how far they are, and what they found."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from trading.models.leased import JobModel, JobStatus


class Backtest(JobModel):
    """One requested run; a worker holds it by a lease, a sweeper takes over when that lapses."""

    Status = JobStatus

    class Phase(models.TextChoices):
        """What the worker is doing."""

        QUEUED = "QUEUED", "Queued"
        LOADING = "LOADING", "Loading data"
        SIMULATING = "SIMULATING", "Simulating"
        NULL_MODEL = "NULL_MODEL", "Null model"
        STATISTICS = "STATISTICS", "Statistics"
        DONE = "DONE", "Done"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="backtests"
    )
    strategy_key = models.CharField(max_length=60)
    version = models.ForeignKey(
        "trading.StrategyVersion", on_delete=models.SET_NULL, null=True, blank=True,
        related_name="backtests",
    )  # fmt: skip
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, related_name="+"
    )
    timeframe = models.CharField(max_length=3, default="1d")
    start_date = models.DateField(null=True, blank=True)
    end_date = models.DateField(null=True, blank=True)
    parameters = models.JSONField(default=dict)
    cash = models.DecimalField(max_digits=24, decimal_places=8, default=100_000)
    commission_bps = models.FloatField(default=0)
    slippage_bps = models.FloatField(default=0)
    has_regime_costs = models.BooleanField(
        default=False, help_text="Use the cost table by asset class and regime instead."
    )
    spread_bps = models.FloatField(default=0, help_text="Half the quoted spread, per side.")
    commission_per_unit = models.FloatField(default=0)
    commission_minimum = models.FloatField(default=0)
    range_share = models.FloatField(
        default=0, help_text="Slippage as a share of the signal bar's range."
    )
    impact = models.FloatField(default=0, help_text="Square-root impact; about 1 is measured.")
    has_usual_slippage = models.BooleanField(
        default=False, help_text="Add the class's slippage and impact to the usual costs."
    )
    borrow_bps_per_day = models.FloatField(
        null=True, blank=True, help_text="Of shorts; empty for the market's usual."
    )
    financing_bps_per_year = models.FloatField(default=0)
    max_participation = models.FloatField(
        null=True, blank=True, help_text="Largest share of a bar's volume; empty for no limit."
    )
    carries_rest = models.BooleanField(
        default=False, help_text="Carry what a bar's volume leaves instead of canceling it."
    )
    symbols = models.JSONField(
        default=list, help_text="All instruments of a portfolio run; empty for one instrument."
    )
    allocation = models.JSONField(
        default=dict, help_text="Rule, max_positions, gross_cap, fixed weights by symbol."
    )
    limits = models.JSONField(
        default=dict, blank=True,
        help_text="Own limits of size, as of a strategy version: name: value.",
    )  # fmt: skip
    out_of_sample_share = models.FloatField(default=0.3)
    out_of_sample_from = models.DateField(
        null=True, blank=True, help_text="First day out of sample; goes before the share."
    )
    walk_forward_folds = models.PositiveSmallIntegerField(
        default=0, help_text="Equal parts judged one after another; 0 for none."
    )
    benchmark = models.CharField(
        max_length=24, blank=True,
        help_text="CASH, or a symbol to hold; empty for holding what is traded.",
    )  # fmt: skip
    seed = models.PositiveIntegerField(default=7)
    note = models.CharField(max_length=200, blank=True)
    client_key = models.CharField(
        max_length=80, blank=True, help_text="Idempotency-Key of the request; unique per user."
    )
    rerun_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="reruns"
    )

    status = models.CharField(max_length=9, choices=Status.choices, default=Status.QUEUED)
    phase = models.CharField(max_length=10, choices=Phase.choices, default=Phase.QUEUED)
    detail = models.CharField(max_length=120, blank=True, help_text="“Simulating 2019-04”")
    so_far = models.JSONField(
        default=dict, blank=True,
        help_text="Equity of the bars that have run: closed_at, equity, share; empty at the end.",
    )  # fmt: skip
    n_bars_per_second = models.FloatField(null=True, blank=True)
    report = models.CharField(
        max_length=500, blank=True, help_text="What the owner said about a failure."
    )
    reported_at = models.DateTimeField(null=True, blank=True)
    log = models.JSONField(default=list, help_text="Last 50 lines: [{at, text}]")

    class Meta:
        indexes = [
            models.Index(fields=["user", "-created_at"], name="backtest_newest"),
            models.Index(
                fields=["lease_expires_at"],
                name="backtest_unfinished",
                condition=Q(status__in=["QUEUED", "RUNNING"]),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(progress__gte=0, progress__lte=1), name="backtest_progress_0_1"
            ),
            models.CheckConstraint(condition=Q(cash__gt=0), name="backtest_cash_positive"),
            models.UniqueConstraint(
                fields=["user", "client_key"],
                name="backtest_client_key_unique",
                condition=~Q(client_key=""),
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.strategy_key} on {self.instrument_id}"


class BacktestTag(models.Model):
    """A word its owner files a backtest under."""

    backtest = models.ForeignKey(Backtest, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=24)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["backtest", "name"], name="backtest_tag_once"),
        ]
        indexes = [models.Index(fields=["name"], name="backtest_tag_name")]

    def __str__(self) -> str:
        return self.name


class BacktestShare(models.Model):
    """A link with which anybody may read one result, until its owner takes it back."""

    backtest = models.ForeignKey(Backtest, on_delete=models.CASCADE, related_name="shares")
    token = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["backtest"],
                name="backtest_share_open_once",
                condition=Q(revoked_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        # The token is the key; a log or a list of the staff must not carry it.
        return f"share of {self.backtest_id}"


class BacktestResult(models.Model):
    """What a backtest found; written once with its manifest, never edited."""

    backtest = models.OneToOneField(Backtest, on_delete=models.CASCADE, related_name="result")
    metrics = models.JSONField(help_text="Whole span, in-sample and out-of-sample.")
    by_regime = models.JSONField()
    honesty = models.JSONField(help_text="Verdict sentence and its rows.")
    curve = models.JSONField(help_text="Down-sampled: closed_at, equity, drawdown, benchmark …")
    round_trips = models.JSONField()
    daily = models.JSONField(
        default=dict, help_text="Equity of the account and of holding at each day's last bar."
    )
    monthly = models.JSONField()
    drawdowns = models.JSONField(default=list, help_text="The ten deepest, with their dates.")
    costs = models.JSONField(
        default=dict, help_text="Parts, and the run at multiples of its costs."
    )
    per_instrument = models.JSONField(default=list, help_text="Rows of a portfolio run.")
    decisions = models.JSONField(default=dict, help_text="How often each decision was taken, why.")
    manifest = models.JSONField(help_text="Code, data hash, parameters, seed, versions.")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"result of {self.backtest_id}"
