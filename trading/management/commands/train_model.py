"""`manage.py train_model`: train a model version of the hybrid strategy, year by year."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from elson.common.commands import REFUSED, ExampleCommand
from trading.management.options import refusals

KINDS = ("LOGISTIC", "HIST_GRADIENT_BOOSTING", "RANDOM_FOREST", "ENSEMBLE")
EXAMPLES = """examples:
  manage.py train_model
  manage.py train_model --kind ENSEMBLE --note "quarterly"
  manage.py train_model --data ../bars --json

Each year is predicted by a model that has seen nothing of it; the figures printed are those
predictions. A version is a candidate until somebody lets it predict beside the active one and
promotes it (/staff/, Model versions); the first one decides at once if it passes its gates.

exit codes: 0 trained, 1 refused with the reason, 2 wrong use"""


class Command(ExampleCommand):
    """Train, measure out of sample, compare with the version that decides now."""

    help = "Train a model version of the hybrid strategy on stored bars or on a folder."
    examples = EXAMPLES

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what may be given."""
        add = parser.add_argument
        add("--kind", choices=KINDS, default=KINDS[0], help="default: LOGISTIC")
        add("--data", metavar="DIR", type=Path, help="learn from a folder of files instead")
        add("--symbols", metavar="S", nargs="+", default=[], help="learn from these alone")
        add("--seed", metavar="N", type=int, default=7, help="of the trees (default 7)")
        add("--note", metavar="TEXT", default="", help="kept with the version")
        add("--json", action="store_true", dest="is_json", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Train and print."""
        version = self._train(options)
        if options["is_json"]:
            self.stdout.write(json.dumps(_values(version), allow_nan=False))
            return
        self.stdout.write(_text(version))

    def _train(self, options: dict[str, Any]) -> Any:
        from trading.services.models.local import version_train

        try:
            return version_train(
                kind=options["kind"],
                seed=options["seed"],
                path=options["data"],
                symbols=options["symbols"],
                note=options["note"],
                now=timezone.now(),
                clock=timezone.now,
            )
        except refusals() as error:
            raise CommandError(str(error), returncode=REFUSED) from None


def _values(version: Any) -> dict[str, Any]:
    names = (
        "id", "strategy_key", "number", "kind", "state", "content_hash", "data_hash", "n_train",
        "n_tested", "n_instruments", "veto_share", "metrics", "gates",
    )  # fmt: skip
    dates = ("trained_from", "trained_until", "tested_from")
    return {name: getattr(version, name) for name in names} | {
        name: str(getattr(version, name)) for name in dates
    }


def _text(version: Any) -> str:
    lines = [
        f"{version}: {version.state}, {version.kind}, {version.content_hash[:12]}",
        f"learned {version.trained_from} to {version.trained_until} from "
        f"{version.n_instruments} instruments, {version.n_train:,} candidates",
        "",
        f"out of sample from {version.tested_from}:",
        f"{'regime':<9}{'n':>7}{'taken':>7}{'win rate':>10}{'95 %':>16}{'base':>8}{'Brier':>8}"
        f"{'ECE':>8}{'net bps':>9}",
    ]
    rows = {"all": version.metrics["all"]} | version.metrics["regimes"]
    lines += [_line(name, row) for name, row in rows.items()]
    lines += ["", "gates:"]
    lines += [
        f"  {'passed' if gate['is_passed'] else 'FAILED'}  {gate['text']}" for gate in version.gates
    ]
    return "\n".join(lines)


def _line(name: str, row: dict[str, Any]) -> str:
    if not row["n_taken"]:
        return f"{name:<9}{row['n']:>7,}  no candidate taken"
    low, high = row["interval"]
    return (
        f"{name:<9}{row['n']:>7,}{row['n_taken']:>7,}{row['win_rate']:>10.1%}"
        f"{f'{low:.1%}-{high:.1%}':>16}{row['base_rate']:>8.1%}{row['brier']:>8.4f}"
        f"{row['ece'] or 0.0:>8.3f}{row['mean_net_return'] * 1e4:>9.1f}"
    )
