"""Searches of parameters, their trials, and what a repeated search proposes."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from elson.common.models import TimestampedModel
from trading.models.leased import LeasedModel


class Study(TimestampedModel):
    """One search; its rows are the whole state, so any worker and any page can pick it up."""

    class Status(models.TextChoices):
        """Where it is."""

        RUNNING = "RUNNING", "Running"
        PAUSED = "PAUSED", "Paused"
        STOPPED = "STOPPED", "Stopped"
        SUCCEEDED = "SUCCEEDED", "Done"
        FAILED = "FAILED", "Failed"

    class Method(models.TextChoices):
        """How the space is walked."""

        GRID = "GRID", "Grid: every combination"
        RANDOM = "RANDOM", "Random"
        TPE = "TPE", "TPE: learns from its trials"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="studies"
    )
    strategy_key = models.CharField(max_length=60)
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, related_name="+"
    )
    timeframe = models.CharField(max_length=3, default="1d")
    start_date = models.DateField(null=True, blank=True)
    end_date = models.DateField(help_text="Fixed at the request, so that new bars change nothing.")
    space = models.JSONField(help_text="Moving parameters: low, high, step, log or choices.")
    fixed = models.JSONField(default=dict, help_text="Parameters that do not move.")
    method = models.CharField(max_length=6, choices=Method.choices, default=Method.RANDOM)
    n_trials = models.PositiveIntegerField()
    n_trials_asked = models.PositiveIntegerField(
        null=True, blank=True, help_text="By the request; empty before this was kept."
    )
    end_date_asked = models.DateField(
        null=True, blank=True, help_text="By the request; empty for the newest bar."
    )
    n_folds = models.PositiveSmallIntegerField(default=5)
    holdout_share = models.FloatField(default=0.2)
    dispersion_weight = models.FloatField(default=0.5)
    fewest_trades = models.PositiveIntegerField(default=20)
    deepest_drawdown = models.FloatField(default=-1.0)
    cash = models.DecimalField(max_digits=24, decimal_places=8, default=100_000)
    commission_bps = models.FloatField(default=0)
    slippage_bps = models.FloatField(default=0)
    has_regime_costs = models.BooleanField(default=False)
    has_usual_slippage = models.BooleanField(
        default=False, help_text="Add the class's slippage and impact to the usual costs."
    )
    seed = models.PositiveIntegerField(default=7)
    n_workers = models.PositiveSmallIntegerField(default=2)
    note = models.CharField(max_length=200, blank=True)
    client_key = models.CharField(max_length=80, blank=True)
    model_version = models.ForeignKey(
        "trading.ModelVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        help_text="Active at the request and kept: every worker asks it; empty, the rule decides.",
    )  # fmt: skip
    parent = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="repeats",
        help_text="The study this one repeats on newer bars.",
    )  # fmt: skip

    status = models.CharField(max_length=9, choices=Status.choices, default=Status.RUNNING)
    n_done = models.PositiveIntegerField(default=0, help_text="Finished trials, failed included.")
    n_failed = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField(
        null=True, blank=True, help_text="When the sweeper looks again; renewed by every chunk."
    )
    slowest_seconds = models.FloatField(default=0, help_text="Of its trials; sizes the leases.")
    n_revivals = models.PositiveIntegerField(
        default=0, help_text="Times the sweeper sent it again since the last finished chunk."
    )
    error_code = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True)
    judgement = models.JSONField(null=True, blank=True, help_text="Verdict on all finished trials.")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    holdout_opened_at = models.DateTimeField(null=True, blank=True)
    holdout_trial = models.PositiveIntegerField(null=True, blank=True)
    holdout = models.JSONField(null=True, blank=True, help_text="Opened once, never again.")

    repeats_every_days = models.PositiveSmallIntegerField(null=True, blank=True)
    repeats_at = models.DateTimeField(null=True, blank=True)
    repeats_for = models.ForeignKey(
        "trading.Strategy", on_delete=models.SET_NULL, null=True, blank=True, related_name="+",
        help_text="The strategy a repeated search makes proposals for.",
    )  # fmt: skip

    class Meta:
        verbose_name_plural = "studies"
        indexes = [
            models.Index(fields=["user", "-created_at"], name="study_newest"),
            models.Index(
                fields=["lease_expires_at"], name="study_running", condition=Q(status="RUNNING")
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(n_failed__lte=models.F("n_done")) & Q(n_done__lte=models.F("n_trials")),
                name="study_counts_ordered",
            ),
            models.CheckConstraint(
                condition=Q(holdout_share__gte=0.15, holdout_share__lte=0.5),
                name="study_holdout_locked",
            ),
            models.UniqueConstraint(
                fields=["user", "client_key"],
                name="study_client_key_unique",
                condition=~Q(client_key=""),
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.strategy_key} on {self.instrument_id}"


class StudyChunk(LeasedModel):
    """Trials that are not finished: those one worker holds by a lease, or those nobody holds."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="chunks")
    first = models.PositiveIntegerField(help_text="Number of its first trial.")
    n_trials = models.PositiveIntegerField()
    parameters = models.JSONField(
        default=list,
        blank=True,
        help_text="Of the moving ones, per trial; empty: drawn from the seed, or not yet suggested",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "first"], name="chunk_first_unique"),
            models.CheckConstraint(condition=Q(n_trials__gte=1), name="chunk_not_empty"),
        ]

    def __str__(self) -> str:
        return f"trials {self.first} to {self.first + self.n_trials - 1} of study {self.study_id}"


class Trial(models.Model):
    """One finished combination of parameters and what it showed."""

    class Status(models.TextChoices):
        """How it ended."""

        DONE = "DONE", "Done"
        FAILED = "FAILED", "Failed"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="trials")
    number = models.PositiveIntegerField()
    parameters = models.JSONField(default=dict, help_text="Of the moving ones.")
    status = models.CharField(max_length=7, choices=Status.choices)
    objective = models.FloatField(null=True, blank=True, help_text="Empty: a constraint is broken.")
    in_sample_sharpe = models.FloatField(null=True, blank=True)
    out_of_sample_sharpe = models.FloatField(null=True, blank=True)
    dispersion = models.FloatField(null=True, blank=True)
    n_trades = models.PositiveIntegerField(null=True, blank=True)
    max_drawdown = models.FloatField(null=True, blank=True)
    total_return = models.FloatField(null=True, blank=True)
    bar_sharpe = models.FloatField(null=True, blank=True)
    folds = models.JSONField(default=dict, help_text="Per fold in- and out-of-sample.")
    blocks = models.BinaryField(
        default=b"",
        help_text="Of returns per block, float64: the sums, then the sums of squares. Only the "
        "verdict reads them, thousands at once.",
    )
    refusal = models.CharField(max_length=200, blank=True, help_text="Which constraint it breaks.")
    error = models.CharField(max_length=300, blank=True)
    finished_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "number"], name="trial_number_unique")
        ]
        indexes = [
            models.Index(fields=["study", "status", "number"], name="trial_next"),
            models.Index(fields=["study", "-objective"], name="trial_best"),
        ]

    def __str__(self) -> str:
        return f"trial {self.number} of study {self.study_id}"


class StudyProposal(TimestampedModel):
    """What a repeated search found, offered to a person when it passed every gate."""

    class Status(models.TextChoices):
        """Where it is."""

        WITHHELD = "WITHHELD", "Not offered"
        OFFERED = "OFFERED", "Offered"
        ACCEPTED = "ACCEPTED", "Accepted"
        REJECTED = "REJECTED", "Rejected"

    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="proposal")
    strategy = models.ForeignKey(
        "trading.Strategy", on_delete=models.CASCADE, related_name="proposals"
    )
    champion = models.ForeignKey(
        "trading.StrategyVersion", on_delete=models.CASCADE, related_name="+"
    )
    parameters = models.JSONField()
    gates = models.JSONField(help_text="[{name, value, must, is_met}] in the order checked.")
    status = models.CharField(max_length=8, choices=Status.choices)
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(
        max_length=300, blank=True, help_text="Why it was rejected, in its owner's words."
    )
    version = models.ForeignKey(
        "trading.StrategyVersion", on_delete=models.SET_NULL, null=True, blank=True,
        related_name="+", help_text="The draft made when it was accepted.",
    )  # fmt: skip

    class Meta:
        indexes = [models.Index(fields=["strategy", "status"], name="proposal_open")]

    def __str__(self) -> str:
        return f"proposal of study {self.study_id}"
