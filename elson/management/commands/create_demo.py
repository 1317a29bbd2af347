"""Make the demo person with a paper portfolio and a running strategy."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from elson.demo import demo_create
from elson.serving.people import DEMO_EMAIL, STAFF_EMAIL, sign_in_password, sign_ins_path


class Command(BaseCommand):
    """Make demo@elson.local, and staff@elson.local on a developer's machine."""

    help = (
        "Make the demo user with a paper portfolio and a running strategy; in development also a\n"
        "member of staff. Safe to run twice. Example: python manage.py create_demo"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--yes", action="store_true", help="also in production")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, **options: Any) -> None:
        """Make the people and say who is new."""
        if not settings.IS_DEVELOPMENT and not options["yes"]:
            raise CommandError("a demo user on a public site needs --yes")
        state = settings.STATE_DIR
        made = demo_create(
            demo_password=sign_in_password(state, DEMO_EMAIL),
            staff_password=sign_in_password(state, STAFF_EMAIL)
            if settings.IS_DEVELOPMENT
            else None,
            now=timezone.now(),
        )
        if options["as_json"]:
            self.stdout.write(json.dumps({"created": made.created, "kept": made.kept}))
        elif options["verbosity"]:
            self.stdout.write(f"created {', '.join(made.created) or 'nobody new'}")
            self.stdout.write(f"the passwords are in {sign_ins_path(state)}")
