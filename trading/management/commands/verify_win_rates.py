"""`manage.py verify_win_rates`: test a strategy's win rates on a folder of real prices."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from elson.common.commands import REFUSED, ExampleCommand
from elson.common.progress import PhaseLine
from trading.management.options import refusals

PROTOCOL = "vol-robustness-v1"
EXAMPLES = """examples:
  manage.py verify_win_rates --data ../bars
  manage.py verify_win_rates --data ../bars --train-data ../other-bars --json
  manage.py verify_win_rates --data ../bars --strategy sma_cross --no-store

The folder holds manifest.csv, SHA256SUMS and one CSV per instrument. Every table comes with its
sample, its interval and its null; docs/research/win-rates.md explains them.

exit codes: 0 every must is met; 1 a must is missed (each is named) or the folder is refused;
2 wrong use"""


class Command(ExampleCommand):
    """Walk forward, compare with the nulls, run the controls, judge the goals; store the report."""

    help = "Test a strategy's win rates by regime on real prices, next to their nulls."
    examples = EXAMPLES
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what may be given."""
        add = parser.add_argument
        add("--data", metavar="DIR", type=Path, required=True, help="folder under test")
        add(
            "--train-data",
            metavar="DIR",
            type=Path,
            help="models learn from this folder only (default: walk-forward within --data)",
        )
        add("--protocol", metavar="NAME", default=PROTOCOL, help=f"default: {PROTOCOL}")
        add("--strategy", metavar="KEY", default="hybrid", help="default: hybrid")
        add(
            "--json",
            action="store_true",
            dest="is_json",
            help="one JSON object on stdout, nothing else",
        )
        add(
            "--no-store",
            action="store_false",
            dest="is_stored",
            help="do not keep the report in the database",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify; exit 1 naming each missed must."""
        report = self._report(options)
        self._write(report, is_json=options["is_json"])
        if options["is_stored"]:
            self._store(report)
        if report["missed"]:
            from trading.services.evidence.text import missed_text

            self.stderr.write(missed_text(report))
            sys.exit(1)

    def _report(self, options: dict[str, Any]) -> dict[str, Any]:
        from trading.services.evidence.verification import verification_run

        try:
            with PhaseLine(sys.stderr, total=100, unit="%") as progress:
                return verification_run(
                    path=options["data"],
                    train_path=options["train_data"],
                    strategy_key=options["strategy"],
                    protocol=options["protocol"],
                    now=timezone.now(),
                    progress=progress.draw,
                )
        except refusals() as error:
            raise CommandError(str(error), returncode=REFUSED) from None

    def _store(self, report: dict[str, Any]) -> None:
        """Keep the report where there is a database; say so where there is none.

        What took minutes to find is printed before, and no database takes it back.
        """
        from django.db import DatabaseError

        from trading.services.evidence.records import performance_record

        try:
            performance_record(report=report, now=timezone.now())
        except DatabaseError as error:
            reason = str(error).strip().splitlines()[0]
            self.stderr.write(f"The report is not stored, the database refuses it: {reason}")

    def _write(self, report: dict[str, Any], *, is_json: bool) -> None:
        from trading.services.evidence.text import report_text

        if is_json:
            self.stdout.write(json.dumps(report, allow_nan=False, separators=(",", ":")))
        else:
            self.stdout.write(report_text(report))
