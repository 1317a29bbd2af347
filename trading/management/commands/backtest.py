"""`manage.py backtest`: replay a strategy over a file or stored bars and say what it is worth."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.utils import timezone

from elson.common.commands import REFUSED, TRY_LATER, USAGE, ExampleCommand
from elson.common.progress import PhaseLine
from trading.management.options import (
    bars_add,
    bars_check,
    bars_read,
    charges_add,
    outages,
    pairs_read,
    refusals,
    symbol_of,
    user_named,
)

# The engine takes a second to import, so `--help` and a wrong option do not wait for it.
if TYPE_CHECKING:
    from marketdata.types import Bars, FloatArray
    from trading.services.backtests.drafts import BacktestDraft
    from trading.services.backtests.experiment import ExperimentConfig, ExperimentOutcome

Count = Callable[["FloatArray"], None]
MOST_DRAWS = 10_000
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
  manage.py backtest --strategy volatility_adaptive_trend --symbol SPX --start 2005-01-01 \\
      --user demo@elson.local
  manage.py backtest --strategy rsi2_reversion --symbol SPX --symbol NASDAQ --usual-costs
  manage.py backtest --strategy rsi2_reversion --symbol SPX --symbol NASDAQ --usual-costs \\
      --weight SPX=0.6 --weight NASDAQ=0.3 --oos-from 2015-01-01
  manage.py backtest --list

With --symbol the hybrid asks its active model, as on the platform; with --data its rule decides
alone. With --user EMAIL a run of stored bars counts in that person's ledger, before any figure is
shown, and is judged by all they tried. Without it is nobody's: its luck row knows of no others.

exit codes: 0 done, 1 refused with the reason, 2 wrong use, 75 try again later"""


class Command(ExampleCommand):
    """Backtest a strategy; `--data` needs no database."""

    help = "Replay a strategy over bars of a file or of the database and judge the result."
    examples = EXAMPLES
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

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
        add("--user", metavar="EMAIL", help="whose trial this is; it counts in their ledger")
        bars_add(parser)
        add("--param", metavar="K=V", action="append", default=[], help="repeatable")
        charges_add(parser)
        for option, meaning in COST_OPTIONS.items():
            add(option, metavar="N", default="", help=meaning)
        add("--usual-costs", action="store_true", dest="has_regime_costs",
            help="add the usual costs of each --symbol's market")  # fmt: skip
        add("--usual-slippage", action="store_true", dest="has_usual_slippage",
            help="add the slippage and impact usual on each --symbol's market")  # fmt: skip
        add("--carry-rest", action="store_true", dest="carries_rest",
            help="carry what a bar's volume leaves of an order, not cancel it")  # fmt: skip
        add("--allocation", choices=("EQUAL_WEIGHT", "EQUAL_RISK", "FIXED_WEIGHT"), default="",
            help="how several instruments share the account (default EQUAL_WEIGHT)")  # fmt: skip
        add("--weight", metavar="S=F", action="append", default=[],
            help="fixed share of one instrument, above 0 to 1; give it for each")  # fmt: skip
        add("--max-positions", metavar="N", default="", help="positions at once (default: all)")
        add("--gross-cap", metavar="F", default="1", help="largest share invested (default 1)")
        add(
            "--oos-share",
            metavar="F",
            default="0.3",
            help="last share kept out of sample (default 0.3)",
        )
        add("--oos-from", metavar="DATE", help="first day out of sample; before the share")
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
        except refusals() as error:
            raise CommandError(str(error), returncode=REFUSED) from None
        except outages() as error:
            raise CommandError(_outage(error), returncode=TRY_LATER) from None
        self._write(outcome, options)

    def _outcome(self, options: dict[str, Any]) -> ExperimentOutcome:
        from trading.services.backtests.experiment import experiment_run
        from trading.services.backtests.loading import market_costs
        from trading.services.backtests.portfolios import AllocationChoice, portfolio_experiment

        draft = _draft(options)
        series = bars_read(draft, options)
        config, count = _counted(_config(draft, options), draft, series, options)
        n_bars = max(len(bars) for bars in series)
        with PhaseLine(sys.stderr, total=n_bars, unit="bars") as line:
            report = _RunReport(line, count)
            if len(series) == 1:
                return experiment_run(bars=series[0], config=config, report=report)
            choice = AllocationChoice(
                draft.allocation, draft.max_positions, draft.gross_cap, draft.weights
            )
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


def _draft(options: dict[str, Any]) -> BacktestDraft:
    """Check what was asked for; raise CommandError for what cannot go together."""
    from trading.services.backtests.drafts import draft_read

    if not options["strategy"]:
        raise CommandError("Name a strategy: --strategy KEY (--list shows all).", returncode=USAGE)
    bars_check(options)
    draft = draft_read(_draft_values(options))
    if len(options["data"]) > 1 and options["symbol"]:
        raise CommandError("Several --data files name themselves.", returncode=USAGE)
    if draft.has_regime_costs and options["data"]:
        raise CommandError("--usual-costs needs --symbol alone.", returncode=USAGE)
    return draft


def _config(draft: BacktestDraft, options: dict[str, Any]) -> ExperimentConfig:
    from trading.services.backtests.experiment import ExperimentConfig, costs_of
    from trading.services.bindings import binding_for

    # Stored bars are what the platform trades on: the same models decide. A file needs no database.
    bound = None if options["data"] else binding_for(draft.strategy_key)
    return ExperimentConfig(
        strategy_key=draft.strategy_key,
        parameters=draft.parameters,
        cash=float(draft.cash),
        costs=costs_of(draft, _market(draft)),
        max_participation=draft.max_participation,
        carries_rest=draft.carries_rest,
        out_of_sample_share=draft.out_of_sample_share,
        out_of_sample_from=draft.out_of_sample_from,
        seed=draft.seed,
        n_null_draws=options["null_draws"],
        source=options["data"][0].name if options["data"] else "database",
        spec=bound.spec if bound else None,
        model=bound.model if bound else None,
    )


def _counted(
    config: ExperimentConfig, draft: BacktestDraft, series: list[Bars], options: dict[str, Any]
) -> tuple[ExperimentConfig, Count]:
    """Return the run as one of a person's trials, and what counts it; nobody's stays as it is."""
    if not options["user"]:
        return config, lambda _: None
    from trading.selectors.backtests import judged_windows
    from trading.services.backtests.requests import backtest_unstored
    from trading.services.backtests.trials import evaluations_of, run_counted, trials_of
    from trading.services.bindings import binding_for

    if options["data"]:
        raise CommandError("--user needs --symbol alone: a file is nobody's.", returncode=USAGE)
    row = backtest_unstored(user=user_named(options["user"]), draft=draft)
    evaluations = evaluations_of(row, series, binding_for(draft.strategy_key))
    judged = replace(
        config, trials=trials_of(row, evaluations), judged_windows=judged_windows(backtest=row)
    )
    return judged, partial(run_counted, evaluations, config.cash, timezone.now)


def _draft_values(options: dict[str, Any]) -> dict[str, Any]:
    several = _several(options)
    return {
        "strategy_key": options["strategy"],
        "symbol": several[0] if several else symbol_of(options),
        "symbols": several,
        "timeframe": options["timeframe"],
        "start_date": options["start"],
        "end_date": options["end"],
        "parameters": pairs_read("--param", options["param"]),
        "cash": options["cash"],
        "commission_bps": options["commission_bps"],
        "slippage_bps": options["slippage_bps"],
        **{name: options[name] for name in COST_NAMES},
        "has_regime_costs": options["has_regime_costs"],
        "has_usual_slippage": options["has_usual_slippage"],
        "carries_rest": options["carries_rest"],
        "allocation": options["allocation"] or ("FIXED_WEIGHT" if options["weight"] else ""),
        "weights": pairs_read("--weight", options["weight"]),
        "max_positions": options["max_positions"],
        "gross_cap": options["gross_cap"],
        "is_free_confirmed": True,
        "out_of_sample_share": options["oos_share"],
        "out_of_sample_from": options["oos_from"],
        "seed": options["seed"],
    }


def _several(options: dict[str, Any]) -> list[str]:
    """Return the names of the instruments that share one account; files name themselves."""
    from trading.services.backtests.files import stem_of

    names = options["symbol"] or [stem_of(path) for path in options["data"]]
    return names if len(names) > 1 else []


def _market(draft: BacktestDraft) -> Any:
    if not draft.has_regime_costs:
        return None
    from marketdata.selectors import instrument_get

    return instrument_get(draft.symbol)


def _draws(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_DRAWS:
        raise ArgumentTypeError(f"{text!r} must be a whole number from 1 to {MOST_DRAWS:,}")
    return int(text)


def _outage(error: Exception) -> str:
    reason = str(error).strip().splitlines()[0]
    return f"The database does not answer ({reason}); --data FILE works without it."


def _strategy_list() -> str:
    from trading.services.backtests.summary import strategy_list_text

    return strategy_list_text()


class _RunReport:
    """Puts what a run reports on the line."""

    def __init__(self, line: PhaseLine, count: Count) -> None:
        self._line = line
        self._count = count

    def phase(self, phase: str, detail: str = "") -> None:
        self._line.draw(0.0, detail or phase.replace("_", " ").capitalize())

    def advance(self, phase: str, share: float, detail: str = "") -> None:
        self._line.draw(share, detail)

    def observe(self, *seen: Any) -> None:
        """Leave the equity out; a line of text has no room for it."""

    def simulated(self, run: Any) -> None:
        """Count the run before anything of it is told."""
        self._count(run.equity)
