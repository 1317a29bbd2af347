"""Rows that are written once: refused by the model, and by the database for everybody else."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models

from elson.common.errors import Conflict
from elson.common.row_guards import TRIGGER_PREFIX

__all__ = ["TRIGGER_PREFIX", "ImmutableModel", "ImmutableQuerySet", "RowImmutable"]


class RowImmutable(Conflict):
    """Somebody tried to change a row that is history."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "ROW_IMMUTABLE", f"a {name} is never changed or removed; post a correcting one"
        )


class ImmutableQuerySet(models.QuerySet[Any]):
    """Reads and inserts only."""

    def update(self, **values: Any) -> NoReturn:
        """Refuse."""
        raise RowImmutable(str(self.model._meta.verbose_name))

    def delete(self) -> NoReturn:
        """Refuse."""
        raise RowImmutable(str(self.model._meta.verbose_name))


class ImmutableModel(models.Model):
    """A row that can be inserted and read, nothing else.

    The same is said by a trigger on the table (`elson.common.row_guards`), because cascades, raw
    SQL and other programs do not pass through this class.
    """

    objects = ImmutableQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, **options: Any) -> None:
        """Insert; refuse a second time."""
        if not self._state.adding:
            raise RowImmutable(str(self._meta.verbose_name))
        super().save(**{**options, "force_insert": True})

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        """Refuse."""
        raise RowImmutable(str(self._meta.verbose_name))
