"""Bench `engine`: one adaptive run against the event-driven peers' plain cross."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import cycle, repeat

from elson.benchmarks.environment import NAUTILUS, VECTORBT, peer_python, peer_version
from elson.benchmarks.harness import (
    OURS,
    Bench,
    Contender,
    Contest,
    Goal,
    Limit,
    Report,
    Results,
    ResultsDiffer,
    Times,
)
from elson.benchmarks.peers import Peer
from elson.benchmarks.series import geometric_walk
from marketdata.types import Bars
from trading.engine import rich
from trading.engine.backtest import BacktestConfig, BacktestRun, run
from trading.engine.simulation import simulate
from trading.engine.strategies import resolve_params, strategy_get

N_BARS = 8_000
N_CHECKED = 700  # compiled loop, its uncompiled source and the step must agree on these first
STRATEGY = "volatility_adaptive_trend"
FAST, SLOW = 20, 100
PARAMS = {"breaker": "on"}
CASH = 100_000.0
# One run is too short to be timed, and a core that waited for a peer needs a while to be awake.
REPEATS = 1_000
N_FRESH = 100
COMMISSION_BPS = 5.0
FRESH = "fresh"
FEWEST_TREND_BARS, N_LENGTHS = 40, 100
SPEED = "bars a second and core"
FRESH_SPEED = "the same, each run of a series never seen"
FRESH_RATIOS = {
    "backtesting": "backtesting.py, against a series never seen",
    "nautilus": "NautilusTrader, against a series never seen",
}
SCRIPTS = "elson.benchmarks.peer_scripts"


@contextmanager
def prepare(report: Report) -> Iterator[Contest]:
    """Give every engine the same walk."""
    bars = geometric_walk(5, N_BARS)
    with ExitStack() as stack:
        backtesting = stack.enter_context(
            Peer(f"{SCRIPTS}.backtesting_peer", python=peer_python(VECTORBT, report))
        )
        nautilus = stack.enter_context(
            Peer(f"{SCRIPTS}.nautilus_peer", python=peer_python(NAUTILUS, report))
        )
        names = ("open", "high", "low", "close", "volume")
        columns = {name: getattr(bars, name) for name in names}
        titled = {name.title(): column for name, column in columns.items()}
        fees = COMMISSION_BPS / 1e4
        backtesting.ask("load", closed_at=bars.closed_at, fees=fees, **titled)
        nautilus.ask("load", closed_at=bars.closed_at, **columns)
        contenders = (*_our_contenders(bars), *_peer_contenders(backtesting, nautilus))
        yield Contest(contenders, _order_check(bars), _figures)


def _our_contenders(bars: Bars) -> tuple[Contender, Contender]:
    version = f"Python {platform.python_version()}"
    return (
        Contender(
            OURS,
            f"Elson, {STRATEGY}: {REPEATS:,} runs of one series, {N_LENGTHS} settings",
            version,
            REPEATS * N_BARS,
            lambda: _ours(repeat(bars.slice(0, N_BARS), REPEATS)),
        ),
        Contender(
            FRESH,
            f"Elson, {STRATEGY}: {N_FRESH} settings, each of a series never seen",
            version,
            N_FRESH * N_BARS,
            # One after the other, so that the memory of one serves the next.
            lambda: _ours(bars.slice(0, N_BARS) for _ in range(N_FRESH)),
        ),
    )


def _peer_contenders(backtesting: Peer, nautilus: Peer) -> tuple[Contender, Contender]:
    return (
        Contender(
            "backtesting",
            "backtesting.py, moving-average cross",
            peer_version(VECTORBT, "backtesting"),
            N_BARS,
            lambda: backtesting.ask("run", fast=FAST, slow=SLOW),
        ),
        Contender(
            "nautilus",
            "NautilusTrader, moving-average cross",
            peer_version(NAUTILUS, "nautilus_trader"),
            N_BARS,
            lambda: nautilus.ask("run", fast=FAST, slow=SLOW),
        ),
    )


def _order_check(bars: Bars) -> Callable[[Mapping[str, Results]], None]:
    config = BacktestConfig(commission_bps=COMMISSION_BPS)
    n_orders = len(run(bars, "sma_cross", {"fast": FAST, "slow": SLOW}, config).orders)

    def check(results: Mapping[str, Results]) -> None:
        """Our own cross places as many orders as the peers'; they run nothing richer."""
        check_twins(geometric_walk(6, N_CHECKED))
        for key in ("backtesting", "nautilus"):
            if results[key]["n_orders"] != n_orders:
                raise ResultsDiffer(
                    f"{key} places {results[key]['n_orders']} orders, our cross {n_orders}"
                )

    return check


def check_twins(bars: Bars) -> None:
    """See that the compiled loop, its uncompiled source and the live step trade the same."""
    config = BacktestConfig(commission_bps=COMMISSION_BPS, allows_all_cash=False)
    compiled = _trades(run(bars, STRATEGY, PARAMS, config))
    stepped = _trades(run(bars, STRATEGY, PARAMS, replace(config, keeps_decisions=True)))
    with uncompiled():
        plain = _trades(run(bars, STRATEGY, PARAMS, config))
    if not compiled:
        raise ResultsDiffer(f"{STRATEGY} does not trade on {len(bars)} bars")
    for name, trades in (("the step", stepped), ("the uncompiled loop", plain)):
        if trades != compiled:
            raise ResultsDiffer(f"{name} trades otherwise than the compiled loop")


def _trades(result: BacktestRun) -> list[tuple[int, float, float, float]]:
    return [(f.bar, f.signed_quantity, f.price, f.commission) for f in result.fills]


@contextmanager
def uncompiled() -> Iterator[None]:
    """Run the bar loop as the ordinary Python it is written in."""
    compiled = rich.simulate_rules_nb
    rich.simulate_rules_nb = compiled.py_func  # type: ignore[attr-defined]
    try:
        yield
    finally:
        rich.simulate_rules_nb = compiled


def _ours(passes: Iterable[Bars]) -> Results:
    """Prepare and run once per series; how long the loop alone took is told apart.

    From bars that are there: making them is not timed, as peers are not when they load theirs.
    """
    spec = strategy_get(STRATEGY)
    settings = cycle(
        resolve_params(spec, PARAMS | {"trend_bars": FEWEST_TREND_BARS + k})
        for k in range(N_LENGTHS)
    )
    costs = BacktestConfig(commission_bps=COMMISSION_BPS).costs
    seconds = in_loop = 0.0
    for bars, params in zip(passes, settings, strict=False):
        began = time.perf_counter()
        features = spec.prepare(bars, params)
        loop_began = time.perf_counter()
        simulate(features, cash=CASH, costs=costs)
        ended = time.perf_counter()
        seconds += ended - began
        in_loop += ended - loop_began
    return {"seconds": seconds, "loop_seconds": in_loop}


def _figures(times: Mapping[str, Times]) -> dict[str, float]:
    ours, fresh = times[OURS], times[FRESH]
    return {
        SPEED: 1.0 / ours.median,
        FRESH_SPEED: 1.0 / fresh.median,
        **{figure: times[peer].over(fresh) for peer, figure in FRESH_RATIOS.items()},
        "bars a second in the loop alone": REPEATS * N_BARS / ours.results["loop_seconds"],
    }


BENCH = Bench(
    name="engine",
    title="one adaptive backtest: regimes, adaptive parameters, sizing, stops",
    unit="bar",
    workload=(
        f"8,000 bars of a seeded walk, one thread. Ours runs {STRATEGY} with {N_LENGTHS} settings: "
        "indicators, regimes, adaptive parameters, sizing, stops and the circuit breaker, all of "
        "it inside the timed part, from bars to cash and position. What hangs on bars and costs "
        "alone (regimes, RSI, ATR, running sums, cost rates) is computed once per series, as in a "
        "search and whatever runs a series again; the second row gives every run a series of its "
        "own, and that is what a single backtest costs. The last figure times the bar loop alone. "
        "Compiled loop, its uncompiled source and the live step trade the same to the bit on "
        f"{N_CHECKED} bars first. The peers run a moving-average cross, which is less, and place "
        "as many orders as our cross; backtesting.py also computes its equity curve and "
        "statistics, which ours leaves out here. Our process keeps the memory it frees, as our "
        "workers do."
    ),
    goals=(Goal("backtesting", 150.0), Goal("nautilus", 800.0)),
    prepare=prepare,
    limits=(
        Limit(SPEED, "bars/s", at_least=20e6),
        Limit(FRESH_SPEED, "bars/s"),
        *(Limit(figure, "×") for figure in FRESH_RATIOS.values()),
    ),
)
