"""Costs are the table's, scaled by the regime at the signal bar."""

import numpy as np
import pytest

from trading.engine.costs import (
    COST_BPS,
    IMPACT_MULTIPLIERS,
    IMPACTS,
    MOST_WORSE,
    REGIME_MULTIPLIERS,
    SLIPPAGE_BPS,
    CostModel,
    commission_rates,
    impact_scales,
    price_rates,
)
from trading.engine.errors import ConfigInvalid
from trading.engine.types import AssetClass


@pytest.mark.parametrize(("code", "factor"), [(-1, 1.0), (0, 1.0), (1, 1.0), (2, 1.5), (3, 2.5)])
@pytest.mark.parametrize("asset_class", list(AssetClass))
def test_preset_costs_grow_with_the_regime(asset_class, code, factor):
    rate = CostModel(preset=asset_class).commission_rate(code)

    assert rate == pytest.approx(COST_BPS[asset_class] * factor * 1e-4)


def test_plain_commission_adds_to_the_preset():
    costs = CostModel(commission_bps=3.0, preset=AssetClass.FX)

    assert costs.commission_rate(1) == pytest.approx(4.5e-4)


def test_rates_per_bar_equal_the_single_rates():
    costs = CostModel(preset=AssetClass.CRYPTO)
    codes = np.array([-1, 0, 1, 2, 3, 3])

    found = commission_rates(costs, codes)

    assert found.tolist() == [costs.commission_rate(int(code)) for code in codes]


def test_borrowing_costs_nothing_without_a_preset():
    assert CostModel().borrow_rate_per_day == 0.0
    assert CostModel(preset=AssetClass.CRYPTO).borrow_rate_per_day == pytest.approx(3e-4)


@pytest.mark.parametrize("rate", [-0.1, 1_000.5, float("nan"), float("inf")])
def test_cost_model_refuses_a_rate_out_of_bounds(rate):
    with pytest.raises(ConfigInvalid, match="commission_bps"):
        CostModel(commission_bps=rate)


def test_cost_model_knows_when_it_is_free():
    assert CostModel().is_free
    assert not CostModel(preset=AssetClass.ETF).is_free


def test_scaled_costs_multiply_every_part():
    costs = CostModel(
        2.0, 3.0, AssetClass.CRYPTO, spread_bps=1.0, commission_minimum=2.0, impact=0.5
    )

    twice = costs.scaled(2.0)

    assert twice.commission_rate(3) == pytest.approx(2 * costs.commission_rate(3))
    assert twice.slippage_rate == pytest.approx(2 * costs.slippage_rate)
    assert twice.commission(1.0, 1.0, 0) == 4.0
    assert twice.borrow_rate_per_day == pytest.approx(6e-4)
    assert costs.scaled(0.0).is_free


def test_impact_is_the_root_of_participation_times_volatility():
    close = 100.0 * np.exp(0.01 * np.where(np.arange(60) % 2, 1.0, 0.0))
    volume = np.full(60, 10_000.0)

    scale = impact_scales(CostModel(impact=1.0), np.full(close.shape[0], -1), close, volume)[40]

    # A hundredth of the volume moves the price by a tenth of the 1 % a bar moves.
    assert scale * np.sqrt(100.0) == pytest.approx(0.1 * 0.01, rel=1e-9)


def test_impact_is_nothing_where_volume_is_not_known():
    assert not impact_scales(
        CostModel(impact=1.0), np.full(59, -1), np.arange(1.0, 60.0), np.zeros(59)
    ).any()


def test_no_bar_is_so_wild_that_a_fill_costs_more_than_half_of_its_price():
    wild = [np.array([price]) for price in (400.0, 50.0, 100.0)]

    assert price_rates(CostModel(range_share=1.0), np.array([-1]), *wild).tolist() == [MOST_WORSE]


@pytest.mark.parametrize("asset_class", list(AssetClass))
def test_a_class_slips_and_moves_more_in_a_wilder_regime_where_that_is_asked_for(asset_class):
    codes, flat = np.array([-1, 0, 1, 2, 3]), np.full(5, 100.0)
    costs = CostModel(
        slippage_bps=1.0,
        impact=0.1,
        preset=asset_class,
        preset_slippage=1.0,
        preset_impact=2.0,
    )

    rates = price_rates(costs, codes, flat, flat, flat)

    slips = [1.0, *REGIME_MULTIPLIERS]
    moves = [1.0, *IMPACT_MULTIPLIERS]
    expected = [(1.0 + SLIPPAGE_BPS[asset_class] * factor) * 1e-4 for factor in slips]
    assert rates == pytest.approx(expected)
    impacts = [costs.impact_at(int(code)) for code in codes]
    assert impacts == pytest.approx([0.1 + 2.0 * IMPACTS[asset_class] * f for f in moves])
    assert not costs.is_proportional


def test_a_preset_alone_charges_what_published_figures_charge():
    costs = CostModel(preset=AssetClass.CRYPTO)

    assert [costs.price_rate(code) for code in range(-1, 4)] == [0.0] * 5
    assert [costs.impact_at(code) for code in range(-1, 4)] == [0.0] * 5
    assert costs.is_proportional
    assert costs.slips_alike


def test_impact_of_a_bar_is_that_of_its_regime():
    rng = np.random.default_rng(3)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, 60)))
    codes = np.where(np.arange(60) < 40, 1, 3)
    costs = CostModel(preset=AssetClass.EQUITY, preset_scale=0.0, preset_impact=1.0)

    found = impact_scales(costs, codes, close, np.full(60, 1e6))

    plain = impact_scales(CostModel(impact=1.0), codes, close, np.full(60, 1e6))
    ratios = found[20:] / plain[20:]
    assert ratios == pytest.approx(np.where(codes[20:] == 3, 1.5, 1.0))


def test_slippage_of_a_class_needs_a_class():
    with pytest.raises(ConfigInvalid, match=r"preset_slippage 1\.0 needs a preset"):
        CostModel(preset_slippage=1.0)
