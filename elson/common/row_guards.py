"""Triggers that make the database refuse to change or remove rows that are history."""

from __future__ import annotations

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TRIGGER_PREFIX = "immutable_"


def guard_table(schema_editor: BaseDatabaseSchemaEditor, table: str) -> None:
    """Make the database itself refuse UPDATE and DELETE of a row of this table.

    SQLite loses a table's triggers when a later migration rebuilds it: that migration must call
    this again, and a test looks at every guarded table after all migrations. PostgreSQL's TRUNCATE
    (what `flush` uses) fires no row trigger; for SQLite our `flush` lifts the triggers.
    """
    schema_editor.execute(_unguard_sql(schema_editor.connection.vendor, table))
    for statement in _guard_sql(schema_editor.connection.vendor, table):
        # None, not (): PostgreSQL's driver would read the % of the message as a placeholder.
        schema_editor.execute(statement, params=None)


def guard_columns(
    schema_editor: BaseDatabaseSchemaEditor, table: str, columns: tuple[str, ...]
) -> None:
    """Make the database refuse to change these columns of a row; others may, rows may go."""
    unguard_columns(schema_editor, table)
    for statement in _guard_columns_sql(schema_editor.connection.vendor, table, columns):
        schema_editor.execute(statement, params=None)


def unguard_columns(schema_editor: BaseDatabaseSchemaEditor, table: str) -> None:
    """Undo `guard_columns`, for a migration run backwards."""
    suffix = f" ON {table}" if schema_editor.connection.vendor == "postgresql" else ""
    schema_editor.execute(f"DROP TRIGGER IF EXISTS {TRIGGER_PREFIX}columns_{table}{suffix}")


def unguard_table(schema_editor: BaseDatabaseSchemaEditor, table: str) -> None:
    """Undo `guard_table`, for a migration run backwards."""
    schema_editor.execute(_unguard_sql(schema_editor.connection.vendor, table))
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {TRIGGER_PREFIX}delete_{table}")


def _guard_sql(vendor: str, table: str) -> list[str]:
    if vendor == "postgresql":
        return [
            """
            CREATE OR REPLACE FUNCTION elson_row_immutable() RETURNS trigger AS $$
            BEGIN
                RAISE EXCEPTION '% row % is never changed or removed', TG_TABLE_NAME, OLD.id
                USING ERRCODE = 'restrict_violation';
            END $$ LANGUAGE plpgsql
            """,
            f"CREATE TRIGGER {TRIGGER_PREFIX}row BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION elson_row_immutable()",
        ]
    return [
        f"CREATE TRIGGER IF NOT EXISTS {TRIGGER_PREFIX}{verb.lower()}_{table} "
        f"BEFORE {verb} ON {table} BEGIN "
        f"SELECT RAISE(ABORT, '{table} row is never changed or removed'); END"
        for verb in ("UPDATE", "DELETE")
    ]


def _guard_columns_sql(vendor: str, table: str, columns: tuple[str, ...]) -> list[str]:
    words = f"{', '.join(columns)} of a {table} row are never changed"
    name = f"{TRIGGER_PREFIX}columns_{table}"
    if vendor == "postgresql":
        changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
        return [
            f"""
            CREATE OR REPLACE FUNCTION {name}() RETURNS trigger AS $$
            BEGIN
                RAISE EXCEPTION '{words}' USING ERRCODE = 'restrict_violation';
            END $$ LANGUAGE plpgsql
            """,
            f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({changed}) "
            f"EXECUTE FUNCTION {name}()",
        ]
    changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in columns)
    return [
        f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} WHEN {changed} "
        f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
    ]


def _unguard_sql(vendor: str, table: str) -> str:
    if vendor == "postgresql":
        return f"DROP TRIGGER IF EXISTS {TRIGGER_PREFIX}row ON {table}"
    return f"DROP TRIGGER IF EXISTS {TRIGGER_PREFIX}update_{table}"
