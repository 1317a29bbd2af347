"""Double entry: every movement of money is an entry whose postings sum to zero."""

from __future__ import annotations

from django.db import models

from trading.models.immutable import ImmutableModel
from trading.models.portfolio import Portfolio


class LedgerAccount(models.Model):
    """One account of a portfolio's books; its balance is the sum of its postings."""

    class Kind(models.TextChoices):
        """Which side of the books."""

        CASH = "CASH", "Cash"
        POSITIONS = "POSITIONS", "Positions at cost"
        DEPOSITS = "DEPOSITS", "Deposits"
        COMMISSIONS = "COMMISSIONS", "Commissions"
        REALIZED_PNL = "REALIZED_PNL", "Realized profit and loss"

    portfolio = models.ForeignKey(
        Portfolio, on_delete=models.PROTECT, related_name="ledger_accounts"
    )
    kind = models.CharField(max_length=14, choices=Kind.choices)
    currency = models.CharField(max_length=3, default="USD")
    balance = models.DecimalField(
        max_digits=24,
        decimal_places=8,
        default=0,
        help_text="Sum of its postings, kept by each entry; verify_ledger compares.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "kind", "currency"], name="ledgeraccount_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.portfolio_id}"


class JournalEntry(ImmutableModel):
    """One business event in the books; immutable, corrections are reversing entries."""

    class Kind(models.TextChoices):
        """What happened."""

        OPENING = "OPENING", "Opening balance"
        FILL = "FILL", "Fill"
        REVERSAL = "REVERSAL", "Reversal"

    portfolio = models.ForeignKey(
        Portfolio, on_delete=models.PROTECT, related_name="journal_entries"
    )
    sequence = models.PositiveBigIntegerField(help_text="1, 2, 3 … without gaps in a portfolio.")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    description = models.CharField(max_length=200)
    source_key = models.CharField(max_length=120, help_text="One business event, one entry.")
    fill = models.ForeignKey(
        "trading.Fill", on_delete=models.PROTECT, null=True, blank=True, related_name="entries"
    )
    market_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["portfolio", "sequence"], name="entry_sequence_unique"),
            models.UniqueConstraint(fields=["portfolio", "source_key"], name="entry_source_unique"),
        ]

    def __str__(self) -> str:
        return f"#{self.sequence} {self.description}"


class Posting(ImmutableModel):
    """One line of an entry: debit positive, credit negative."""

    entry = models.ForeignKey(JournalEntry, on_delete=models.PROTECT, related_name="postings")
    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="postings")
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    amount = models.DecimalField(max_digits=24, decimal_places=8)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~models.Q(amount=0), name="posting_amount_not_zero")
        ]

    def __str__(self) -> str:
        return f"{self.amount} on {self.account_id}"
