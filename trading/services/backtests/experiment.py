"""One backtest from bars to everything a page or a command shows; no database, no clock.

The worker and the command line call the same function, so their numbers are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from elson.common.formatting import signed_percent
from marketdata.types import Bars, FloatArray
from trading.engine import backtest as engine
from trading.engine.backtest import BacktestConfig, BacktestRun
from trading.engine.strategies import strategy_get
from trading.engine.types import AssetClass, DecisionAction
from trading.services.backtests import judgement, statistics
from trading.services.backtests.manifest import manifest_of
from trading.services.backtests.statistics import plain

RESULT_FIELDS = (
    "metrics",
    "by_regime",
    "honesty",
    "curve",
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


class Silent:
    """A report nobody listens to."""

    def phase(self, phase: str, detail: str = "") -> None:
        """Do nothing."""

    def advance(self, phase: str, share: float, detail: str = "") -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class ExperimentConfig:
    """What is tried, at what costs."""

    strategy_key: str
    parameters: Mapping[str, Any]
    cash: float = 100_000.0
    commission_bps: float = 0.0
    slippage_bps: float = 0.0
    preset: AssetClass | None = None
    out_of_sample_share: float = 0.3
    seed: int = 7
    n_null_draws: int = judgement.N_DRAWS
    source: str = "database"


@dataclass(frozen=True, slots=True, eq=False)
class ExperimentOutcome:
    """What was found; every field but `run` is plain JSON."""

    run: BacktestRun
    headline: str
    metrics: dict[str, Any]
    by_regime: dict[str, Any]
    honesty: dict[str, Any]
    curve: dict[str, Any]
    round_trips: list[dict[str, Any]]
    monthly: list[dict[str, Any]]
    drawdowns: list[dict[str, Any]]
    decisions: dict[str, Any]
    manifest: dict[str, Any]

    def stored_values(self) -> dict[str, Any]:
        """Return the fields of a stored result."""
        return {name: getattr(self, name) for name in RESULT_FIELDS}


def cost_preset_of(*, asset_class: str, is_close_only: bool) -> AssetClass:
    """Return the line of the cost table that fits an instrument."""
    if asset_class == AssetClass.EQUITY and is_close_only:
        return AssetClass.EQUITY_CLOSE
    return AssetClass.__members__.get(asset_class, AssetClass.INDEX)


def experiment_run(
    *, bars: Bars, config: ExperimentConfig, report: Report | None = None
) -> ExperimentOutcome:
    """Simulate, compare with chance, and judge. Raises what the engine refuses."""
    report = report or Silent()
    report.phase(SIMULATING)
    run = engine.run(
        bars, config.strategy_key, config.parameters, _engine_config(bars, config, report)
    )
    split = statistics.split_index(run, config.out_of_sample_share)
    report.phase(NULL_MODEL)
    judged = judgement.judge(bars=bars, run=run, seed=config.seed, n_draws=config.n_null_draws)
    report.phase(STATISTICS)
    figures = _figures(run, split, judged.benchmark)
    return ExperimentOutcome(
        run=run,
        headline=_headline(figures["all"]),
        metrics=plain(figures),
        by_regime=plain(_by_regime(run, judged.null_win_rates)),
        honesty=plain(judgement.panel_values(judged, figures, config.n_null_draws)),
        curve=statistics.curve(run, judged.benchmark, judged.band, split),
        round_trips=plain(statistics.trips_as_rows(run, split)),
        monthly=plain(statistics.monthly(run)),
        drawdowns=plain(statistics.worst_drawdowns(run)),
        decisions=plain(_decision_counts(bars, run, config)),
        manifest=_manifest(bars, run, config),
    )


def _engine_config(bars: Bars, config: ExperimentConfig, report: Report) -> BacktestConfig:
    days = bars.closed_at.astype("datetime64[ns]").astype("datetime64[M]")

    def progress(phase: str, share: float) -> None:
        if phase == "Simulating":
            month = days[min(int(share * len(bars)), len(bars) - 1)]
            report.advance(SIMULATING, share, f"Simulating {month}")

    return BacktestConfig(
        cash=config.cash,
        commission_bps=config.commission_bps,
        slippage_bps=config.slippage_bps,
        cost_preset=config.preset,
        seed=config.seed,
        progress=progress,
    )


def _figures(run: BacktestRun, split: int, held: FloatArray) -> dict[str, Any]:
    """Whole span, in-sample and out-of-sample, and buy-and-hold over the same three."""
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
    figures["open_position"] = statistics.open_position(run)
    return figures


def _by_regime(run: BacktestRun, null_win_rates: Mapping[str, float | None]) -> dict[str, Any]:
    """Add to the engine's table the win rate that chance gives in each regime."""
    return {
        name: {
            **row,
            "n": int(row["n"]),
            "n_wins": int(row["n_wins"]),
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
        config.strategy_key,
        config.parameters,
        replace(run.config, keeps_decisions=True, progress=None),
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
            "strategy": config.strategy_key,
            "cash": config.cash,
            "commission_bps": config.commission_bps,
            "slippage_bps": config.slippage_bps,
            "cost_preset": str(config.preset) if config.preset else None,
            "out_of_sample_share": config.out_of_sample_share,
            "n_null_draws": config.n_null_draws,
            "warm_up_bars": strategy_get(config.strategy_key).warm_up(run.params),
        },
    )


def _headline(figures: Mapping[str, Any]) -> str:
    n = figures["n_round_trips"]
    if not figures["n_orders"]:
        return "Done: no trades"
    total = signed_percent(figures["total_return"])
    return f"Done: {n:,} round trip{'' if n == 1 else 's'}, {total}"
