"""Several instruments, one account: the books add up, and nobody depends on the order given."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.allocation import Allocation, AllocationRule
from trading.engine.backtest import BacktestConfig, run
from trading.engine.costs import CostModel
from trading.engine.errors import ConfigInvalid, InsufficientBars
from trading.engine.portfolio_backtest import run_portfolio
from trading.engine.portfolio_regimes import profit_of
from trading.engine.shared_account import Leg, SharedAccount, book_of, replay
from trading.engine.strategies.base import Proposal
from trading.engine.strategies.tables import breaker_parameters
from trading.engine.types import AssetClass
from trading.tests.engine.laws import examples, length
from trading.tests.engine.rules_by_hand import by_hand
from trading.tests.engine.walks import random_walk, tape

COSTS = CostModel(preset=AssetClass.EQUITY, spread_bps=1.0, commission_minimum=1.0)
CONFIG = BacktestConfig(cost_model=COSTS)
EQUAL, RISK, FIXED = AllocationRule


def walk(symbol, seed, n_bars=300, *, every=1, start=0):
    """A walk of its own calendar: every n-th day from a start."""
    bars = random_walk(seed, start + n_bars * every)
    chosen = slice(start, None, every)
    columns = {name: getattr(bars, name)[chosen] for name in
               ("closed_at", "open", "high", "low", "close", "volume")}  # fmt: skip
    return replace(bars, symbol=symbol, **columns)


BARS = [walk("AAA", 1), walk("BBB", 2, 120, every=2, start=30), walk("CCC", 3, 200, start=77)]


def legs(strategy="rsi2_reversion", chosen=BARS):
    return [Leg(bars, strategy) for bars in chosen]


@cache
def equal_parts():
    return run_portfolio(legs(), CONFIG)


@pytest.mark.parametrize("key", ["sma_cross", "rsi2_reversion", "volatility_adaptive_trend"])
def test_one_instrument_gives_the_backtest_of_that_instrument(key):
    config = BacktestConfig(commission_bps=5.0, slippage_bps=2.0)

    found = run_portfolio(legs(key, BARS[:1]), config).account

    alone = run(BARS[0], key, {}, config)
    assert [fill.bar for fill in found.fills] == [fill.bar for fill in alone.fills]
    np.testing.assert_allclose(found.equity, alone.equity, rtol=1e-9)
    assert found.metrics["win_rate"] == pytest.approx(alone.metrics["win_rate"], nan_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "max_positions"),
    [
        (EQUAL, 2),
        pytest.param(RISK, None, marks=pytest.mark.slow),
        pytest.param(EQUAL, None, marks=pytest.mark.slow),
        pytest.param(RISK, 2, marks=pytest.mark.slow),
    ],
)
def test_the_order_of_the_instruments_changes_nothing(rule, max_positions):
    allocation = Allocation(rule, max_positions=max_positions)

    once = run_portfolio(legs(), CONFIG, allocation)
    again = run_portfolio(legs(chosen=BARS[::-1]), CONFIG, allocation)

    assert np.array_equal(once.account.equity, again.account.equity)
    assert once.account.fills == again.account.fills
    assert [row.symbol for row in again.instruments] == ["AAA", "BBB", "CCC"]


@pytest.mark.slow
@examples(15)
@given(
    seeds=st.lists(st.integers(0, 10_000), min_size=2, max_size=4, unique=True),
    rule=st.sampled_from([EQUAL, RISK]),
    gross_cap=st.floats(0.2, 1.0),
    participation=st.sampled_from([None, 0.001]),
)
def test_cash_and_positions_explain_the_account(seeds, rule, gross_cap, participation):
    chosen = [walk(f"S{seed}", seed, length(90, quick=60), start=seed % 20) for seed in seeds]
    config = replace(CONFIG, max_participation=participation)

    found = run_portfolio(legs(chosen=chosen), config, Allocation(rule, gross_cap=gross_cap))

    account = found.account
    flows = config.cash + sum(fill.cash_flow for fill in account.fills)
    held = sum(
        row.quantity * bars.close[-1]
        for row, bars in zip(found.instruments, sorted(chosen, key=lambda b: b.symbol), strict=True)
    )
    assert account.cash[-1] == pytest.approx(flows)
    assert account.final_equity == pytest.approx(flows + held)
    results = sum(row.pnl + row.open_pnl for row in found.instruments)
    assert account.final_equity == pytest.approx(config.cash + results)
    assert account.cash.min() > -1e-6
    assert sum(row["n"] for row in account.by_regime.values()) == len(account.round_trips)


@pytest.mark.slow
def test_a_year_of_the_account_has_the_ticks_of_all_its_calendars():
    late = replace(BARS[0], symbol="LATE", closed_at=BARS[0].closed_at + 3_600 * 10**9)
    weekly = walk("WEEK", 4, 60, every=7)

    twice = run_portfolio(legs("sma_cross", [BARS[0], late]), CONFIG).account
    mixed = run_portfolio(legs("sma_cross", [BARS[0], weekly]), CONFIG).account

    assert twice.bars_per_year == pytest.approx(2 * 365.25, rel=0.01)
    # Every day at first, then every seventh, when the daily one has ended.
    assert 200.0 < mixed.bars_per_year < 365.0
    same = replace(BARS[0], symbol="SAME")
    both = run_portfolio(legs("sma_cross", [BARS[0], same]), CONFIG).account
    assert both.bars_per_year == BARS[0].bars_per_year


def test_an_instrument_trades_on_its_own_bars_only():
    found = equal_parts()

    closes = {bars.symbol: set(bars.closed_at.tolist()) for bars in BARS}
    assert {fill.symbol for fill in found.account.fills} == {"AAA", "BBB", "CCC"}
    for fill in found.account.fills:
        assert fill.filled_at in closes[fill.symbol]
        assert found.account.closed_at[fill.bar] == fill.filled_at


def test_no_more_positions_than_allowed_are_held_at_once():
    found = run_portfolio(legs("sma_cross"), CONFIG, Allocation(max_positions=1)).account

    held, most = set(), 0
    for fill in found.fills:
        (held.add if fill.signed_quantity > 0 else held.discard)(fill.symbol)
        most = max(most, len(held))
    assert most == 1
    assert {fill.symbol for fill in found.fills} != {found.fills[0].symbol}


def test_purchases_that_ask_for_more_than_there_is_share_the_cash():
    # AAA doubles first; then BBB and CCC want their thirds at once, more than the cash left.
    up = np.concatenate((np.full(5, 10.0), np.linspace(10.0, 40.0, 40)))
    late = np.concatenate((np.linspace(20.0, 10.0, 38), [11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0]))
    prices = {"AAA": up, "BBB": late, "CCC": late * 2.0}
    chosen = [
        replace(tape([(p, p, p, p) for p in column]), symbol=symbol)
        for symbol, column in prices.items()
    ]
    params = {"fast": 1, "slow": 2}

    account = run_portfolio(
        [Leg(bars, "sma_cross", params) for bars in chosen], BacktestConfig(commission_bps=10.0)
    ).account

    bought = {fill.symbol: fill.notional for fill in account.fills if fill.signed_quantity > 0}
    assert set(bought) == {"AAA", "BBB", "CCC"}
    assert bought["BBB"] == pytest.approx(bought["CCC"])
    assert account.cash[-1] == pytest.approx(0.0, abs=1e-6)
    assert account.cash.min() > -1e-6


def test_fixed_weights_bound_each_instrument():
    weights = {"AAA": 0.5, "BBB": 0.1}

    found = run_portfolio(legs(), CONFIG, Allocation(FIXED, weights))

    rows = {row.symbol: row for row in found.instruments}
    largest = max(trip.entry_notional for trip in rows["BBB"].round_trips)
    assert largest < 0.11 * found.account.equity.max()
    assert not rows["CCC"].round_trips


def test_each_instrument_pays_the_costs_of_its_own_market():
    dear = [Leg(bars, "rsi2_reversion", None, CostModel(commission_bps=50.0)) for bars in BARS[:1]]

    found = run_portfolio([*dear, *legs(chosen=BARS[1:])], BacktestConfig(commission_bps=1.0))

    paid = {row.symbol: row.costs.paid_bps for row in found.instruments}
    assert paid == pytest.approx({"AAA": 50.0, "BBB": 1.0, "CCC": 1.0})


@pytest.mark.parametrize(
    ("chosen", "values", "words"),
    [
        ([], {}, "at least 1 instrument, found 0"),
        ([BARS[0], BARS[0]], {}, "AAA is given 2 times"),
        (BARS, {"rule": FIXED, "weights": {"ZZZ": 0.1}}, "ZZZ"),
        (BARS, {"weights": {"AAA": 0.8, "BBB": 0.4}}, "sum to 1.2"),
        (BARS, {"gross_cap": 0.0}, "gross_cap 0"),
        (BARS, {"max_positions": 0}, "max_positions 0"),
    ],
)
def test_impossible_portfolios_are_refused(chosen, values, words):
    with pytest.raises(ConfigInvalid, match=words):
        run_portfolio(legs(chosen=chosen), CONFIG, Allocation(**values))


def test_too_few_bars_name_the_instrument():
    with pytest.raises(InsufficientBars, match="warm-up on BBB, found 20 bars"):
        run_portfolio(legs("sma_cross", [BARS[0], walk("BBB", 5, 20)]))


def test_one_instrument_has_the_regime_table_of_its_own_backtest():
    alone = run(BARS[0], "rsi2_reversion", {}, CONFIG)

    found = run_portfolio(legs(chosen=BARS[:1]), CONFIG).account.by_regime

    assert list(found) == list(alone.by_regime)
    for name, row in alone.by_regime.items():
        assert found[name] == pytest.approx(row, rel=1e-9, abs=1e-9, nan_ok=True)


def test_profits_of_the_regimes_add_up_to_the_account_at_every_tick():
    config = BacktestConfig(commission_bps=5.0)
    clock = np.unique(np.concatenate([bars.closed_at for bars in BARS]))
    books = [book_of(leg, config, clock) for leg in legs()]
    equity, _, _ = replay(SharedAccount(books, config, Allocation(), config.cash), clock)

    total = np.zeros(clock.shape[0])
    for book in books:
        total[book.ticks] += profit_of(book)[0]

    # An instrument without a bar is marked at its last close, so its profit waits for its next bar.
    np.testing.assert_allclose(config.cash + np.cumsum(total), equity, rtol=1e-12)


def test_time_in_a_regime_is_the_mean_share_over_the_instruments():
    table = equal_parts().account.by_regime

    assert sum(row["time_share"] for row in table.values()) == pytest.approx(1.0)
    assert all(row["sharpe_low"] < row["sharpe_high"] for row in table.values()
               if row["n_bars"] >= 60)  # fmt: skip


def test_equity_of_the_account_is_shown_tick_by_tick_as_it_ends_up():
    seen = []

    def observe(closed_at, equity_at):
        seen.append(equity_at(np.arange(closed_at.shape[0])).copy())

    account = run_portfolio(legs(), replace(CONFIG, observe=observe)).account

    assert len(seen) >= 2
    whole = account.equity
    for equity in seen:
        n = equity.shape[0]
        skipped = account.first_bar
        assert np.array_equal(equity[skipped:], whole[: max(n - skipped, 0)])


@pytest.mark.slow
def test_a_smaller_share_of_the_account_is_no_loss_to_a_breaker():
    # One is wild while the other is calm, so that their shares by risk change all the time.
    n_bars = length(420, quick=300)
    one = random_walk(5, n_bars, 0.003)
    later = random_walk(6, n_bars + 100, 0.003).slice(100, n_bars + 100)
    other = replace(later, symbol="OTHER", closed_at=one.closed_at)
    watchful = {"breaker_drawdown": 0.9, "breaker_loss_streak": 50, "breaker_daily_loss": 0.03}
    legs = [Leg(bars, "volatility_adaptive_trend", watchful) for bars in (one, other)]

    found = run_portfolio(
        legs, BacktestConfig(keeps_decisions=True), Allocation(AllocationRule.EQUAL_RISK)
    ).account

    assert (np.diff(found.equity) / found.equity[:-1]).min() > -0.02
    assert found.round_trips
    assert not any("daily loss" in str(decision.parameters) for decision in found.decisions)


def test_a_winner_is_not_halted_for_what_another_instrument_loses():
    config = {"breaker_daily_loss": 0.5, "breaker_drawdown": 0.9, "breaker_correlation": 1.2}
    watched = replace(
        by_hand(lambda features, i, state: Proposal(0.9 * (i % 6 < 3), 0.0, "TURN")),
        parameters=breaker_parameters("on"),
    )
    held = by_hand(lambda features, i, state: Proposal(0.9, 0.9, "HOLD"))
    rising, falling = (
        replace(tape([(100.0 * step**k,) * 4 for k in range(120)]), symbol=symbol)
        for symbol, step in (("UP", 1.001), ("DOWN", 0.996))
    )

    found = run_portfolio([Leg(rising, watched, config), Leg(falling, held)])
    bled = run_portfolio([Leg(replace(falling, symbol="UP"), watched, config), Leg(falling, held)])

    won, lost = (made.instruments[1].round_trips for made in (found, bled))
    assert len(won) == 20
    assert all(trip.is_win for trip in won)
    assert 10 <= len(lost) < 20


def test_an_instrument_cannot_borrow_cash_at_a_rate_of_its_own():
    own = [Leg(BARS[0], "sma_cross", costs=CostModel(financing_bps_per_year=300.0))]

    with pytest.raises(ConfigInvalid, match="financing_bps_per_year 300 of AAA must be 0 or the"):
        run_portfolio(own, BacktestConfig())
