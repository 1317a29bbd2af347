"""The rule of the hybrid strategy: candidates, exits, tradability and model inputs."""

from __future__ import annotations

import numpy as np
import pytest

from trading.engine import hybrid
from trading.engine.regimes import classify
from trading.engine.types import AssetClass
from trading.tests.engine.walks import random_walk

HOLD_CASE = {
    "close": 100.0, "entry_price": 100.0, "bars_held": 3, "entry_rate": 0.001, "exit_rate": 0.001,
    "atr": 2.0, "take_atr": 0.25, "stop_atr": 8.0, "max_bars": 40,
}  # fmt: skip


def prepared(n_bars=700, seed=3):
    bars = random_walk(seed, n_bars)
    regimes = classify(bars.close)
    rates = np.full(n_bars, 5e-4)
    return bars, regimes, rates, hybrid.hybrid_inputs(bars)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, hybrid.HOLD),
        ({"close": 100.71}, hybrid.PROFIT),
        ({"close": 100.69}, hybrid.HOLD),
        ({"close": 84.0}, hybrid.STOP),
        ({"close": 84.0, "stop_atr": 0.0}, hybrid.HOLD),
        ({"bars_held": 40}, hybrid.TIME_LIMIT),
        ({"bars_held": 400, "max_bars": 0}, hybrid.HOLD),
        ({"close": 200.0, "take_atr": -1.0}, hybrid.HOLD),
    ],
)
def test_exit_next_names_why_a_position_is_left(change, expected):
    case = tuple((HOLD_CASE | change).values())

    assert hybrid.exit_next_nb(*case) == expected
    assert hybrid.exit_next_nb.py_func(*case) == expected


def test_candidates_equal_a_plain_comparison_and_the_uncompiled_loop():
    _, regimes, _, inputs = prepared()
    case = (inputs.rsi, inputs.range_position, regimes.relative_codes, 10.0, 0.2)

    found = hybrid.candidates_nb(*case)

    plain = (inputs.rsi < 10.0) & (inputs.range_position < 0.2) & (regimes.relative_codes >= 0)
    assert found.tolist() == plain.astype(int).tolist()
    assert found.tolist() == hybrid.candidates_nb.py_func(*case).tolist()
    assert found.sum() > 5


@pytest.mark.parametrize("asset_class", [AssetClass.FX, AssetClass.COMMODITY, AssetClass.CRYPTO])
def test_tradable_bars_refuses_classes_without_an_edge_after_costs(asset_class):
    bars, _, rates, inputs = prepared()

    assert hybrid.tradable_bars(bars, asset_class, rates, inputs.atr).sum() == 0


def test_tradable_bars_refuses_bars_on_which_costs_eat_the_move():
    bars, _, rates, inputs = prepared()

    cheap = hybrid.tradable_bars(bars, AssetClass.EQUITY, rates, inputs.atr)
    dear = hybrid.tradable_bars(bars, AssetClass.EQUITY, rates * 100.0, inputs.atr)

    assert cheap[hybrid.ATR_BARS :].all()
    assert dear.sum() == 0


def test_inputs_and_features_of_a_bar_do_not_change_with_later_bars():
    bars, regimes, rates, inputs = prepared()
    features = hybrid.model_features(bars, inputs, regimes, rates)
    early = bars.until(600)

    early_inputs = hybrid.hybrid_inputs(early)
    early_features = hybrid.model_features(early, early_inputs, classify(early.close), rates[:601])

    np.testing.assert_array_equal(early_features, features[:601])
    for name in hybrid.HybridInputs._fields:
        np.testing.assert_array_equal(getattr(early_inputs, name), getattr(inputs, name)[:601])


def test_model_features_have_their_names_and_bounds_once_a_year_is_known():
    bars, regimes, rates, inputs = prepared()

    features = hybrid.model_features(bars, inputs, regimes, rates)

    assert features.shape == (700, len(hybrid.FEATURE_NAMES))
    assert np.isfinite(features[320:]).all()
    assert np.abs(features[320:]).max() <= 10.0
