"""Reading many rows as of one moment while others write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Let every read inside see the database as the first of them saw it; nobody is held up.

    Read Committed shows each statement what has landed since the one before, so sums of two
    statements may differ though the books never did. Inside a transaction somebody else has begun,
    that one decides what is seen.
    """
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
    else:
        with _deferred(), transaction.atomic():
            yield


@contextmanager
def _deferred() -> Iterator[None]:
    """Begin SQLite's transactions without its write lock, which a reader does not need."""
    kept = connection.transaction_mode  # type: ignore[attr-defined]  # only SQLite has it
    connection.transaction_mode = "DEFERRED"  # type: ignore[attr-defined]
    try:
        yield
    finally:
        connection.transaction_mode = kept  # type: ignore[attr-defined]
