"""Show every setting that is in force; the faults were told before this command began."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from elson.settings.documents import documents_write, typed
from elson.settings.environment import check_environment, environment_kind
from elson.settings.variables import VARIABLES, Variable


class Command(BaseCommand):
    """List the variables: name, where the value comes from, the value unless it is secret."""

    help = (
        "Check every environment variable at once; exit 78 with one line for each fault.\n"
        "Example: python manage.py validate_env --json"
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", dest="as_json")
        parser.add_argument(
            "--write-documents",
            action="store_true",
            help="write .env.example and docs/configuration.md from the list of variables",
        )

    def handle(self, **options: Any) -> None:
        """Print the table, or one JSON object."""
        if options["write_documents"]:
            for name in documents_write():
                self.stderr.write(f"wrote {name}")
        values = check_environment(os.environ)
        rows = [
            {
                "name": variable.name,
                "origin": _origin(variable),
                "value": _shown(variable, values[variable.name]),
            }
            for variable in VARIABLES
        ]
        kind = environment_kind(os.environ)
        if options["as_json"]:
            self.stdout.write(json.dumps({"ok": True, "settings": kind, "variables": rows}))
            return
        width = max(len(row["name"]) for row in rows)
        for row in rows:
            self.stdout.write(f"{row['name']:<{width}}  {row['origin']:<7}  {row['value']}")
        self.stdout.write(f"{len(rows)} variables, {kind} settings, no fault")


def _origin(variable: Variable) -> str:
    if os.environ.get(f"{variable.name}_FILE", "").strip():
        return "file"
    return "set" if os.environ.get(variable.name, "").strip() else "default"


def _shown(variable: Variable, value: Any) -> str:
    if variable.is_secret:
        return "(secret)" if value else "(empty)"
    return typed(value) or "(empty)"
