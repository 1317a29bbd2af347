"""`manage.py backtest`: replay a strategy over a file or stored bars and say what it is worth."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

# The engine takes a second to import, so `--help` and a wrong option do not wait for it.
if TYPE_CHECKING:
    from marketdata.types import Bars
    from trading.services.backtests.drafts import BacktestDraft
    from trading.services.backtests.experiment import ExperimentOutcome

REFUSED = 1
USAGE = 2
TRY_LATER = 75
MOST_DRAWS = 10_000
BAR_WIDTH = 24
COST_OPTIONS = {
    "--spread-bps": "half the quoted spread per side, basis points (default 0)",
    "--commission-per-unit": "commission per share or contract (default 0)",
    "--commission-minimum": "least commission of an order (default 0)",
    "--range-share": "slippage as a share of the bar's range, 0 to 1 (default 0)",
    "--impact": "square-root impact, about 1 is what is measured (default 0)",
    "--borrow-bps-per-day": "of a short position, per calendar day (default: the market's)",
    "--financing-bps-per-year": "of negative cash (default 0)",
    "--max-participation": "largest share of a bar's volume an order may take (default: no limit)",
}
COST_NAMES = tuple(option[2:].replace("-", "_") for option in COST_OPTIONS)
EXAMPLES = """examples:
  manage.py backtest --strategy sma_cross --data SPX.csv --param fast=20 --param slow=100 \\
      --commission-bps 5 --cash 100000 --json
  manage.py backtest --strategy volatility_adaptive_trend --symbol SPX --start 2005-01-01
  manage.py backtest --strategy rsi2_reversion --symbol SPX --symbol NDX --usual-costs
  manage.py backtest --list

exit codes: 0 done, 1 refused with the reason, 2 wrong use, 75 try again later"""


class Command(BaseCommand):
    """Backtest a strategy; `--data` needs no database."""

    help = "Replay a strategy over bars of a file or of the database and judge the result."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Show the examples as written."""
        return super().create_parser(
            prog_name,
            subcommand,
            formatter_class=RawDescriptionHelpFormatter,
            epilog=EXAMPLES,
            **kwargs,
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what may be given."""
        add = parser.add_argument
        add("--strategy", metavar="KEY", help="e.g. sma_cross; --list shows all")
        add(
            "--list",
            action="store_true",
            dest="lists_strategies",
            help="list strategies, parameters",
        )
        add("--data", metavar="FILE", type=Path, action="append", default=[],
            help="CSV, CSV.GZ or Parquet; no database is used; repeatable")  # fmt: skip
        add("--symbol", metavar="S", action="append", default=[],
            help="instrument in the database, or name for --data; repeatable")  # fmt: skip
        add(
            "--timeframe",
            metavar="T",
            default="",
            help="1m 5m 15m 1h 1d (default: 1d, or the file's)",
        )
        add("--start", metavar="DATE", help="first day, YYYY-MM-DD")
        add("--end", metavar="DATE", help="last day, inclusive")
        add("--param", metavar="K=V", action="append", default=[], help="repeatable")
        add("--commission-bps", metavar="N", default="0", help="per side, basis points (default 0)")
        add("--slippage-bps", metavar="N", default="0", help="per side, basis points (default 0)")
        for option, meaning in COST_OPTIONS.items():
            add(option, metavar="N", default="", help=meaning)
        add("--usual-costs", action="store_true", dest="has_regime_costs",
            help="add the usual costs of each --symbol's market")  # fmt: skip
        add("--carry-rest", action="store_true", dest="carries_rest",
            help="carry what a bar's volume leaves of an order, not cancel it")  # fmt: skip
        add("--allocation", choices=("EQUAL_WEIGHT", "EQUAL_RISK"), default="EQUAL_WEIGHT",
            help="how several instruments share the account (default EQUAL_WEIGHT)")  # fmt: skip
        add("--max-positions", metavar="N", default="", help="positions at once (default: all)")
        add("--gross-cap", metavar="F", default="1", help="largest share invested (default 1)")
        add("--cash", metavar="N", default="100000", help="starting cash (default 100000)")
        add("--exec-price", choices=("open", "close"), default="open",
            help="price of the next bar that orders meet; close for close-only series")  # fmt: skip
        add(
            "--oos-share",
            metavar="F",
            default="0.3",
            help="last share kept out of sample (default 0.3)",
        )
        add(
            "--null-draws",
            metavar="N",
            type=_draws,
            default=200,
            help="random-entry runs (default 200)",
        )
        add("--seed", metavar="N", default="7", help="of the null model (default 7)")
        add("--orders", action="store_true", dest="lists_orders", help="add order_list to the JSON")
        add(
            "--json",
            action="store_true",
            dest="is_json",
            help="one JSON object on stdout, nothing else",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run; refuse with one sentence."""
        if options["lists_strategies"]:
            self.stdout.write(_strategy_list())
            return
        try:
            outcome = self._outcome(options)
        except _refusals() as error:
            raise CommandError(str(error), returncode=REFUSED) from None
        except _outages() as error:
            raise CommandError(_outage(error), returncode=TRY_LATER) from None
        self._write(outcome, options)

    def _outcome(self, options: dict[str, Any]) -> ExperimentOutcome:
        from trading.services.backtests.drafts import draft_read
        from trading.services.backtests.experiment import (
            ExperimentConfig,
            costs_of,
            experiment_run,
        )
        from trading.services.backtests.loading import market_costs
        from trading.services.backtests.portfolios import AllocationChoice, portfolio_experiment

        if not options["strategy"]:
            raise CommandError(
                "Name a strategy: --strategy KEY (--list shows all).", returncode=USAGE
            )
        if not options["data"] and not options["symbol"]:
            raise CommandError("Name the bars: --data FILE or --symbol S.", returncode=USAGE)
        draft = draft_read(_draft_values(options))
        if len(options["data"]) > 1 and options["symbol"]:
            raise CommandError("Several --data files name themselves.", returncode=USAGE)
        if draft.has_regime_costs and options["data"]:
            raise CommandError("--usual-costs needs --symbol alone.", returncode=USAGE)
        series = _series(draft, options)
        config = ExperimentConfig(
            strategy_key=draft.strategy_key,
            parameters=draft.parameters,
            cash=float(draft.cash),
            costs=costs_of(draft, _market(draft)),
            max_participation=draft.max_participation,
            carries_rest=draft.carries_rest,
            out_of_sample_share=draft.out_of_sample_share,
            seed=draft.seed,
            n_null_draws=options["null_draws"],
            source=options["data"][0].name if options["data"] else "database",
        )
        with _ProgressLine(sys.stderr, max(len(bars) for bars in series)) as report:
            if len(series) == 1:
                return experiment_run(bars=series[0], config=config, report=report)
            choice = AllocationChoice(draft.allocation, draft.max_positions, draft.gross_cap)
            return portfolio_experiment(
                series=series,
                config=config,
                choice=choice,
                costs=None if options["data"] else market_costs(draft, draft.symbols),
                report=report,
            )

    def _write(self, outcome: ExperimentOutcome, options: dict[str, Any]) -> None:
        from trading.services.backtests.summary import summary_text, summary_values

        if options["is_json"]:
            values = summary_values(outcome, lists_orders=options["lists_orders"])
            self.stdout.write(json.dumps(values, allow_nan=False, separators=(",", ":")))
        else:
            self.stdout.write(summary_text(outcome))


def _draft_values(options: dict[str, Any]) -> dict[str, Any]:
    parameters: dict[str, str] = {}
    for pair in options["param"]:
        name, mark, value = pair.partition("=")
        if not mark or not name or not value:
            raise CommandError(f"--param {pair!r} must be written name=value.", returncode=USAGE)
        if name in parameters:
            raise CommandError(f"--param {name} is given twice.", returncode=USAGE)
        parameters[name.strip()] = value.strip()
    return {
        "strategy_key": options["strategy"],
        # With a file the symbol is only a name.
        "symbol": options["symbol"][0] if options["symbol"] else "FILE",
        "symbols": options["symbol"] if len(options["symbol"]) > 1 else (),
        "timeframe": options["timeframe"],
        "start_date": options["start"],
        "end_date": options["end"],
        "parameters": parameters,
        "cash": options["cash"],
        "commission_bps": options["commission_bps"],
        "slippage_bps": options["slippage_bps"],
        **{name: options[name] for name in COST_NAMES},
        "has_regime_costs": options["has_regime_costs"],
        "carries_rest": options["carries_rest"],
        "allocation": options["allocation"],
        "max_positions": options["max_positions"],
        "gross_cap": options["gross_cap"],
        "is_free_confirmed": True,
        "out_of_sample_share": options["oos_share"],
        "seed": options["seed"],
    }


def _series(draft: BacktestDraft, options: dict[str, Any]) -> list[Bars]:
    if not options["data"]:
        from trading.services.backtests.loading import bars_stored

        return [
            bars_stored(
                symbol=symbol,
                timeframe=draft.timeframe,
                start=draft.start_date,
                end=draft.end_date,
            )
            for symbol in draft.symbols or (draft.symbol,)
        ]
    from trading.services.backtests.files import bars_from_file

    return [
        bars_from_file(
            path=path,
            symbol=options["symbol"][0] if options["symbol"] else "",
            timeframe=options["timeframe"],
            exec_price=options["exec_price"].upper(),
            start=draft.start_date,
            end=draft.end_date,
            now=timezone.now(),
        )
        for path in options["data"]
    ]


def _market(draft: BacktestDraft) -> Any:
    if not draft.has_regime_costs:
        return None
    from marketdata.selectors import instrument_get

    return instrument_get(draft.symbol)


def _draws(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_DRAWS:
        raise ArgumentTypeError(f"{text!r} must be a whole number from 1 to {MOST_DRAWS:,}")
    return int(text)


def _refusals() -> tuple[type[Exception], ...]:
    from elson.common.errors import DomainError
    from marketdata.types import BarsError
    from trading.engine.errors import EngineError

    return DomainError, EngineError, BarsError


def _outages() -> tuple[type[Exception], ...]:
    from django.db import DatabaseError

    return (DatabaseError,)


def _outage(error: Exception) -> str:
    reason = str(error).strip().splitlines()[0]
    return f"The database does not answer ({reason}); --data FILE works without it."


def _strategy_list() -> str:
    from trading.services.backtests.summary import strategy_list_text

    return strategy_list_text()


class _ProgressLine:
    """One line on a terminal that tells phase, share, rate and time left; nothing elsewhere."""

    def __init__(self, stream: TextIO, n_bars: int) -> None:
        self._stream = stream
        self._n_bars = n_bars
        self._is_shown = stream.isatty()
        self._began = time.monotonic()
        self._drawn = 0.0

    def __enter__(self) -> _ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            self._stream.write("\r\033[K")
            self._stream.flush()

    def phase(self, phase: str, detail: str = "") -> None:
        self._draw(0.0, detail or phase.replace("_", " ").capitalize())

    def advance(self, phase: str, share: float, detail: str = "") -> None:
        if time.monotonic() - self._drawn > 0.1:
            self._draw(share, detail)

    def _draw(self, share: float, text: str) -> None:
        if not self._is_shown:
            return
        self._drawn = time.monotonic()
        passed = self._drawn - self._began
        full = round(share * BAR_WIDTH)
        line = f"{'█' * full}{'·' * (BAR_WIDTH - full)} {share:4.0%}  {text}"
        if share > 0.0 and passed > 0.5:
            rate = share * self._n_bars / passed
            line += f"  {rate:,.0f} bars/s  {passed / share - passed:.0f} s left"
        self._stream.write(f"\r\033[K{line}")
        self._stream.flush()
