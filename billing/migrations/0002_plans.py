"""Mark proposed prices and store the three plans."""

from decimal import Decimal

from django.db import migrations, models

UNLIMITED = 2**31 - 1
PLANS = (
    (0, "free", "Free", "Learn on paper.", 0, 0),
    (1, "plus", "Plus", "More strategies, longer backtests.", 15, 150),
    (2, "pro", "Pro", "Everything, and live trading.", 39, 390),
)
ENTITLEMENTS = {
    "paper.accounts": (1, 3, 10),
    "stream.symbols": (20, 100, 250),
    "watchlists": (2, 10, 50),
    "watchlists.symbols": (20, 100, 250),
    "strategies.running": (1, 5, 20),
    "trading.live": (0, 0, 1),
    "backtests.per_day": (5, 50, 500),
    "backtests.years": (2, 10, UNLIMITED),
    "backtests.at_once": (1, 2, 4),
    "backtests.compare": (2, 4, 4),
    "optimize.trials_per_run": (0, 100, 2_000),
    "optimize.runs_per_day": (0, 3, 20),
    "models.detail": (0, 1, 1),
    "alerts.rules": (5, 50, 500),
    "alerts.webhook": (0, 1, 1),
    "api.tokens": (1, 3, 10),
    "history.days": (90, 730, UNLIMITED),
}


def store_plans(apps, schema_editor):
    plan_model = apps.get_model("billing", "Plan")
    for rank, key, name, summary, monthly, yearly in PLANS:
        plan_model.objects.get_or_create(
            key=key,
            defaults={
                "name": name,
                "summary": summary,
                "monthly_price": Decimal(monthly),
                "yearly_price": Decimal(yearly),
                "rank": rank,
                "is_price_proposed": monthly > 0,
                "entitlements": {key: values[rank] for key, values in ENTITLEMENTS.items()},
            },
        )


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name=name,
            name="is_price_proposed",
            field=models.BooleanField(
                default=True,
                help_text="Nothing can be sold at a proposed price; take the mark away to publish it.",
                verbose_name="price is a proposal",
            ),
        )
        for name in ("historicalplan", "plan")
    ] + [migrations.RunPython(store_plans, migrations.RunPython.noop)]
