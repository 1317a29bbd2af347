"""Measure what the breaker's correlation rule does to portfolios of several instruments.

    PYTHONPATH=. .venv/bin/python docs/research/breaker_correlation.py DIR [--until 2020-01-01]

DIR holds the development data: `manifest.csv` and one CSV.GZ per instrument. Nothing at or after
``--until`` is read. Each portfolio runs once per limit; nothing is chosen by a result.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from marketdata.types import Bars
from trading.engine.backtest import BacktestConfig
from trading.engine.costs import CostModel
from trading.engine.explanation import Decision
from trading.engine.portfolio_backtest import PortfolioRun, run_portfolio
from trading.engine.shared_account import Leg
from trading.engine.types import AssetClass
from trading.services.backtests.files import bars_from_file

PORTFOLIOS = {
    "index pair": ("SPX", "NASDAQ"),
    "US sectors": ("AMD_C", "CVX_C", "HD_C", "KO_C", "MRK_C", "PG_C", "UNH_C"),
    "technology": ("QQQ", "SMH", "INTC"),
    "currencies": ("EURUSD", "GBPUSD", "USDJPY", "AUDUSD"),
    "crypto pair": ("BTCUSD", "ETHUSD"),
    "mixed": ("SPY", "IEF", "XAUUSD", "EURUSD", "BTCUSD"),
}
STRATEGIES = ("volatility_adaptive_trend", "hybrid")
OFF = 1.2
READ_AT = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)
LEVELS = ("CAUTIOUS", "RESTRICTED", "HALTED")


def legs_of(
    data: Path, symbols: tuple[str, ...], until: dt.date, strategy: str, limit: float | None
) -> list[Leg]:
    """Read the instruments of one portfolio, each with the costs of its class."""
    rows = {row["symbol"]: row for row in csv.DictReader((data / "manifest.csv").open())}
    params = {} if limit is None else {"breaker_correlation": limit}
    return [
        Leg(
            _bars(data, rows[symbol], until),
            strategy,
            params,
            CostModel(preset=AssetClass(rows[symbol]["asset_class"].upper())),
        )
        for symbol in symbols
    ]


def _bars(data: Path, row: dict[str, str], until: dt.date) -> Bars:
    return bars_from_file(
        path=data / f"{row['symbol']}.csv.gz",
        symbol=row["symbol"],
        timeframe="1d",
        exec_price=row["exec_price"].upper(),
        end=until - dt.timedelta(days=1),
        now=READ_AT,
    )


def raised(decisions: tuple[Decision, ...]) -> Iterator[tuple[str, bool]]:
    """Yield the level of every decision that correlation raised, and whether it is new."""
    before: dict[str, str] = {}
    for decision in decisions:
        because = next((p.because for p in decision.parameters if p.name == "breaker"), "")
        level = because.split(":")[0] if ": correlation" in because else ""
        if level:
            yield level, LEVELS.index(level) > _rank(before.get(decision.symbol, ""))
        before[decision.symbol] = level


def _rank(level: str) -> int:
    return LEVELS.index(level) if level else -1


def figures(run: PortfolioRun) -> dict[str, str]:
    """Count what the rule did and what the account earned."""
    account = run.account
    levels, rises = Counter[str](), Counter[str]()
    for level, is_new in raised(account.decisions):
        levels[level] += 1
        rises[level] += is_new
    n = max(len(account.decisions), 1)
    years = (account.closed_at[-1] - account.closed_at[0]) / (365.25 * 86_400e9)
    metrics = account.metrics
    return {
        "years": f"{years:.1f}",
        "halts a year": f"{rises['HALTED'] / years:.2f}",
        "decisions halted": f"{levels['HALTED'] / n:.1%}",
        "decisions cut": f"{(levels['CAUTIOUS'] + levels['RESTRICTED']) / n:.1%}",
        "trades": f"{len(account.round_trips)}",
        "return a year": f"{metrics['annual_return']:+.2%}",
        "Sharpe": f"{metrics['sharpe_ratio']:.2f}",
        "drawdown": f"{metrics['max_drawdown']:.1%}",
    }


def main() -> None:
    """Print one Markdown row for each portfolio, strategy and limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--until", type=dt.date.fromisoformat, default=dt.date(2020, 1, 1))
    given = parser.parse_args()
    has_head = False
    for name, symbols in PORTFOLIOS.items():
        for strategy in STRATEGIES:
            for words, limit in (("default", None), ("off", OFF)):
                legs = legs_of(given.data, symbols, given.until, strategy, limit)
                run = run_portfolio(legs, BacktestConfig(keeps_decisions=True))
                if not run.account.round_trips:
                    continue
                found = {"portfolio": name, "strategy": strategy, "rule": words} | figures(run)
                if not has_head:
                    print("| " + " | ".join(found) + " |\n" + "|---" * len(found) + "|")
                    has_head = True
                print("| " + " | ".join(found.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
