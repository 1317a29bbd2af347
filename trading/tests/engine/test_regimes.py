"""Regimes are causal, rank by their own past, and say when they fall back."""

import numpy as np
import pytest

from trading.engine import regimes
from trading.engine.errors import ConfigInvalid, NonFiniteInput
from trading.engine.metrics import wilson_interval
from trading.engine.types import Regime, regime_of
from trading.tests.engine import plain
from trading.tests.engine.walks import random_walk

BARS = random_walk(9, 700)
SERIES = regimes.classify(BARS.close, 252.0)


def test_relative_regime_follows_the_percentile_cuts():
    percentile, codes = SERIES.percentile, SERIES.relative_codes

    assert set(codes[percentile < 0.25]) == {0}
    assert set(codes[(percentile >= 0.25) & (percentile < 0.75)]) == {1}
    assert set(codes[(percentile >= 0.75) & (percentile < 0.95)]) == {2}
    assert set(codes[percentile >= 0.95]) == {3}


def test_a_percentile_on_a_cut_belongs_to_the_higher_regime():
    series = regimes.classify(random_walk(10, 1_500).close, 252.0)

    for cut, code in ((0.25, 1), (0.75, 2)):
        on_cut = series.percentile == cut
        assert on_cut.any()
        assert set(series.relative_codes[on_cut]) == {code}


def test_absolute_regime_follows_the_volatility_cuts():
    volatility, codes = SERIES.volatility[20:], SERIES.absolute_codes[20:]

    assert np.array_equal(codes >= 1, volatility >= 0.15)
    assert np.array_equal(codes >= 2, volatility >= 0.25)
    assert np.array_equal(codes >= 3, volatility >= 0.40)


def test_volatility_is_the_weighted_mean_square_annualized():
    returns = np.diff(np.log(BARS.close[:80]), prepend=np.nan)

    expected = plain.ewma_volatility(returns, 0.06, 252.0)

    np.testing.assert_allclose(SERIES.volatility[:80], expected, rtol=1e-12)


def test_percentile_needs_252_volatilities():
    assert np.isnan(SERIES.percentile[:252]).all()
    assert np.isfinite(SERIES.percentile[252:]).all()


def test_before_enough_history_absolute_cuts_stand_in_and_are_flagged():
    assert SERIES.codes[:20].tolist() == [-1] * 20
    assert SERIES.is_fallback[20:252].all()
    assert not SERIES.is_fallback[252:].any()
    assert np.array_equal(SERIES.codes[20:252], SERIES.absolute_codes[20:252])


@pytest.mark.parametrize("cut", [1, 21, 253, 500])
def test_later_bars_never_change_an_earlier_regime(cut):
    part = regimes.classify(BARS.close[:cut], 252.0)

    for name in ("volatility", "percentile", "codes", "settled_codes", "absolute_codes"):
        assert np.array_equal(getattr(part, name), getattr(SERIES, name)[:cut], equal_nan=True)


def test_scaling_the_price_changes_no_regime():
    scaled = regimes.classify(BARS.close * 8.0, 252.0)

    assert np.array_equal(scaled.absolute_codes, SERIES.absolute_codes)


def test_transition_rows_sum_to_one_and_counts_to_the_pairs():
    matrix = regimes.transitions(SERIES.codes)

    known = SERIES.codes >= 0
    assert matrix.counts.sum() == int((known[1:] & known[:-1]).sum())
    seen = matrix.counts.sum(axis=1) > 0
    np.testing.assert_allclose(matrix.probabilities[seen].sum(axis=1), 1.0)
    assert np.isnan(matrix.probabilities[~seen]).all()


def test_next_regime_is_the_row_of_the_last_bar_with_wilson_bounds():
    found = regimes.next_regime(SERIES.codes)
    row = regimes.transitions(SERIES.codes).counts[SERIES.codes[-1]]

    assert found.counts.tolist() == row.tolist()
    assert found.n == row.sum() >= regimes.FEWEST_CASES
    assert found.probabilities.tolist() == (row / row.sum()).tolist()
    assert [tuple(pair) for pair in found.intervals] == [
        wilson_interval(int(count), found.n) for count in row
    ]


def test_a_later_bar_does_not_count_as_what_followed_it():
    ends_high = np.array([0] * 40 + [2])

    assert regimes.next_regime(ends_high[:-1]).counts.tolist() == [39, 0, 0, 0]
    assert regimes.next_regime(ends_high, 0).counts.tolist() == [39, 0, 1, 0]


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        ([], "the regime is not known yet"),
        ([0, 0, -1], "the regime is not known yet"),
        ([0, 0, 3], "Extreme was not followed by a bar yet"),
        ([0] * 30, "Low was followed by a bar only 29 times; a share needs 30"),
    ],
)
def test_next_regime_says_why_it_has_no_probability(codes, reason):
    found = regimes.next_regime(np.array(codes, dtype=np.int64))

    assert found.reason == reason
    assert np.isnan(found.probabilities).all()
    assert np.isnan(found.intervals).all()


def test_next_regime_gives_a_share_from_its_fewest_cases_on():
    assert regimes.next_regime(np.zeros(31, dtype=np.int64)).reason == ""
    with pytest.raises(ConfigInvalid, match="fewest 0 must be at least 1"):
        regimes.next_regime(SERIES.codes, fewest=0)


def test_transitions_of_one_bar_are_all_unknown():
    assert regimes.transitions(np.array([2])).counts.sum() == 0


@pytest.mark.parametrize(("rate", "n_confirm"), [(0.0, 3), (252.0, 0)])
def test_classify_refuses_settings_out_of_bounds(rate, n_confirm):
    with pytest.raises(ConfigInvalid):
        regimes.classify(BARS.close, rate, n_confirm=n_confirm)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -2.0])
def test_classify_refuses_what_is_no_price_and_names_the_bar(value):
    close = BARS.close[:40].copy()
    close[17] = value

    with pytest.raises(NonFiniteInput, match=f"close {value:g} of bar 17 must be"):
        regimes.classify(close)


def test_bars_in_front_of_the_first_price_only_put_the_warm_up_off():
    late = regimes.classify(np.concatenate((np.full(7, np.nan), BARS.close)))

    for name in ("codes", "settled_codes", "volatility", "percentile", "is_fallback"):
        found, known = getattr(late, name), getattr(SERIES, name)
        np.testing.assert_array_equal(found[7:], known)
        assert found.dtype == known.dtype
    assert (late.codes[:7] == -1).all()
    assert np.isnan(late.volatility[:7]).all()
    assert not late.is_fallback[:7].any()
    assert regimes.classify(np.full(3, np.nan)).codes.tolist() == [-1, -1, -1]


def test_codes_translate_to_names_in_order():
    assert [regime_of(code) for code in (-1, 0, 1, 2, 3)] == [None, *Regime]
