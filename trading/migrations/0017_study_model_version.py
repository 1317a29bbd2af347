"""A study asks one model version from its first trial to its last."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('trading', '0016_version_costs'),
    ]

    operations = [
        migrations.AddField(
            model_name='study',
            name='model_version',
            field=models.ForeignKey(blank=True, help_text='Active at the request and kept: every worker asks it; empty, the rule decides.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trading.modelversion'),
        ),
    ]
