"""What commands share: how they end, and a help that shows examples as written."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand

REFUSED = 1
USAGE = 2
TRY_LATER = 75


class ExampleCommand(BaseCommand):
    """A command whose help ends with `examples`, line breaks kept."""

    examples = ""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Put the examples below the options."""
        return super().create_parser(
            prog_name,
            subcommand,
            formatter_class=RawDescriptionHelpFormatter,
            epilog=self.examples,
            **kwargs,
        )
