#!/usr/bin/env python
"""Elson's command line: every command a developer or operator types."""

import json
import os
import sys


def main() -> None:
    """Check every setting at once, then run the command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "elson.settings.development")
    from elson.settings.environment import (  # noqa: TID251  before Django exists
        EXIT_CONFIGURATION,
        SettingsFaults,
        check_environment,
        read_dotenv,
    )

    read_dotenv(os.environ)
    try:
        check_environment(os.environ)
    except SettingsFaults as faults:
        sys.stderr.write(f"{faults}\n")
        if "--json" in sys.argv:
            sys.stdout.write(json.dumps({"ok": False, "faults": faults.lines}) + "\n")
        raise SystemExit(EXIT_CONFIGURATION) from None

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
