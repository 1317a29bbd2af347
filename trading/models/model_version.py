"""Trained models: how they came to be, what they are, and who let them decide."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from elson.common.models import choices_of
from trading.engine.learning.models import ModelKind
from trading.models.immutable import ImmutableModel
from trading.models.leased import JobModel, JobStatus


class ModelTraining(JobModel):
    """One requested training; a worker holds it by a lease, a sweeper takes over when it lapses.

    Yearly models are stored one by one (`ModelArtifact`): a worker that was killed loses the year
    it was at, and the next one goes on from there.
    """

    Status = JobStatus

    class Phase(models.TextChoices):
        """What the worker is doing."""

        QUEUED = "QUEUED", "Queued"
        LOADING = "LOADING", "Labeling candidates"
        FITTING = "FITTING", "Training year by year"
        MEASURING = "MEASURING", "Measuring out of sample"
        DONE = "DONE", "Done"

    class Trigger(models.TextChoices):
        """What set it off."""

        REQUEST = "REQUEST", "Asked for"
        FIRST = "FIRST", "First model"
        AGE = "AGE", "Newer prices"
        DRIFT = "DRIFT", "Drift"

    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True,
        related_name="+", help_text="Empty: the schedule or the installation.",
    )  # fmt: skip
    trigger = models.CharField(max_length=8, choices=Trigger.choices, default=Trigger.REQUEST)
    strategy_key = models.CharField(max_length=60, default="hybrid")
    kind = models.CharField(max_length=24, choices=choices_of(ModelKind))
    seed = models.PositiveIntegerField(default=7)
    symbols = models.JSONField(default=list, help_text="Instruments whose candidates are learned.")
    source = models.CharField(max_length=200, default="database", help_text="database or a folder")
    note = models.CharField(max_length=200, blank=True)
    client_key = models.CharField(max_length=80, unique=True, null=True, blank=True)

    status = models.CharField(max_length=9, choices=Status.choices, default=Status.QUEUED)
    phase = models.CharField(max_length=10, choices=Phase.choices, default=Phase.QUEUED)
    detail = models.CharField(max_length=120, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["lease_expires_at"],
                name="training_unfinished",
                condition=Q(status__in=["QUEUED", "RUNNING"]),
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(progress__gte=0, progress__lte=1), name="training_progress_0_1"
            )
        ]

    def __str__(self) -> str:
        return f"training #{self.pk} of {self.strategy_key}"


class ModelArtifact(models.Model):
    """One trained model of a training; decides from `valid_from` until the next one begins.

    It has seen nothing that was known only after `valid_from`.
    """

    training = models.ForeignKey(ModelTraining, on_delete=models.CASCADE, related_name="artifacts")
    valid_from = models.DateTimeField()
    artifact = models.JSONField(help_text="Flat arrays of the model; FittedModel.to_dict().")
    content_hash = models.CharField(max_length=64)
    rows_hash = models.CharField(
        max_length=64, blank=True, default="", help_text="Of the rows it learned from."
    )
    n_train = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["training", "valid_from"], name="artifact_unique")
        ]

    def __str__(self) -> str:
        return f"model from {self.valid_from:%Y-%m-%d} of training #{self.training_id}"


class ModelVersion(models.Model):
    """A finished training that may decide: candidate, shadow, active or retired.

    `metrics` are out of sample: each year was predicted by the model trained before it.
    """

    class State(models.TextChoices):
        """What it is used for."""

        CANDIDATE = "CANDIDATE", "Candidate"
        SHADOW = "SHADOW", "Shadow"
        ACTIVE = "ACTIVE", "Active"
        RETIRED = "RETIRED", "Retired"

    training = models.OneToOneField(ModelTraining, on_delete=models.PROTECT, related_name="version")
    strategy_key = models.CharField(max_length=60)
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=24, choices=choices_of(ModelKind))
    state = models.CharField(max_length=9, choices=State.choices, default=State.CANDIDATE)
    content_hash = models.CharField(max_length=64, help_text="SHA-256 over all its models.")
    data_hash = models.CharField(max_length=64, help_text="SHA-256 over the bars it learned from.")
    code_version = models.CharField(max_length=40, blank=True)
    features = models.JSONField(default=list, help_text="Names in the order of the columns.")
    trained_from = models.DateField(help_text="First candidate it learned from.")
    trained_until = models.DateField(help_text="Last result it learned from.")
    tested_from = models.DateField(help_text="First candidate predicted out of sample.")
    n_train = models.PositiveIntegerField(help_text="Candidates the newest model learned from.")
    n_tested = models.PositiveIntegerField(help_text="Candidates predicted out of sample.")
    n_instruments = models.PositiveIntegerField()
    veto_share = models.FloatField(help_text="Share of candidates the gate may refuse.")
    metrics = models.JSONField(default=dict, help_text="{all, regimes, null, by_year}, see docs.")
    reference = models.JSONField(
        default=dict, help_text="Quantiles of features and scores, mix of regimes in training."
    )
    gates = models.JSONField(
        default=list, help_text="Last comparison: [{name, value, limit, is_passed, text}]"
    )
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["strategy_key", "number"], name="modelversion_number_unique"
            ),
            models.UniqueConstraint(
                fields=["strategy_key"],
                name="modelversion_one_active",
                condition=Q(state="ACTIVE"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.strategy_key} model {self.number}"


class ModelTransition(ImmutableModel):
    """One change of a version's state: who, why, and what the gates said then."""

    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="transitions")
    from_state = models.CharField(max_length=9, choices=ModelVersion.State.choices, blank=True)
    to_state = models.CharField(max_length=9, choices=ModelVersion.State.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True,
        related_name="+", help_text="Empty: the platform.",
    )  # fmt: skip
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    reason = models.CharField(max_length=300)
    gates = models.JSONField(default=list)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["version", "created_at"], name="modeltransition_history")]

    def __str__(self) -> str:
        return f"{self.from_state or 'new'} → {self.to_state}"


class ModelApproval(ImmutableModel):
    """One person's wish to see a version active; two different people where that is required."""

    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="approvals")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=300)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"approval of {self.version_id} by {self.user_id}"
