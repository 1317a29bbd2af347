"""Every rule speaks, with value and limit, and reducing risk is never blocked."""

import pytest

from trading.engine.risk import OrderRequest, PortfolioView, RiskLimits, check, is_allowed
from trading.engine.types import OrderSide, RuleStatus

BUY = OrderRequest("SPX", OrderSide.BUY, 10.0, 100.0, cost=1.0)
SELL = OrderRequest("SPX", OrderSide.SELL, 10.0, 100.0, cost=1.0)
RICH = PortfolioView(cash=10_000.0, equity=10_000.0)
RULES = [
    "QUANTITY",
    "BUYING_POWER",
    "MAX_NOTIONAL",
    "MAX_POSITION_WEIGHT",
    "SHORT",
    "DAILY_LOSS",
    "MAX_OPEN_ORDERS",
]


def rule(name, order, portfolio, limits):
    return next(r for r in check(order, portfolio, limits) if r.rule == name)


def test_check_reports_every_rule_in_a_fixed_order():
    results = check(BUY, RICH, RiskLimits())

    assert [result.rule for result in results] == RULES
    assert is_allowed(results)


@pytest.mark.parametrize(
    ("name", "order", "portfolio", "limits", "value", "limit"),
    [
        ("BUYING_POWER", BUY, PortfolioView(1_000.0, 1e4), RiskLimits(), 1_001.0, 1_000.0),
        (
            "BUYING_POWER",
            BUY,
            PortfolioView(5e3, 1e4, reserved_cash=4_500.0),
            RiskLimits(),
            1_001.0,
            500.0,
        ),
        ("MAX_NOTIONAL", BUY, RICH, RiskLimits(max_notional=999.0), 1_000.0, 999.0),
        ("MAX_POSITION_WEIGHT", BUY, RICH, RiskLimits(max_position_weight=0.05), 0.1, 0.05),
        ("SHORT", SELL, PortfolioView(1e4, 1e4, position_quantity=4.0), RiskLimits(), -6.0, 0.0),
        (
            "SHORT",
            SELL,
            PortfolioView(1e4, 1e4, position_quantity=15.0, reserved_quantity=10.0),
            RiskLimits(),
            -5.0,
            0.0,
        ),
        (
            "DAILY_LOSS",
            BUY,
            PortfolioView(1e4, 9_000.0, day_start_equity=1e4),
            RiskLimits(max_daily_loss=1_000.0),
            1_000.0,
            1_000.0,
        ),
        (
            "MAX_OPEN_ORDERS",
            BUY,
            PortfolioView(1e4, 1e4, n_open_orders=3),
            RiskLimits(max_open_orders=3),
            4.0,
            3.0,
        ),
    ],
)
def test_rule_fails_and_names_value_and_limit(name, order, portfolio, limits, value, limit):
    found = rule(name, order, portfolio, limits)

    assert found.status is RuleStatus.FAIL
    assert (found.value, found.limit) == (pytest.approx(value), pytest.approx(limit))
    assert not is_allowed(check(order, portfolio, limits))


@pytest.mark.parametrize(
    ("quantity", "price"), [(0.0, 5.0), (-1.0, 5.0), (1.0, 0.0), (float("nan"), 5.0)]
)
def test_quantity_and_price_must_be_above_zero(quantity, price):
    wrong = OrderRequest("SPX", OrderSide.BUY, quantity, price)

    assert rule("QUANTITY", wrong, RICH, RiskLimits()).status is RuleStatus.FAIL


def test_near_a_limit_the_rule_warns():
    found = rule("MAX_NOTIONAL", BUY, RICH, RiskLimits(max_notional=1_100.0))

    assert found.status is RuleStatus.WARN
    assert found.sentence == "notional 1,000.00 USD is within the limit of 1,100.00 USD"


@pytest.mark.parametrize(
    "limits", [{"max_notional": 1_000.0}, {"max_position_weight": 0.1}, {"max_open_orders": 1}]
)
def test_an_order_exactly_at_its_limit_may_go_out(limits):
    assert is_allowed(check(BUY, RICH, RiskLimits(**limits)))


def test_reducing_passes_weight_and_daily_loss_whatever_the_limits():
    losing = PortfolioView(0.0, 5_000.0, position_quantity=50.0, day_start_equity=1e4)
    limits = RiskLimits(max_position_weight=0.01, max_daily_loss=1.0)

    assert is_allowed(check(SELL, losing, limits))


def test_missing_buying_power_says_how_much_is_missing():
    found = rule("BUYING_POWER", BUY, PortfolioView(900.0, 900.0), RiskLimits())

    assert "101.00 USD are missing" in found.sentence


def test_shorts_pass_where_they_are_allowed():
    assert is_allowed(check(SELL, RICH, RiskLimits(allows_short=True)))


def test_a_book_without_equity_has_no_weight_to_give():
    broke = PortfolioView(cash=5_000.0, equity=0.0)

    assert not is_allowed(check(BUY, broke, RiskLimits(max_position_weight=1.0)))
