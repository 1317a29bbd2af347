"""One portfolio backtest from bars to all a page or a command shows; no database, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from marketdata.types import Bars
from trading.engine import metrics
from trading.engine.allocation import Allocation, AllocationRule
from trading.engine.checks.account import portfolio_honesty
from trading.engine.costs import CostModel
from trading.engine.portfolio_backtest import InstrumentResult, PortfolioRun, run_portfolio
from trading.engine.portfolio_nulls import instrument_rates, instrument_trades
from trading.engine.shared_account import Leg
from trading.engine.strategies import strategy_get
from trading.engine.win_chances import chances_of
from trading.services.backtests import judgement, statistics
from trading.services.backtests.experiment import (
    NULL_MODEL,
    SIMULATING,
    STATISTICS,
    ExperimentConfig,
    ExperimentOutcome,
    Report,
    Silent,
    engine_config,
    outcome_of,
    settings_values,
)
from trading.services.backtests.judgement import ALL, Judgement
from trading.services.backtests.manifest import manifest_of_many
from trading.services.backtests.statistics import iso


@dataclass(frozen=True, slots=True)
class AllocationChoice:
    """How the account is divided, as a draft or a stored run asks for it."""

    allocation: str = "EQUAL_WEIGHT"
    max_positions: int | None = None
    gross_cap: float = 1.0
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def engine_allocation(self) -> Allocation:
        """The same in the engine's terms."""
        return Allocation(
            AllocationRule(self.allocation),
            self.weights,
            max_positions=self.max_positions,
            gross_cap=self.gross_cap,
        )


def portfolio_experiment(
    *,
    series: Sequence[Bars],
    config: ExperimentConfig,
    choice: AllocationChoice,
    costs: Mapping[str, CostModel] | None = None,
    report: Report | None = None,
) -> ExperimentOutcome:
    """Simulate on one account, compare with chance, and judge. Raises what the engine refuses.

    `costs` holds the cost model of each symbol's own market; others take the config's.
    """
    own = costs or {}
    report = report or Silent()
    report.phase(SIMULATING)
    strategy = config.spec or config.strategy_key
    legs = [Leg(bars, strategy, config.parameters, own.get(bars.symbol)) for bars in series]
    longest = max(series, key=len)
    run = run_portfolio(legs, engine_config(longest, config, report), choice.engine_allocation)
    account = run.account
    split = statistics.split_index(account, config.out_of_sample_share, config.out_of_sample_from)
    report.simulated(account)
    report.phase(NULL_MODEL)
    chances = _chances(run, legs)
    judged = _judge(run, legs, chances, config, choice, report)
    report.phase(STATISTICS)
    return outcome_of(
        account,
        judged,
        split,
        config,
        per_instrument=[_row(row, run, chances[row.symbol]) for row in run.instruments],
        round_trips=_trips(run, split, series),
        decisions={"n_bars": len(account.equity), "n_orders": len(account.orders), "counts": []},
        manifest=_manifest(series, run, config, choice),
    )


Chances = dict[str, list[float]]


def _judge(
    run: PortfolioRun,
    legs: Sequence[Leg],
    chances: Mapping[str, Chances],
    config: ExperimentConfig,
    choice: AllocationChoice,
    report: Report,
) -> Judgement:
    panel = portfolio_honesty(
        run,
        legs,
        choice.engine_allocation,
        np.random.default_rng(config.seed),
        n_draws=config.n_null_draws,
        trials=config.trials,
        progress=lambda share, words: report.advance(NULL_MODEL, share, f"{words} {share:.0%}"),
    )
    nulls = judgement.mean_chances(_joined(chances.values()))
    return Judgement(panel, nulls, panel.buy_and_hold, judgement.band_of(run.account, panel))


def _chances(run: PortfolioRun, legs: Sequence[Leg]) -> dict[str, Chances]:
    """Return by symbol the chance of each of its trades, by regime."""
    return {
        row.symbol: chances_of(
            row.round_trips,
            instrument_trades(row, run, legs),
            row.regime_codes,
            instrument_rates(row, run, legs)[0],
        )
        for row in run.instruments
    }


def _joined(every: Iterable[Chances]) -> Chances:
    """Put the trades of all instruments together, so that each counts once."""
    joined: Chances = {}
    for chances in every:
        for name, values in chances.items():
            joined.setdefault(name, []).extend(values)
    return joined


def _row(row: InstrumentResult, run: PortfolioRun, chances: Chances) -> dict[str, Any]:
    n_wins = sum(trip.is_win for trip in row.round_trips)
    n, pnls = len(row.round_trips), [trip.pnl for trip in row.round_trips]
    interval = metrics.wilson_interval(n_wins, n)
    return {
        "symbol": row.symbol,
        "first_at": iso(row.first_at),
        "last_at": iso(row.last_at),
        "n_bars": row.n_bars,
        "n_orders": row.n_orders,
        "n": n,
        "n_wins": n_wins,
        "win_rate": metrics.hit_rate(pnls),
        "ci": [interval.low, interval.high] if n else None,
        "profit_factor": metrics.profit_factor(pnls),
        "n_losses": sum(pnl < 0.0 for pnl in pnls),
        "pnl": row.pnl,
        "open_pnl": row.open_pnl,
        "contribution": (row.pnl + row.open_pnl) / run.account.config.cash,
        "cost_total": row.costs.total,
        "null_win_rate": judgement.mean_chances(chances)[ALL],
    }


def _trips(run: PortfolioRun, split: int, series: Sequence[Bars]) -> list[dict[str, Any]]:
    """Rows of the account, with excursions from each instrument's own bars."""
    bars_of = {bars.symbol: bars for bars in series}
    own = {
        (trip.symbol, trip.entry_at): trip for row in run.instruments for trip in row.round_trips
    }
    rows = []
    for number, trip in enumerate(run.account.round_trips, start=1):
        values = statistics.trips_as_rows(replace(run.account, round_trips=(trip,)), split, None)[0]
        excursions = statistics.excursions(own[trip.symbol, trip.entry_at], bars_of[trip.symbol])
        rows.append({**values, "number": number, "symbol": trip.symbol, **excursions})
    return rows


def _manifest(
    series: Sequence[Bars], run: PortfolioRun, config: ExperimentConfig, choice: AllocationChoice
) -> dict[str, Any]:
    spec = strategy_get(config.strategy_key)
    return manifest_of_many(
        series=sorted(series, key=lambda bars: bars.symbol),
        bars_per_year=run.account.bars_per_year,
        parameters=run.account.params,
        seed=config.seed,
        source=config.source,
        settings_used={
            **settings_values(config),
            **asdict(choice),
            "warm_up_bars": spec.warm_up(run.account.params),
        },
    )
