"""Why a proposal was rejected."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("trading", "0030_ledger_key_described"),
    ]

    operations = [
        migrations.AddField(
            model_name="studyproposal",
            name="reason",
            field=models.CharField(
                blank=True, help_text="Why it was rejected, in its owner's words.", max_length=300
            ),
        ),
    ]
