"""What staff did to what belongs to somebody else, and why."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from trading.models.immutable import ImmutableModel


class StaffAct(ImmutableModel):
    """One act of staff: written with what it did, never changed, and kept when the row is gone.

    `kind` and `row_id` instead of a foreign key: a row that is deleted with its owner must not take
    this one along, and a guarded row cannot be set to NULL.
    """

    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    act = models.CharField(max_length=20)
    kind = models.CharField(max_length=20, help_text="Name of the table.")
    row_id = models.PositiveBigIntegerField()
    row = models.CharField(max_length=160, help_text="What it was called then.")
    reason = models.CharField(max_length=300)
    before = models.CharField(max_length=20, help_text="State when it was asked for.")
    after = models.CharField(max_length=20, help_text="State it left.")
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["kind", "row_id", "-created_at"], name="staffact_of_row")]

    def __str__(self) -> str:
        return f"{self.act} {self.row}"
