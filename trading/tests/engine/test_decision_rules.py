"""The rules a decision tells are those it went through: what failed is what blocked it."""

import numpy as np
import pytest

from marketdata.types import Bars
from trading.engine.backtest import BacktestConfig, run
from trading.engine.own_limits import AccountView, OwnLimits, limits_told
from trading.engine.planning import StepContext
from trading.engine.state import start
from trading.engine.step import prepare, step
from trading.engine.strategies import STRATEGIES, strategy_get
from trading.engine.types import DecisionAction, RuleStatus
from trading.tests.engine.laws import some
from trading.tests.engine.walks import random_walk

BARS = random_walk(12, 330)
LIMITS = {
    "none": {},
    "tight": {"max_position_weight": 0.2, "max_daily_loss_ratio": 0.01},
    "nothing fits": {"max_order_notional": 1e-6},
}
PASS, WARN, FAIL = RuleStatus.PASS, RuleStatus.WARN, RuleStatus.FAIL


def explained(key, **options):
    config = BacktestConfig(keeps_decisions=True, commission_bps=5.0, **options)
    return run(BARS, key, {}, config).decisions


def names(decision, *statuses):
    """Rules of these statuses by the code a decision is blocked by."""
    codes = {"OWN_POSITION": "SIZE_LIMIT", "OWN_EXPOSURE": "SIZE_LIMIT", "OWN_ORDER": "SIZE_LIMIT"}
    return {codes.get(one.rule, one.rule) for one in decision.rules if one.status in statuses}


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("step_size", some([1.0, 0.0, 5_000.0], 2, first=1))
@pytest.mark.parametrize("key", some(sorted(STRATEGIES), 3))
def test_what_blocked_a_decision_stands_among_its_rules_and_nothing_else_failed(
    key, step_size, limits
):
    decisions = explained(key, quantity_step=step_size, limits=OwnLimits(**limits))

    for one in decisions:
        failed = names(one, FAIL)
        if one.blocked_by:
            assert one.blocked_by in names(one, FAIL, WARN), one
        else:
            # A held position that may not grow is cut to what it is: nothing is blocked by it.
            is_kept = one.action is DecisionAction.HOLD
            assert failed <= ({"SIZE_LIMIT", "LOSS_LIMIT"} if is_kept else set()), one
        if one.action in (DecisionAction.ENTER_LONG, DecisionAction.INCREASE):
            assert not failed, one
            assert {"WARM_UP", "NO_EQUITY", "PAUSED"} <= names(one, PASS)


def test_all_cash_that_buys_not_one_unit_after_costs_fails_by_the_step():
    price = np.array([100.0, 100.0, 90.0, 95.0])
    bars = Bars("X", "1d", np.arange(4), price, price, price, price, np.ones(4))
    config = BacktestConfig(
        cash=95.0, commission_bps=100.0, quantity_step=1.0, keeps_decisions=True
    )

    last = run(bars, "sma_cross", {"fast": 1, "slow": 2}, config).decisions[-1]

    assert last.blocked_by == "QUANTITY_STEP"
    assert names(last, FAIL) == {"QUANTITY_STEP"}


def test_rules_say_value_and_limit_also_of_what_passed():
    bought = next(one for one in explained("sma_cross", quantity_step=1.0)
                  if one.action is DecisionAction.ENTER_LONG)  # fmt: skip

    told = {one.rule: one for one in bought.rules}

    assert told["WARM_UP"].value >= told["WARM_UP"].limit > 0
    assert told["QUANTITY_STEP"].limit == 1.0
    assert told["CASH"].status is PASS
    assert bought.to_dict()["rules"][0]["status"] == "PASS"


def test_a_pause_fails_where_it_withholds_and_warns_where_nothing_was_asked():
    spec = strategy_get("sma_cross")
    features = prepare(BARS, "sma_cross", {"fast": 2, "slow": 5})
    context = StepContext(spec, is_paused=True)
    decisions = [step(features, i, start(1_000.0), context).decision for i in range(5, 60)]

    withheld = [one for one in decisions if one.blocked_by == "PAUSED"]
    idle = [one for one in decisions if one.blocked_by is None]

    assert withheld
    assert idle
    assert all("PAUSED" in names(one, FAIL) for one in withheld)
    assert all("PAUSED" in names(one, WARN) for one in idle)


def test_a_warm_up_counts_its_bars():
    first = explained("sma_cross")[0]

    assert [(one.rule, one.status, one.value) for one in first.rules] == [("WARM_UP", FAIL, 1.0)]


@pytest.mark.parametrize(
    ("weight", "statuses"),
    [(0.1, {PASS}), (0.5, {WARN}), (0.0, {PASS})],
)
def test_own_limits_say_what_a_wish_comes_to(weight, statuses):
    account = AccountView(1_000.0, 300.0, 0.0, 1_010.0)
    limits = OwnLimits(max_position_weight=0.2, max_gross_exposure=0.45, max_order_notional=150.0)

    told = limits_told(
        weight, limits, account, equity=1_000.0, quantity=0.0, close=10.0, whose="the account"
    )

    assert {one.status for one in told} == statuses
    assert [one.value for one in told] == pytest.approx([weight, 0.3 + weight, 1_000.0 * weight])
    assert [one.limit for one in told] == [0.2, 0.45, 150.0]


def test_a_used_up_daily_loss_fails_only_where_something_would_be_added():
    account = AccountView(900.0, 100.0, 10.0, 1_000.0)
    limits = OwnLimits(max_daily_loss_ratio=0.05)

    def told(weight):
        return limits_told(
            weight, limits, account, equity=900.0, quantity=10.0, close=10.0, whose="its own book"
        )[0]

    assert told(0.5).status is FAIL
    assert told(0.05).status is WARN
    assert told(0.5).value == pytest.approx(0.1)
