"""Name where versions came from that were taken for edited by hand."""

from django.db import migrations, models

CHOICES = [
    ("USER", "Edited by hand"),
    ("SHIPPED", "Shipped with Elson"),
    ("BACKTEST", "Adopted from a backtest"),
    ("STUDY", "Adopted from an optimization"),
    ("PROPOSAL", "Proposed by a repeated optimization"),
]
SHIPPED_NOTE = "as shipped"
BACKTEST_NOTE = "from backtest #"


def name_sources(apps, schema_editor):
    by_hand = apps.get_model("trading", "StrategyVersion").objects.filter(source="USER")
    by_hand.filter(note=SHIPPED_NOTE).update(source="SHIPPED", note="")
    by_hand.filter(note__startswith=BACKTEST_NOTE).update(source="BACKTEST")


def forget_sources(apps, schema_editor):
    rows = apps.get_model("trading", "StrategyVersion").objects
    rows.filter(source="SHIPPED").update(source="USER", note=SHIPPED_NOTE)
    rows.filter(source="BACKTEST").update(source="USER")


class Migration(migrations.Migration):
    dependencies = [("trading", "0036_deployment_events")]

    operations = [
        migrations.AlterField(
            model_name="strategyversion",
            name="source",
            field=models.CharField(choices=CHOICES, default="USER", max_length=8),
        ),
        migrations.RunPython(name_sources, forget_sources),
    ]
