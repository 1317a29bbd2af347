"""`manage.py optimize`: search parameters over a file or stored bars, and say what is luck."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from elson.common.commands import REFUSED, TRY_LATER, USAGE, ExampleCommand
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
from trading.management.search_report import failure, search_text, search_values

# The engine takes a second to import, so `--help` and a wrong option do not wait for it.
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trading.engine.backtest import BacktestConfig
    from trading.engine.search import SearchPlan
    from trading.selectors.studies import TrialCount
    from trading.services.studies.drafts import StudyDraft
    from trading.services.studies.local import Count, LocalOutcome, LocalSearch

EXAMPLES = """examples:
  manage.py optimize --strategy sma_cross --data SPX.csv --method grid --trials 200 --json \\
      --space '{"fast": {"low": 5, "high": 50, "step": 5}, "slow": {"low": 60, "high": 240, "step": 20}}'
  manage.py optimize --user demo@elson.local --strategy hybrid --symbol SPX --space space.json \\
      --method tpe --trials 200 --workers 2

Stored bars cost what their market usually costs, the hybrid asks its active model, and every trial
counts in the ledger of --user. A file is searched by the rule alone and counted alone.
It is for whoever runs the site: no plan limits it.
Ctrl-C keeps what is done: the same command goes on from there.
exit codes: 0 done, 1 refused with the reason, 2 wrong use, 75 interrupted, or try again later"""  # noqa: E501


class Command(ExampleCommand):
    """Search parameters; `--data` needs no database."""

    help = "Search a strategy's parameters out-of-sample and judge how much of the best is luck."
    examples = EXAMPLES
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what may be given."""
        add = parser.add_argument
        add("--strategy", metavar="KEY", help="e.g. sma_cross; `backtest --list` shows all")
        add("--user", metavar="EMAIL", help="whose trials these are; needed without --data")
        bars_add(parser)
        charges_add(parser)
        add("--no-usual-costs", action="store_false", dest="has_regime_costs",
            help="leave out the usual costs of the market of --symbol")  # fmt: skip
        add("--usual-slippage", action="store_true", dest="has_usual_slippage",
            help="add the slippage and impact usual on the market of --symbol")  # fmt: skip
        add("--space", metavar="FILE|JSON", help='{"fast": {"low": 5, "high": 50, "step": 5}}')
        add("--fix", metavar="K=V", action="append", default=[], help="does not move; repeatable")
        add("--method", choices=("grid", "random", "tpe"), default="random")
        add("--trials", metavar="N", default="100", help="at most so many (default 100)")
        add("--workers", metavar="N", default="1", help="processes (default 1)")
        add("--folds", metavar="N", default="5", help="walk-forward folds (default 5)")
        add("--holdout", metavar="F", default="0.2", help="last share never searched (>= 0.15)")
        add("--dispersion-weight", metavar="N", default="0.5", help="taken off the median")
        add("--min-trades", metavar="N", default="20", help="fewer are not ranked (default 20)")
        add("--max-drawdown", metavar="F", default="-1", help="deeper is not ranked, e.g. -0.3")
        add("--seed", metavar="N", default="7", help="of random and tpe (default 7)")
        add("--journal", metavar="FILE", type=Path, help="where trials are kept (default: var/)")
        add("--top", metavar="N", type=int, default=20, help="rows of the leaderboard (default 20)")
        add("--json", action="store_true", dest="is_json", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Search; refuse with one sentence."""
        try:
            search, n_workers = _search(options)
            user_id = _user_id(options)
            outcome = _run(search, n_workers, options, user_id)
        except KeyboardInterrupt:
            raise CommandError(
                "Interrupted; what is done is kept and the same command goes on.",
                returncode=TRY_LATER,
            ) from None
        except refusals() as error:
            raise CommandError(str(error), returncode=REFUSED) from None
        except outages() as error:
            raise CommandError(
                f"The database does not answer: {error}", returncode=TRY_LATER
            ) from None
        values = search_values(search, outcome, options["top"])
        if options["is_json"]:
            self.stdout.write(json.dumps(values, allow_nan=False, separators=(",", ":")))
        else:
            self.stdout.write(search_text(values))
        if values["n_failed"] == values["n_trials"]:
            raise CommandError(f"No trial could be run: {failure(values)}", returncode=REFUSED)


def _search(options: dict[str, Any]) -> tuple[LocalSearch, int]:
    from trading.services.bindings import identity_of, spec_with, version_to_bind
    from trading.services.studies.drafts import study_draft_read
    from trading.services.studies.local import LocalSearch

    if not options["strategy"] or not options["space"]:
        raise CommandError("Name the strategy and the space: --strategy KEY --space FILE|JSON.",
                           returncode=USAGE)  # fmt: skip
    bars_check(options)
    n_series = max(len(options["data"]), len(options["symbol"]))
    if n_series > 1:
        raise CommandError(f"A search takes one series, found {n_series}.", returncode=USAGE)
    draft = study_draft_read(_draft_values(options))
    (bars,) = bars_read(draft.base, options)
    plan = _plan(draft, len(bars))
    key = draft.base.strategy_key
    version = None if options["data"] else version_to_bind(key)
    found = LocalSearch(
        key,
        bars,
        draft.space,
        plan,
        _config(draft, options, plan.start),
        draft.method,
        draft.n_trials,
        bound=None if version is None else spec_with(key, version),
        model=identity_of(version),
    )
    return found, draft.n_workers


def _plan(draft: StudyDraft, n_bars: int) -> SearchPlan:
    from trading.engine.search import plan_search

    return plan_search(
        n_bars,
        draft.space,
        n_folds=draft.n_folds,
        holdout_share=draft.holdout_share,
        dispersion_weight=draft.dispersion_weight,
        fewest_trades=draft.fewest_trades,
        deepest_drawdown=draft.deepest_drawdown,
    )


def _config(draft: StudyDraft, options: dict[str, Any], start_index: int) -> BacktestConfig:
    from marketdata.selectors import instrument_get
    from trading.services.studies.setup import search_config

    market = instrument_get(symbol_of(options)) if draft.base.has_regime_costs else None
    return search_config(draft.base, market, start_index=start_index)


def _user_id(options: dict[str, Any]) -> int | None:
    """Return whose trials these are; a search of a file is nobody's."""
    if options["data"]:
        return None
    if not options["user"]:
        raise CommandError(
            "Name whose trials these are: --user EMAIL; without --data they count in a ledger.",
            returncode=USAGE,
        )
    return int(user_named(options["user"]).pk)


def _run(
    search: LocalSearch, n_workers: int, options: dict[str, Any], user_id: int | None
) -> LocalOutcome:
    from elson.common.progress import Bar
    from trading.services.studies.local import search_run

    path = options["journal"] or settings.BASE_DIR / "var" / "studies" / f"{search.identity}.jsonl"
    bar = Bar("Trials", total=search.n_trials, unit="trials", say=_say)
    try:
        return search_run(
            search=search,
            journal=path,
            n_workers=n_workers,
            show=bar.show,
            count=None if user_id is None else _ledger(search, user_id, symbol_of(options)),
        )
    finally:
        bar.close()


def _ledger(search: LocalSearch, user_id: int, symbol: str) -> Count:
    """Return what counts these trials among all this person made of the strategy and symbol."""
    from marketdata.selectors import instrument_get
    from trading.services.studies.setup import search_content
    from trading.services.trial_ledger import Evaluation, Family, search_counted

    family = Family(user_id, search.strategy_key, instrument_get(symbol).pk)
    known = search.bars.slice(0, search.plan.n_search)
    evaluation = Evaluation(family, search_content(known, search.config, search.model))

    def count(trials: Sequence[tuple[Mapping[str, Any], float]]) -> TrialCount:
        return search_counted(
            family=family,
            sharpes={evaluation.key(params): sharpe for params, sharpe in trials},
            n_bars=search.plan.n_search - search.plan.start,
            now=timezone.now(),
        )

    return count


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _draft_values(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "strategy_key": options["strategy"],
        "symbol": symbol_of(options),
        "timeframe": options["timeframe"],
        "start_date": options["start"],
        "end_date": options["end"],
        "space": _space_text(options["space"]),
        "fixed": pairs_read("--fix", options["fix"]),
        "method": options["method"],
        "n_trials": options["trials"],
        "n_workers": options["workers"],
        "n_folds": options["folds"],
        "holdout_share": options["holdout"],
        "dispersion_weight": options["dispersion_weight"],
        "fewest_trades": options["min_trades"],
        "deepest_drawdown": options["max_drawdown"],
        "cash": options["cash"],
        "commission_bps": options["commission_bps"],
        "slippage_bps": options["slippage_bps"],
        "has_regime_costs": options["has_regime_costs"] and not options["data"],
        "has_usual_slippage": options["has_usual_slippage"],
        "is_free_confirmed": True,
        "seed": options["seed"],
    }


def _space_text(given: str) -> str:
    if given.lstrip().startswith("{"):
        return given
    try:
        return Path(given).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            f"--space {given} is neither a JSON object, which begins with {{, nor a file that can "
            f"be read: {error}",
            returncode=REFUSED,
        ) from None
