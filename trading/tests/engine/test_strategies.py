"""Registry, parameters and exact rules of the strategies."""

import numpy as np
import pytest

from trading.engine.backtest import BacktestConfig, run
from trading.engine.errors import ParameterInvalid, UnknownStrategy
from trading.engine.strategies import STRATEGIES, resolve_params, strategy_get
from trading.engine.strategies.base import CHOICE, INT
from trading.tests.engine.laws import length
from trading.tests.engine.walks import random_walk, tape

KEYS = sorted(STRATEGIES)


@pytest.mark.parametrize("key", KEYS)
def test_strategy_explains_itself_and_its_defaults_are_legal(key):
    spec = strategy_get(key)

    assert spec.key == key
    assert spec.summary
    assert spec.when_it_fails
    assert resolve_params(spec, {}) == spec.defaults


@pytest.mark.parametrize("key", KEYS)
def test_every_parameter_has_meaning_and_bounds(key):
    for parameter in strategy_get(key).parameters:
        assert parameter.meaning
        if parameter.kind == CHOICE:
            assert parameter.default in parameter.choices
        else:
            assert parameter.low <= parameter.default <= parameter.high
            assert parameter.step > 0


@pytest.mark.parametrize("key", KEYS)
def test_first_index_is_the_first_with_every_value(key):
    bars = random_walk(1, 400)
    features = strategy_get(key).prepare(bars, strategy_get(key).defaults)

    assert all(np.isfinite(array[features.first :]).all() for array in features.arrays.values())
    assert features.first == strategy_get(key).warm_up(features.params)


def test_unknown_strategy_is_refused_with_the_keys_there_are():
    with pytest.raises(UnknownStrategy, match="'magic'; there are sma_cross"):
        strategy_get("magic")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"speed": 3}, "no parameter 'speed'; it has fast"),
        ({"fast": 0}, "fast of sma_cross is 0; it must be at least 1"),
        ({"fast": 501}, "at most 500"),
        ({"fast": 2.5}, "whole number"),
        ({"fast": "many"}, "must be a number"),
        ({"fast": "nan"}, "finite number"),
        ({"fast": None}, "must be a number"),
        ({"sizing": "half"}, "one of all_in, volatility_target"),
        ({"fast": 20, "slow": 20}, "must differ"),
    ],
)
def test_wrong_parameter_is_refused_with_name_value_and_limit(params, words):
    with pytest.raises(ParameterInvalid, match=words):
        resolve_params(strategy_get("sma_cross"), params)


def test_text_from_a_command_line_is_converted_to_the_kind():
    params = resolve_params(strategy_get("sma_cross"), {"fast": "5", "target_volatility": "0.2"})

    assert params["fast"] == 5
    assert isinstance(params["fast"], int)
    assert params["target_volatility"] == 0.2
    kinds = {p.key: p.kind for p in strategy_get("sma_cross").parameters}
    assert kinds["fast"] == INT


def flat(closes):
    return tape([(close, close, close, close) for close in closes])


def orders_of(bars, key, params):
    return [(f.bar, str(f.side), f.price) for f in run(bars, key, params).fills]


def test_sma_cross_stays_flat_while_the_averages_are_equal():
    bars = flat([4.0, 4.0, 4.0, 4.0, 4.0, 4.0])

    assert orders_of(bars, "sma_cross", {"fast": 1, "slow": 2}) == []


def test_sma_cross_signal_on_the_last_close_is_not_traded():
    bars = flat([4.0, 4.0, 4.0, 8.0])

    assert orders_of(bars, "sma_cross", {"fast": 1, "slow": 2}) == []


def test_rsi2_buys_the_dip_and_sells_above_the_short_average():
    bars = flat([10, 10.1, 10.2, 10.3, 10.4, 9.0, 8.5, 10.5, 10.6, 10.7])

    found = orders_of(bars, "rsi2_reversion", {})

    assert found == [(6, "BUY", 8.5), (8, "SELL", 10.6)]


def test_rsi2_leaves_after_the_holding_limit():
    bars = flat([10, 10.1, 10.2, 10.3, 10.4, 9.0, 8.9, 8.8, 8.7, 8.6, 8.5, 8.4])

    found = orders_of(bars, "rsi2_reversion", {"max_bars": 2})

    assert found[:2] == [(6, "BUY", 8.9), (8, "SELL", 8.7)]


def test_rsi2_trend_filter_keeps_it_out_of_a_falling_market():
    bars = flat([10, 10.1, 10.2, 10.3, 10.4, 9.0, 8.5, 10.5, 10.6, 10.7])

    assert orders_of(bars, "rsi2_reversion", {"trend_bars": 5}) == []


def test_donchian_buys_a_close_above_the_earlier_highs_only():
    rows = [
        (10, 11, 9, 10),
        (10, 12, 9, 11),
        (11, 12, 10, 12),
        (12, 13, 12, 12.5),
        (13, 14, 12, 13),
    ]
    rows += [(13, 14, 12.5, 13), (13, 13, 9, 9.5), (9, 9.5, 8, 9)]

    found = orders_of(tape(rows), "donchian_breakout", {"entry_bars": 2, "exit_bars": 2})

    assert found == [(4, "BUY", 13.0), (7, "SELL", 9.0)]


@pytest.mark.slow
@pytest.mark.parametrize("key", ["sma_cross", "rsi2_reversion", "donchian_breakout"])
def test_volatility_target_sizing_holds_less_than_all_in(key):
    bars = random_walk(2, 600)

    small = run(bars, key, {"sizing": "volatility_target", "target_volatility": 0.05})
    full = run(bars, key, {"sizing": "all_in"})

    assert small.metrics["exposure"] < 0.5 * full.metrics["exposure"]
    assert [f.bar for f in small.fills] == [f.bar for f in full.fills]


@pytest.mark.slow
def test_adaptive_trend_holds_less_when_the_regime_is_extreme():
    bars = random_walk(3, length(700, quick=420), 0.008)

    result = run(
        bars, "volatility_adaptive_trend", {}, BacktestConfig(cash=1e6, keeps_decisions=True)
    )

    sizes = {
        code: [d.target_weight for d in result.decisions if d.regime == code and d.target_weight]
        for code in ("NORMAL", "EXTREME")
    }
    assert max(sizes["EXTREME"]) < np.mean(sizes["NORMAL"])


def test_adaptive_trend_leaves_at_its_stop():
    rising = [100.0 + i for i in range(80)]
    bars = flat([*rising, 150.0, 149.0, 148.0])

    result = run(bars, "volatility_adaptive_trend", {"trend_bars": 60})

    assert result.fill_reasons[:2] == ("TREND_UP", "STOP")
    assert result.fills[1].bar == 81
