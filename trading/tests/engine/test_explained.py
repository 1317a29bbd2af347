"""Some decisions of a run, told without the words of all others."""

import pytest

from trading.engine.allocation import Allocation
from trading.engine.backtest import BacktestConfig, decisions_at, run
from trading.engine.errors import ConfigInvalid
from trading.engine.portfolio_backtest import account_decisions, run_portfolio
from trading.engine.shared_account import Leg
from trading.tests.engine.laws import some
from trading.tests.engine.panels import BARS
from trading.tests.engine.test_account_checks import BARS as TWO
from trading.tests.engine.test_account_checks import FAST

KEYS = ["rsi2_reversion", "sma_cross", "donchian_breakout", "volatility_adaptive_trend", "hybrid"]
COSTLY = BacktestConfig(commission_bps=5.0, slippage_bps=2.0)


def told(decisions):
    return [decision.to_dict() for decision in decisions]


@pytest.mark.slow
@pytest.mark.parametrize("key", some(KEYS, 2))
def test_chosen_decisions_are_those_of_the_whole_run_to_the_last_word(key):
    every = run(BARS, key, {}, BacktestConfig(commission_bps=5.0, keeps_decisions=True)).decisions
    trips = run(BARS, key, {}, BacktestConfig(commission_bps=5.0)).round_trips
    bars = sorted({trips[-1].signal_bar, trips[-1].exit_bar - 1, trips[0].signal_bar})

    found = decisions_at(
        BARS, key, {}, BacktestConfig(commission_bps=5.0), [int(BARS.closed_at[i]) for i in bars]
    )

    assert told(found) == told(every[i] for i in bars)


def test_nothing_behind_the_last_chosen_bar_is_decided():
    seen = []
    config = BacktestConfig(progress=lambda phase, share: seen.append(share))

    decisions_at(BARS, "sma_cross", {}, config, [int(BARS.closed_at[60])])

    assert seen == [0.0]


def test_a_moment_at_which_no_bar_closes_is_refused():
    close = int(BARS.closed_at[60]) + 1

    with pytest.raises(ConfigInvalid, match=f"no bar of {BARS.symbol} closes at {close} ns"):
        decisions_at(BARS, "sma_cross", {}, COSTLY, [close])


def test_no_moment_asks_for_no_decision():
    assert decisions_at(BARS, "sma_cross", {}, COSTLY, []) == ()


def test_no_moment_asks_an_account_for_no_decision():
    assert account_decisions([Leg(TWO[0], "sma_cross", FAST)], COSTLY, Allocation(), []) == ()


def test_an_account_tells_the_chosen_decisions_of_all_its_instruments():
    legs = [Leg(bars, "sma_cross", FAST) for bars in TWO]
    config = BacktestConfig(commission_bps=5.0)
    whole = run_portfolio(legs, BacktestConfig(commission_bps=5.0, keeps_decisions=True))
    trip = whole.account.round_trips[len(whole.account.round_trips) // 2]
    closes = {int(whole.account.closed_at[trip.signal_bar]), trip.exit_at}

    found = account_decisions(legs, config, Allocation(), closes)

    assert len(found) > 2
    assert told(found) == told(d for d in whole.account.decisions if d.decided_at in closes)
