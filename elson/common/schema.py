"""Tell a database that is older than the code from one that does not answer."""

from __future__ import annotations

import re

from django.db import OperationalError, ProgrammingError

# PostgreSQL's undefined_table and undefined_column.
_STATES = ("42P01", "42703")
# SQLite has one kind of error for everything and says it in words only.
_WORDS = re.compile(r"no such (table|column):|has no column named")


def is_schema_old(error: BaseException | None) -> bool:
    """Tell whether a query named a table or a column that the database does not have."""
    if isinstance(error, ProgrammingError):
        return getattr(error.__cause__, "pgcode", None) in _STATES
    return isinstance(error, OperationalError) and bool(_WORDS.search(str(error)))
