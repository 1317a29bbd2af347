"""Empty every table: Django's command, which SQLite's guards of immutable rows would stop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.commands import flush
from django.db import connections, transaction

from elson.common.row_guards import TRIGGER_PREFIX


class Command(flush.Command):
    """Lift the guards, empty the tables, set the guards again."""

    def handle(self, **options: Any) -> None:
        """Run Django's flush between the two."""
        with _guards_lifted(options["database"]):
            super().handle(**options)


@contextmanager
def _guards_lifted(database: str) -> Iterator[None]:
    connection = connections[database]
    # PostgreSQL empties tables by TRUNCATE, which fires no row trigger.
    if connection.vendor != "sqlite":
        yield
        return
    # In one transaction: a crash in the middle leaves the guards in place.
    with transaction.atomic(using=database), connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE %s",
            [f"{TRIGGER_PREFIX}%"],
        )
        guards = cursor.fetchall()
        for name, _ in guards:
            cursor.execute(f"DROP TRIGGER {name}")
        yield
        for _, sql in guards:
            cursor.execute(sql)
