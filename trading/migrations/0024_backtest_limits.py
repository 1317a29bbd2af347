from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('trading', '0023_leases_described'),
    ]

    operations = [
        migrations.AddField(
            model_name='backtest',
            name='limits',
            field=models.JSONField(blank=True, default=dict, help_text='Own limits of size, as of a strategy version: name: value.'),
        ),
    ]
