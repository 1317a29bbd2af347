"""Make what a start needs: tables, real prices, demo people, static files."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from elson.serving import prepare


class Command(BaseCommand):
    """Prepare this installation; quick when nothing changed."""

    help = (
        "Make what is missing: database tables, real prices, demo and staff users, static files.\n"
        "Example: python manage.py prepare"
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--force", action="store_true", help="run every step again")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, **options: Any) -> None:
        """Run the steps."""
        say = self.stderr.write if options["as_json"] else self.stdout.write
        done = prepare.prepare(lambda line: say(line), is_forced=options["force"])
        if options["as_json"]:
            self.stdout.write(json.dumps({"done": done}))
        elif not done:
            self.stdout.write("Everything is prepared: nothing to do.")
