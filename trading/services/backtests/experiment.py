"""One backtest from bars to everything a page or a command shows; no database, no clock.

The worker and the command line call the same function, so their numbers are the same.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from elson.common.formatting import signed_percent
from marketdata.selectors import bars_hash
from marketdata.types import Bars, FloatArray, IntArray
from trading.engine import backtest as engine
from trading.engine.backtest import BacktestConfig, BacktestRun
from trading.engine.backtest.config import EquityAt
from trading.engine.checks.chance import Trials
from trading.engine.checks.charges import CostPoint
from trading.engine.costs import TRADE_COSTS, CostModel
from trading.engine.own_limits import OwnLimits
from trading.engine.strategies import StrategySpec, strategy_get
from trading.engine.types import DecisionAction, TimeInForce
from trading.services.backtests import judgement, statistics
from trading.services.backtests.benchmarks import benchmark_equity
from trading.services.backtests.manifest import manifest_of
from trading.services.backtests.statistics import plain
from trading.services.market_costs import usual_costs

RESULT_FIELDS = (
    "metrics",
    "by_regime",
    "costs",
    "per_instrument",
    "honesty",
    "curve",
    "daily",
    "round_trips",
    "monthly",
    "drawdowns",
    "decisions",
    "manifest",
)
SIMULATING, NULL_MODEL, STATISTICS = "SIMULATING", "NULL_MODEL", "STATISTICS"


class Report(Protocol):
    """Where an experiment says how far it is; either call may raise to stop it."""

    def phase(self, phase: str, detail: str = "") -> None:
        """Enter a phase."""

    def advance(self, phase: str, share: float, detail: str = "") -> None:
        """Tell the share of a phase that is done."""

    def observe(self, closed_at: IntArray, equity_at: EquityAt) -> None:
        """Show the bars that have run; told at the next phase or share."""

    def simulated(self, run: BacktestRun) -> None:
        """Take note of a whole run, before any figure of it is shown."""


class Silent:
    """A report nobody listens to."""

    def phase(self, phase: str, detail: str = "") -> None:
        """Do nothing."""

    def advance(self, phase: str, share: float, detail: str = "") -> None:
        """Do nothing."""

    def observe(self, closed_at: IntArray, equity_at: EquityAt) -> None:
        """Do nothing."""

    def simulated(self, run: BacktestRun) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class ExperimentConfig:
    """What is tried, at what costs."""

    strategy_key: str
    parameters: Mapping[str, Any]
    cash: float = 100_000.0
    costs: CostModel = field(default_factory=CostModel)
    max_participation: float | None = None
    carries_rest: bool = False
    limits: OwnLimits = field(default_factory=OwnLimits)
    trials: Trials | None = None
    # Out-of-sample spans other ideas were judged on before; None where nobody keeps count.
    judged_windows: Sequence[tuple[str, str]] | None = None
    out_of_sample_share: float = 0.3
    out_of_sample_from: dt.date | None = None
    walk_forward_folds: int = 0
    # What it is shown beside; see `benchmarks`. The bars are those of another instrument.
    benchmark: str = ""
    benchmark_bars: Bars | None = None
    seed: int = 7
    n_null_draws: int = judgement.N_DRAWS
    source: str = "database"
    # The strategy bound to its models, and their name for the manifest; None: as registered.
    spec: StrategySpec | None = None
    model: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ExperimentOutcome:
    """What was found; every field but `run` is plain JSON."""

    run: BacktestRun
    headline: str
    metrics: dict[str, Any]
    by_regime: dict[str, Any]
    costs: dict[str, Any]
    per_instrument: list[dict[str, Any]]
    honesty: dict[str, Any]
    curve: dict[str, Any]
    daily: dict[str, Any]
    round_trips: list[dict[str, Any]]
    monthly: list[dict[str, Any]]
    drawdowns: list[dict[str, Any]]
    decisions: dict[str, Any]
    manifest: dict[str, Any]

    def stored_values(self) -> dict[str, Any]:
        """Return the fields of a stored result."""
        return {name: getattr(self, name) for name in RESULT_FIELDS}


def costs_of(asked: Any, instrument: Any = None) -> CostModel:
    """Return the cost model a draft or a stored run asks for, with the usual costs of a market."""
    names = (*TRADE_COSTS, "borrow_bps_per_day", "financing_bps_per_year")
    own = {name: getattr(asked, name) for name in names}
    if instrument is not None:
        own |= usual_costs(instrument, has_slippage=asked.has_usual_slippage)
    return CostModel(**own)


def experiment_run(
    *, bars: Bars, config: ExperimentConfig, report: Report | None = None
) -> ExperimentOutcome:
    """Simulate, compare with chance, and judge. Raises what the engine refuses."""
    report = report or Silent()
    report.phase(SIMULATING)
    run = engine.run(
        bars,
        config.spec or config.strategy_key,
        config.parameters,
        engine_config(bars, config, report),
    )
    split = statistics.split_index(run, config.out_of_sample_share, config.out_of_sample_from)
    report.simulated(run)
    report.phase(NULL_MODEL)
    judged = judgement.judge(
        bars=bars, run=run, seed=config.seed, n_draws=config.n_null_draws, trials=config.trials
    )
    report.phase(STATISTICS)
    return outcome_of(
        run,
        judged,
        split,
        config,
        round_trips=statistics.trips_as_rows(run, split, bars),
        decisions=_decision_counts(bars, run, config),
        manifest=_manifest(bars, run, config),
    )


def outcome_of(
    run: BacktestRun,
    judged: judgement.Judgement,
    split: int,
    config: ExperimentConfig,
    *,
    round_trips: list[dict[str, Any]],
    decisions: dict[str, Any],
    manifest: dict[str, Any],
    per_instrument: Sequence[Mapping[str, Any]] = (),
) -> ExperimentOutcome:
    """Put together what is stored of a judged run, of one instrument or of an account."""
    held = benchmark_equity(run, config.benchmark, config.benchmark_bars, judged.benchmark)
    figures = figures_of(run, split, held, config.walk_forward_folds)
    panel = judgement.panel_values(judged, figures, config.n_null_draws, config.judged_windows)
    return ExperimentOutcome(
        run=run,
        headline=headline(figures["all"]),
        metrics=plain(figures),
        by_regime=plain(by_regime_values(run, judged.null_win_rates)),
        costs=plain(cost_values(run, judged.panel.cost_curve)),
        per_instrument=plain(list(per_instrument)),
        honesty=plain(panel),
        curve=statistics.curve(run, held, judged.band, split),
        daily=statistics.daily(run, held),
        round_trips=plain(round_trips),
        monthly=plain(statistics.monthly(run)),
        drawdowns=plain(statistics.worst_drawdowns(run)),
        decisions=plain(decisions),
        manifest=manifest,
    )


def engine_config(bars: Bars, config: ExperimentConfig, report: Report) -> BacktestConfig:
    """Return the engine's settings, telling the month that is simulated."""
    days = bars.closed_at.astype("datetime64[ns]").astype("datetime64[M]")

    def progress(phase: str, share: float) -> None:
        if phase == "Simulating":
            month = days[min(int(share * len(bars)), len(bars) - 1)]
            report.advance(SIMULATING, share, f"Simulating {month}")

    return BacktestConfig(
        cash=config.cash,
        cost_model=config.costs,
        max_participation=config.max_participation,
        time_in_force=TimeInForce.GTC if config.carries_rest else TimeInForce.DAY,
        limits=config.limits,
        seed=config.seed,
        progress=progress,
        observe=report.observe,
    )


def figures_of(run: BacktestRun, split: int, held: FloatArray, n_folds: int = 0) -> dict[str, Any]:
    """Whole span, in-sample and out-of-sample, the benchmark over the same three, and folds."""
    n_bars = run.equity.shape[0]
    spans = {"all": (0, n_bars), "in_sample": (0, split), "out_of_sample": (split, n_bars)}
    opening = {
        name: held[first - 1] if first else run.config.cash for name, (first, _) in spans.items()
    }
    figures: dict[str, Any] = {
        name: statistics.segment(run, first, stop) for name, (first, stop) in spans.items()
    }
    figures["benchmark"] = {
        name: statistics.benchmark_segment(
            held[first:stop], float(opening[name]), run.bars_per_year
        )
        for name, (first, stop) in spans.items()
    }
    figures["folds"] = statistics.folds(run, held, n_folds)
    figures["open_position"] = statistics.open_position(run)
    return figures


def cost_values(run: BacktestRun, curve: tuple[CostPoint, ...]) -> dict[str, Any]:
    """Tell what was paid, part by part, and the run at multiples of it."""
    gross = sum(max(trip.pnl + trip.commission, 0.0) for trip in run.round_trips)
    parts = run.costs.as_dict()
    return {
        "parts": parts,
        "shares_of_gross": {
            name: value / gross if gross > 0.0 else math.nan for name, value in parts.items()
        },
        "gross": gross,
        "notional": run.costs.notional,
        "paid_bps": run.costs.paid_bps,
        "is_free": run.config.costs.is_free,
        "curve": [asdict(point) for point in curve],
        "n_partial_orders": sum(o.filled_quantity < o.quantity for o in run.orders),
    }


def by_regime_values(
    run: BacktestRun, null_win_rates: Mapping[str, float | None]
) -> dict[str, Any]:
    """Add to the engine's table the win rate that chance gives in each regime."""
    return {
        name: {
            **row,
            "n": int(row["n"]),
            "n_wins": int(row["n_wins"]),
            "n_bars": int(row["n_bars"]),
            "ci": [row["win_rate_low"], row["win_rate_high"]] if row["n"] else None,
            "null_win_rate": null_win_rates.get(name),
        }
        for name, row in run.by_regime.items()
    }


def _decision_counts(bars: Bars, run: BacktestRun, config: ExperimentConfig) -> dict[str, Any]:
    """Count what was decided and why; only a run without any trade pays for the explanation."""
    n_bars = run.equity.shape[0]
    if run.fills:
        return {"n_bars": n_bars, "n_orders": len(run.fills), "counts": []}
    told = engine.run(
        bars,
        config.spec or config.strategy_key,
        config.parameters,
        replace(run.config, keeps_decisions=True, progress=None, observe=None),
    )
    counted = Counter((d.action, d.blocked_by or "") for d in told.decisions)
    last: dict[tuple[DecisionAction, str], str] = {
        (d.action, d.blocked_by or ""): d.reason for d in told.decisions
    }
    return {
        "n_bars": n_bars,
        "n_orders": 0,
        "counts": [
            {
                "action": str(action),
                "blocked_by": blocked,
                "n": n,
                "last_reason": last[action, blocked],
            }
            for (action, blocked), n in counted.most_common()
        ],
    }


def _manifest(bars: Bars, run: BacktestRun, config: ExperimentConfig) -> dict[str, Any]:
    return manifest_of(
        bars=bars,
        parameters=run.params,
        seed=config.seed,
        source=config.source,
        settings_used={
            **settings_values(config),
            "warm_up_bars": strategy_get(config.strategy_key).warm_up(run.params),
        },
    )


def settings_values(config: ExperimentConfig) -> dict[str, Any]:
    """Write down everything asked for but data and parameters."""
    return {
        "strategy": config.strategy_key,
        "model": dict(config.model) if config.model else None,
        "cash": config.cash,
        **asdict(config.costs),
        "cost_preset": str(config.costs.preset) if config.costs.preset else None,
        "max_participation": config.max_participation,
        "carries_rest": config.carries_rest,
        "limits": asdict(config.limits),
        "out_of_sample_share": config.out_of_sample_share,
        "out_of_sample_from": config.out_of_sample_from,
        "walk_forward_folds": config.walk_forward_folds,
        "benchmark": config.benchmark,
        "benchmark_sha256": bars_hash(config.benchmark_bars) if config.benchmark_bars else None,
        "n_null_draws": config.n_null_draws,
        "trials": asdict(config.trials or Trials()),
    }


def headline(figures: Mapping[str, Any]) -> str:
    """Say in a few words how a run ended."""
    n = figures["n_round_trips"]
    if not figures["n_orders"]:
        return "Done: no trades"
    total = signed_percent(figures["total_return"])
    return f"Done: {n:,} round trip{'' if n == 1 else 's'}, {total}"
