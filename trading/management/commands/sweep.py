"""`manage.py sweep`: try every combination of a grid on stored bars and keep the best."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.utils import timezone

from elson.common.commands import REFUSED, USAGE, ExampleCommand
from trading.management.options import refusals, user_named

# The engine takes a second to import, so `--help` and a wrong option do not wait for it.
if TYPE_CHECKING:
    from trading.services.sweeps import ParameterSweep

MOST_VALUES = 100_000
EXAMPLES = """examples:
  manage.py sweep --user demo@elson.local --strategy sma_cross --symbol SPX \\
      --param fast=5:104 --param slow=105:204 --commission-bps 5 --threads 2 --json
  manage.py sweep --user demo@elson.local --strategy rsi2_reversion --symbol SPX \\
      --param rsi_bars=2,3,4 --param entry_level=5:30:2.5

Everything it shows is in-sample: a quick look before `manage.py optimize`, and every combination
counts as a trial. It is for whoever runs the site: no plan limits what it tries.
exit codes: 0 done, 1 refused with the reason, 2 wrong use"""


class Command(ExampleCommand):
    """Sweep a grid over stored bars."""

    help = "Try every combination of a grid on stored bars; keep the best, count all as trials."
    examples = EXAMPLES
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what may be given."""
        add = parser.add_argument
        add("--user", metavar="EMAIL", required=True, help="whose trials these are")
        add("--strategy", metavar="KEY", required=True, help="`backtest --list` shows all")
        add("--symbol", metavar="S", required=True, help="instrument in the database")
        add("--timeframe", metavar="T", default="1d", help="default 1d")
        add("--param", metavar="K=V", action="append", default=[],
            help="first:last, first:last:step or a,b,c; repeatable")  # fmt: skip
        add("--commission-bps", metavar="N", type=float, default=0.0, help="per side")
        add("--slippage-bps", metavar="N", type=float, default=0.0, help="per side")
        add("--cash", metavar="N", default="100000", help="starting cash (default 100000)")
        add("--rank-by", metavar="FIGURE", default="sharpe_ratio", help="default sharpe_ratio")
        add("--top", metavar="N", type=int, default=50, help="rows to keep (default 50)")
        add("--threads", metavar="N", type=int, default=1, help="default 1")
        add("--json", action="store_true", dest="is_json", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep; refuse with one sentence."""
        from elson.common.progress import Bar
        from trading.services.sweeps import SweepRequest, sweep_run

        user = user_named(options["user"])
        request = SweepRequest(
            strategy_key=options["strategy"],
            symbol=options["symbol"],
            timeframe=options["timeframe"],
            grid=_grid(options["param"]),
            cash=_cash(options["cash"]),
            commission_bps=options["commission_bps"],
            slippage_bps=options["slippage_bps"],
            ranked_by=options["rank_by"],
            n_best=options["top"],
            n_threads=options["threads"],
        )
        bar = Bar("Sweeping", total=100, unit="%")
        try:
            made = sweep_run(
                user=user,
                request=request,
                now=timezone.now(),
                progress=lambda _, share: bar.show(int(share * 100)),
            )
        except refusals() as error:
            raise CommandError(str(error), returncode=REFUSED) from None
        finally:
            bar.close()
        if options["is_json"]:
            self.stdout.write(json.dumps(_values(made), allow_nan=False, separators=(",", ":")))
        else:
            self.stdout.write(_text(made))


def _grid(pairs: list[str]) -> dict[str, list[float | str]]:
    grid: dict[str, list[float | str]] = {}
    for pair in pairs:
        name, mark, text = pair.partition("=")
        if not mark or not name or not text:
            raise CommandError(f"--param {pair!r} must be written name=values.", returncode=USAGE)
        grid[name.strip()] = _axis(pair, text)
    return grid


def _axis(pair: str, text: str) -> list[float | str]:
    if ":" not in text:
        return [part.strip() for part in text.split(",")]
    try:
        first, last, *more = (Decimal(part) for part in text.split(":"))
        step = more[0] if more else Decimal(1)
        n_values = int((last - first) / step) + 1
    except (InvalidOperation, ValueError, ZeroDivisionError):
        n_values = 0
    if not 1 <= n_values <= MOST_VALUES or len(more) > 1:
        raise CommandError(
            f"--param {pair!r} must be first:last or first:last:step, rising, of at most "
            f"{MOST_VALUES:,} values.",
            returncode=USAGE,
        )
    return [float(first + step * k) for k in range(n_values)]


def _cash(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise CommandError(f"--cash {text!r} must be a number.", returncode=USAGE) from None


def _values(made: ParameterSweep) -> dict[str, Any]:
    return {
        "id": made.pk,
        "strategy": made.strategy_key,
        "n_combinations": made.n_combinations,
        "n_skipped": made.n_skipped,
        "n_bars": made.n_bars,
        "ranked_by": made.ranked_by,
        "data_hash": made.data_hash,
        "best": made.best,
    }


def _text(made: ParameterSweep) -> str:
    lines = [
        f"{made.n_combinations:,} combinations of {made.strategy_key} over {made.n_bars:,} bars, "
        f"all in-sample, {made.n_skipped:,} refused; best by {made.ranked_by}:"
    ]
    for row in made.best[:10]:
        chosen = " ".join(f"{name}={value:g}" for name, value in row["parameters"].items())
        sharpe = "–" if row["sharpe_ratio"] is None else f"{row['sharpe_ratio']:.2f}"
        lines.append(
            f"  {chosen}: Sharpe {sharpe}, return {row['total_return']:+.1%}, "
            f"drawdown {row['max_drawdown']:.1%}, {row['n_orders']:.0f} orders"
        )
    return "\n".join(lines)
