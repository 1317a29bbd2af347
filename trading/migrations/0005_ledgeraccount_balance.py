"""Keep each account's balance beside it."""

from decimal import Decimal

from django.db import migrations, models


def add_up(apps, schema_editor):
    account_rows = apps.get_model("trading", "LedgerAccount").objects
    posting_rows = apps.get_model("trading", "Posting").objects
    for account in account_rows.all():
        amounts = posting_rows.filter(account=account).values_list("amount", flat=True)
        account.balance = sum(amounts, Decimal(0))
        account.save(update_fields=["balance"])


class Migration(migrations.Migration):

    dependencies = [
        ("trading", "0004_immutable_rows"),
    ]

    operations = [
        migrations.AddField(
            model_name="ledgeraccount",
            name="balance",
            field=models.DecimalField(
                decimal_places=8,
                default=0,
                help_text="Sum of its postings, kept by each entry; verify_ledger compares.",
                max_digits=24,
            ),
        ),
        migrations.RunPython(add_up, migrations.RunPython.noop),
    ]
