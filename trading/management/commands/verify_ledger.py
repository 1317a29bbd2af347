"""Check the books against their invariants.

Example: manage.py verify_ledger --portfolio 3 --json
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from elson.common.snapshots import one_snapshot
from trading.selectors.ledger_checks import ledger_summary, ledger_verify
from trading.selectors.portfolios import portfolio_by_pk


class Command(BaseCommand):
    """Exit 0 when every invariant holds, 1 naming the first bad row."""

    help = "Check the double-entry books: exit 1 names the first row that breaks an invariant."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--portfolio", type=int, help="only this portfolio's id")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check and report."""
        number = options["portfolio"]
        portfolio = portfolio_by_pk(number) if number is not None else None
        if number is not None and portfolio is None:
            raise CommandError(f"there is no portfolio {number}", returncode=2)
        with one_snapshot():
            violations = ledger_verify(portfolio)
            counts = ledger_summary(portfolio)
        if options["json"]:
            report = {
                "is_sound": not violations,
                **counts,
                "violations": [asdict(item) for item in violations],
            }
            self.stdout.write(json.dumps(report))
        elif not violations:
            self.stdout.write(
                f"The books are sound: {counts['n_entries']:,} entries of "
                f"{counts['n_portfolios']:,} portfolios sum to 0."
            )
        if violations:
            first = violations[0]
            self.stderr.write(f"{first.invariant} {first.row}: {first.message}")
            sys.exit(1)
