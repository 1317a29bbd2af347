"""`make check`: what a reviewer would ask for, each question named, timed and answered.

    python -m elson.tests.check            every question
    python -m elson.tests.check --quick    the ones that take seconds (make lint)
    python -m elson.tests.check --fix      put right what a tool can put right (make fix)

All questions are asked even when one fails, so that one round shows all there is to do.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from elson.bootstrap import ROOT

PYTHON = sys.executable
TEMPLATES = ["--target-version", "5.2"]


@dataclass(frozen=True)
class Question:
    """One tool run: what it asks, how it is called."""

    name: str
    command: list[str]
    is_quick: bool = False
    environment: dict[str, str] = field(default_factory=dict)


def _production() -> dict[str, str]:
    """Return a complete production environment without any server behind it."""
    return {
        "DJANGO_SETTINGS_MODULE": "elson.settings.production",
        "ELSON_SECRET_KEY": secrets.token_urlsafe(64),
        "ELSON_ALLOWED_HOSTS": "elson.example.com",
        "ELSON_PUBLIC_URL": "https://elson.example.com",
        "ELSON_STATE_DIR": str(ROOT / "var" / "test" / "production"),
        "DATABASE_URL": "postgres://elson:secret@db.example.com:5432/elson",
        "REDIS_URL": "redis://redis.example.com:6379/0",
    }


def questions() -> list[Question]:
    """Return every question, the slow ones first: two run at a time."""
    manage = [PYTHON, "manage.py"]
    testing = {"DJANGO_SETTINGS_MODULE": "elson.settings.testing"}
    return [
        Question("types (mypy)", [PYTHON, "-m", "mypy"]),
        Question("format (ruff format)", [PYTHON, "-m", "ruff", "format", "--check", "."], True),
        Question("lint (ruff check)", [PYTHON, "-m", "ruff", "check", "."], True),
        Question("import contracts (lint-imports)", lint_imports(), True),
        Question("template format (djade)", [*_djade(), "--check", *_templates()], True),
        Question(
            "models without a migration",
            [*manage, "makemigrations", "--check", "--dry-run"],
            environment=testing,
        ),
        Question(
            "production settings (check --deploy)",
            [*manage, "check", "--deploy", "--fail-level", "WARNING"],
            environment=_production(),
        ),
        Question(
            "house rules, templates and docs",
            [PYTHON, "-m", "pytest", "-q", "--no-header", "-m", "house", "elson/tests"],
        ),
    ]


def lint_imports() -> list[str]:
    """Return the call of import-linter; its script may not survive a move of the folder."""
    return [
        PYTHON,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
        "--no-logo",
    ]


def _djade() -> list[str]:
    return [str(Path(PYTHON).parent / "djade"), *TEMPLATES]


def _templates() -> list[str]:
    return [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("templates/**/*.html"))]


def fix() -> int:
    """Apply what the tools can put right by themselves."""
    for command in (
        [PYTHON, "-m", "ruff", "check", "--fix", "--exit-zero", "."],
        [PYTHON, "-m", "ruff", "format", "."],
        [*_djade(), *_templates()],
    ):
        subprocess.run(command, cwd=ROOT, check=False)
    return 0


def ask(question: Question) -> bool:
    """Run one tool; print its words only when it objects."""
    started = time.monotonic()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ELSON_")}
    done = subprocess.run(
        question.command,
        cwd=ROOT,
        env={**kept, **question.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    is_fine = done.returncode == 0
    mark = "✓" if is_fine else "✗"
    words = "" if is_fine else "\n" + done.stdout.rstrip() + "\n"
    sys.stdout.write(f"  {mark} {question.name:<40} {time.monotonic() - started:6.1f} s{words}\n")
    sys.stdout.flush()
    return is_fine


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make check", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only what takes seconds")
    parser.add_argument("--fix", action="store_true", help="put right what a tool can")
    options = parser.parse_args(arguments)
    if options.fix:
        return fix()
    asked = [question for question in questions() if question.is_quick or not options.quick]
    with ThreadPoolExecutor(max_workers=2) as pool:
        n_failed = list(pool.map(ask, asked)).count(False)
    sys.stdout.write(
        f"{n_failed} of {len(asked)} questions failed\n" if n_failed else "All fine.\n"
    )
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
