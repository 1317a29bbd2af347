"""Compile the engine's kernels for this machine before anybody waits for them."""

from __future__ import annotations

import json
import os
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from elson import kernels
from elson.common import progress
from elson.common.commands import TRY_LATER, ExampleCommand


class Command(ExampleCommand):
    """Fill numba's cache; quick when nothing changed."""

    help = "Compile what pages, runners and backtests call; minutes on a new machine, quick after."
    examples = """Examples:
  python manage.py compile_kernels                    # what is missing, with a bar
  python manage.py compile_kernels --force            # every part, also what failed before
  nice python manage.py compile_kernels --json        # parts and seconds for a script
"""
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--force",
            action="store_true",
            help="go through every part again, also what failed before",
        )
        parser.add_argument(
            "--background", action="store_true", help="give way to others, end after the caller"
        )
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, **options: Any) -> None:
        """Compile; exit code 75 where another process is at it."""
        caller = os.getppid() if options["background"] else None
        if caller is not None:
            os.nice(10)
        started = time.monotonic()
        say = self.stderr.write if options["as_json"] else self.stdout.write
        bar: list[progress.Bar] = []

        def show(n_done: int, n_parts: int, part: str) -> None:
            if caller is not None and os.getppid() != caller:
                raise SystemExit(0)
            if not bar:
                bar.append(progress.Bar("compiling", total=n_parts, unit="parts", say=say))
            bar[0].show(n_done)

        try:
            n_parts = kernels.kernels_compile(say=say, show=show, is_forced=options["force"])
        except kernels.KernelsBusy:
            raise CommandError(
                "another process compiles already; try again later", returncode=TRY_LATER
            ) from None
        finally:
            for one in bar:
                one.close()
        seconds = round(time.monotonic() - started, 1)
        if options["as_json"]:
            self.stdout.write(json.dumps({"parts": n_parts, "seconds": seconds}))
        elif n_parts:
            self.stdout.write(f"Compiled {n_parts} parts in {seconds:g} s.")
        else:
            self.stdout.write("Everything is compiled: nothing to do.")
