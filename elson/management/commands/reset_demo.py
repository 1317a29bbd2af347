"""Begin the demo afresh: a new portfolio, a new replay."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from elson.demo import demo_reset
from elson.serving.people import DEMO_EMAIL, sign_in_password


class Command(BaseCommand):
    """Retire the demo person of before and make a new one."""

    help = (
        "Give the demo user a fresh paper portfolio, replay and strategy; the old one is retired,\n"
        "its books stay. Example: python manage.py reset_demo"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--yes", action="store_true", help="also in production")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, **options: Any) -> None:
        """Reset and say so."""
        if not settings.IS_DEVELOPMENT and not options["yes"]:
            raise CommandError("resetting the demo user of a public site needs --yes")
        made = demo_reset(
            demo_password=sign_in_password(settings.STATE_DIR, DEMO_EMAIL), now=timezone.now()
        )
        if options["as_json"]:
            self.stdout.write(json.dumps({"created": made.created, "kept": made.kept}))
        elif options["verbosity"]:
            self.stdout.write(f"{DEMO_EMAIL} begins afresh")
