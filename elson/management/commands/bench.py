"""`manage.py bench`: measure a performance goal beside the peers, or all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from elson.benchmarks.environment import PeersMissing
from elson.benchmarks.harness import FEWEST_ROUNDS, BenchError, bench_run
from elson.benchmarks.machine import machine, revision
from elson.benchmarks.registry import MODULES, UnknownBench, bench_get
from elson.benchmarks.report import REPORT, report_text, summary_text
from elson.bootstrap import ROOT, VAR, read_json, write_json
from elson.common.commands import REFUSED, TRY_LATER, USAGE, ExampleCommand

MOST_ROUNDS = 100
RESULTS = VAR / "bench"
EXAMPLES = """examples:
  manage.py bench sweep --json
  manage.py bench --all            every bench; writes docs/benchmarks.md (make bench)
  manage.py bench --report         writes it from what was measured last, bench by bench
  manage.py bench --list

exit codes: 0 measured (whether or not the goal is met: see "met"), 1 refused or results differ,
2 wrong use, 75 the peers cannot be installed now"""


class Command(ExampleCommand):
    """Run benches; the peers live in virtualenvs of their own, installed on the first call."""

    help = "Measure a performance goal side by side with its peers."
    examples = EXAMPLES
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what may be given."""
        add = parser.add_argument
        add("name", metavar="NAME", nargs="?", help=" ".join(MODULES))
        add("--all", action="store_true", dest="is_all", help=f"every bench; writes {REPORT}")
        add("--report", action="store_true", dest="is_report", help=f"write {REPORT} again")
        add("--list", action="store_true", dest="is_list", help="name, title and goals of each")
        add("--rounds", type=int, default=FEWEST_ROUNDS, help=f"default {FEWEST_ROUNDS}, the least")
        add("--json", action="store_true", dest="is_json", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure; refuse with one sentence."""
        self._check_usage(options)
        try:
            if options["is_list"]:
                self._list()
            elif options["is_all"]:
                self._run_all(options)
            elif options["is_report"]:
                self._write_report()
            else:
                self._run_one(options)
        except UnknownBench as error:
            raise CommandError(str(error), returncode=USAGE) from None
        except PeersMissing as error:
            raise CommandError(str(error), returncode=TRY_LATER) from None
        except BenchError as error:
            raise CommandError(str(error), returncode=REFUSED) from None

    def _check_usage(self, options: dict[str, Any]) -> None:
        ways = ("is_all", "is_list", "is_report", "name")
        if sum(bool(options[way]) for way in ways) != 1:
            names = ", ".join(MODULES)
            raise CommandError(f"Name one bench ({names}), or give --all.", returncode=USAGE)
        if not FEWEST_ROUNDS <= options["rounds"] <= MOST_ROUNDS:
            raise CommandError(
                f"--rounds {options['rounds']} must be from {FEWEST_ROUNDS} to {MOST_ROUNDS}.",
                returncode=USAGE,
            )

    def _list(self) -> None:
        for name in MODULES:
            bench = bench_get(name)
            goals = ", ".join(f"{goal.at_least:g}x {goal.peer}" for goal in bench.goals)
            self.stdout.write(f"{name:<10} {bench.title} ({goals})")

    def _run_one(self, options: dict[str, Any]) -> None:
        result = bench_run(
            bench_get(options["name"]),
            rounds=options["rounds"],
            report=self._say,
            machine=machine(),
        )
        result["revision"] = revision()
        result["measured_at"] = f"{timezone.now():%Y-%m-%d %H:%M} UTC"
        RESULTS.mkdir(parents=True, exist_ok=True)
        write_json(RESULTS / f"{result['name']}.json", result)
        if options["is_json"]:
            self.stdout.write(json.dumps(result, allow_nan=False, separators=(",", ":")))
        else:
            self.stdout.write(summary_text(result))

    def _run_all(self, options: dict[str, Any]) -> None:
        """Give each bench a process of its own, so that none inherits memory or threads."""
        failures = []
        for name in MODULES:
            (RESULTS / f"{name}.json").unlink(missing_ok=True)
            command = [sys.executable, "manage.py", "bench", name, "--json"]
            command += ["--rounds", str(options["rounds"])]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL)
            if done.returncode == TRY_LATER:
                raise PeersMissing(f"bench {name} could not install its peers; see above.")
            if done.returncode:
                failures.append(name)
        results = self._write_report()
        if options["is_json"]:
            self.stdout.write(json.dumps({"benches": results, "failed": failures}))
        else:
            self.stdout.write("\n".join(summary_text(result) for result in results))
        if failures:
            raise BenchError(f"No answer from: {', '.join(failures)}; see above.")

    def _write_report(self) -> list[dict[str, Any]]:
        """Write the page from the last result of each bench."""
        found = {name: read_json(RESULTS / f"{name}.json") for name in MODULES}
        results = [result for result in found.values() if result]
        missing = [name for name, result in found.items() if not result]
        (ROOT / REPORT).write_text(report_text(results, missing), encoding="utf-8")
        self._say(f"wrote {REPORT}")
        return results

    def _say(self, text: str) -> None:
        self.stderr.write(text, style_func=lambda line: line)
