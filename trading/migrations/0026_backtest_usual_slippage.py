"""Add the class's slippage and impact to what a backtest may charge."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("trading", "0025_book_changes")]

    operations = [
        migrations.AddField(
            model_name="backtest",
            name="has_usual_slippage",
            field=models.BooleanField(
                default=False,
                help_text="Add the class's slippage and impact to the usual costs.",
            ),
        ),
    ]
