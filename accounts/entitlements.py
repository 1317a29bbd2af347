"""What each plan includes, in one place: the same table is shown, sold and enforced."""

from __future__ import annotations

from dataclasses import dataclass

# Stands for "as many as you like" where a key counts something.
UNLIMITED = 2**31 - 1


@dataclass(frozen=True)
class Entitlement:
    """One thing a plan grants: a count, or 1 for yes and 0 for no."""

    key: str
    label: str
    free: int
    plus: int
    pro: int


ENTITLEMENTS: tuple[Entitlement, ...] = (
    Entitlement("paper.accounts", "Paper portfolios", 1, 3, 10),
    Entitlement("stream.symbols", "Symbols streamed at once", 20, 100, 250),
    Entitlement("watchlists", "Watchlists", 2, 10, 50),
    Entitlement("watchlists.symbols", "Symbols on a watchlist", 20, 100, 250),
    Entitlement("strategies.running", "Running strategies", 1, 5, 20),
    Entitlement("trading.live", "Live trading", 0, 0, 1),
    Entitlement("backtests.per_day", "Backtests a day", 5, 50, 500),
    Entitlement("backtests.years", "Years in a backtest", 2, 10, UNLIMITED),
    Entitlement("backtests.at_once", "Backtests at once", 1, 2, 4),
    Entitlement("backtests.compare", "Runs compared", 2, 4, 4),
    Entitlement("optimize.trials_per_run", "Trials in an optimization", 0, 100, 2_000),
    Entitlement("optimize.runs_per_day", "Optimizations a day", 0, 3, 20),
    Entitlement("models.detail", "Full model detail", 0, 1, 1),
    Entitlement("alerts.rules", "Alert rules", 5, 50, 500),
    Entitlement("alerts.webhook", "Alerts by webhook", 0, 1, 1),
    Entitlement("api.tokens", "API tokens", 1, 3, 10),
    Entitlement("history.days", "Days of history shown", 90, 730, UNLIMITED),
)

FREE: dict[str, int] = {item.key: item.free for item in ENTITLEMENTS}
