"""Let the database refuse changes to rows that are history."""

from django.db import migrations

from elson.common.row_guards import guard_table, unguard_table

TABLES = (
    "trading_journalentry",
    "trading_posting",
    "trading_orderevent",
    "trading_fill",
    "trading_decision",
)


def guard(apps, schema_editor):
    for table in TABLES:
        guard_table(schema_editor, table)


def unguard(apps, schema_editor):
    for table in TABLES:
        unguard_table(schema_editor, table)


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0003_order_book_and_cost_basis"),
    ]

    operations = [migrations.RunPython(guard, unguard)]
