"""Costs of a version's own, and parameters, limits and costs the database never lets change."""

from django.db import migrations, models

from elson.common.row_guards import guard_columns, unguard_columns

TABLE = "trading_strategyversion"


def guard(apps, schema_editor):
    guard_columns(schema_editor, TABLE, ("parameters", "limits", "costs"))


def unguard(apps, schema_editor):
    unguard_columns(schema_editor, TABLE)


class Migration(migrations.Migration):
    dependencies = [("trading", "0013_trial_best_index")]

    operations = [
        migrations.AddField(
            model_name="strategyversion",
            name="costs",
            field=models.JSONField(
                default=dict,
                help_text="Costs its backtests pay, name: value; empty: the usual ones.",
            ),
        ),
        migrations.RunPython(guard, unguard),
    ]
