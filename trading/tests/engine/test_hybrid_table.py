"""The hybrid as a table trades as the rule written out bar by bar, and as its own kernels' source.

`by_hand` is the oracle: the module's docstring as plain Python on the exit rule of the protocol,
remembering the signal bar instead of levels. It shares no line with the table.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from trading.engine import hybrid as rule
from trading.engine import rich
from trading.engine.backtest import BacktestConfig, run
from trading.engine.learning.fitted import DatedModel
from trading.engine.strategies import hybrid
from trading.engine.strategies.hybrid import with_model
from trading.engine.types import AssetClass
from trading.tests.engine.laws import length, stepping
from trading.tests.engine.test_hybrid_strategy import SECOND, bound, model
from trading.tests.engine.walks import random_walk

BARS = random_walk(12, length(900, quick=560), 0.012)
FIRST = length(400, quick=300)
CONFIG = BacktestConfig(cost_preset=AssetClass.EQUITY, quantity_step=1.0, start_index=30)
LOOSE = {"entry_level": 20.0, "range_share": 0.5, "max_bars": 3, "veto_share": 0.3}
CASES = [{}, {"breaker": "off"}, LOOSE, LOOSE | {"breaker_drawdown": 0.05, "least_share": 0.2}]


def spec_with(n_models):
    return bound(*[FIRST, SECOND][:n_models])


@cache
def both_paths(case, n_models):
    spec, params = spec_with(n_models), CASES[case]
    return (
        run(BARS, spec, params, CONFIG),
        run(BARS, spec, params, stepping(CONFIG)),
    )


def by_hand(features, max_bars):
    """Return (bar, reason) of each order the rule wants, without breaker."""
    bars, arrays, codes = features.bars, features.arrays, features.regimes.relative_codes
    wants, signal = [], None
    for i in range(features.first, len(bars)):
        if signal is None:
            asked = arrays["probability"][i] < arrays["threshold"][i]
            if arrays["is_dip"][i] and arrays["is_tradable"][i] and not asked:
                wants, signal = [*wants, (i, "DIP")], i
            continue
        code = codes[signal]
        reason = rule.exit_next_nb(
            bars.close[i], bars.exec_prices[signal + 1], i - signal, arrays["cost_rate"][signal],
            arrays["cost_rate"][i], arrays["atr"][signal], rule.TAKE_ATR[code],
            rule.STOP_ATR[code], max_bars * (3 if code >= 2 else 2) // 2,
        )  # fmt: skip
        if reason:
            wants.append((i, ("PROFIT", "STOP", "HOLDING_LIMIT")[reason - 1]))
            signal = None
    return wants


# Every case with or without models in the quick suite, both ways in the whole one.
PAIRS = [
    pytest.param(case, n, marks=[] if case % 2 == (n == 0) else pytest.mark.slow)
    for case in range(len(CASES))
    for n in (0, 2)
]


@pytest.mark.parametrize(("case", "n_models"), PAIRS)
def test_the_loop_gives_the_fills_reasons_and_state_of_the_step(case, n_models):
    compiled, stepped = both_paths(case, n_models)

    assert len(stepped.fills) > 10
    assert compiled.fills == stepped.fills
    assert compiled.fill_reasons == stepped.fill_reasons
    assert np.array_equal(compiled.equity, stepped.equity)
    assert compiled.final_state == stepped.final_state


@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_uncompiled_kernels_give_the_bits_of_the_compiled(case, monkeypatch):
    bars, spec = BARS.until(560), spec_with(1)
    compiled = run(bars, spec, CASES[case], CONFIG)
    monkeypatch.setattr(rich, "simulate_rules_nb", rich.simulate_rules_nb.py_func)
    monkeypatch.setattr(hybrid, "dip_rows_nb", hybrid.dip_rows_nb.py_func)

    plain = run(bars, spec, CASES[case], CONFIG)

    assert plain.fills == compiled.fills
    assert np.array_equal(plain.equity, compiled.equity)
    assert plain.final_state == compiled.final_state


@pytest.mark.parametrize("n_models", [0, 2])
@pytest.mark.parametrize("params", [{}, LOOSE], ids=["default", "loose"])
def test_the_orders_are_those_of_the_rule_by_hand(params, n_models):
    spec = spec_with(n_models)
    resolved = spec.defaults | params | {"breaker": "off"}

    found = run(BARS, spec, resolved, replace(CONFIG, quantity_step=0.0))

    wants = by_hand(spec.prepare(BARS, resolved), resolved["max_bars"])
    ordered = list(zip(found.signal_bars, found.fill_reasons, strict=True))
    assert ordered == [want for want in wants if want[0] < len(BARS) - 1]


def test_a_holding_limit_is_that_of_the_signal_bar_whatever_regime_follows():
    found = run(BARS, hybrid.SPEC, LOOSE | {"breaker": "off"}, CONFIG)
    codes = hybrid.SPEC.prepare(BARS, hybrid.SPEC.defaults).regimes.relative_codes

    late = [trip for trip in found.round_trips if trip.exit_reason == "HOLDING_LIMIT"]
    limits = {(codes[t.signal_bar] >= 2, t.exit_bar - 1 - t.signal_bar) for t in late}
    changed = [t for t in late if (codes[t.signal_bar] >= 2) != (codes[t.exit_bar - 1] >= 2)]
    assert limits == {(False, 3), (True, 4)}
    assert changed


def test_a_model_moves_the_size_between_least_share_and_the_whole():
    features = spec_with(2).prepare(BARS, hybrid.SPEC.defaults | {"least_share": 0.2})
    confidence, asked = features.arrays["confidence"], features.arrays["probability"] >= 0.0

    arrays = features.arrays
    rise = (arrays["probability"] - arrays["threshold"])[asked]
    rise /= (arrays["full"] - arrays["threshold"])[asked]
    assert set(confidence[~asked]) == {0.2}
    np.testing.assert_allclose(confidence[asked], 0.2 + 0.8 * np.clip(rise, 0.0, 1.0), rtol=1e-12)
    assert 0.2 < confidence[asked].max() <= 1.0


def test_asking_other_questions_first_changes_no_answer():
    spec, fresh = spec_with(2), BARS.slice(0, len(BARS))
    for params in (LOOSE, {"veto_share": 0.5}, {"cost_class": "ETF"}):
        spec.prepare(fresh, spec.defaults | params)

    warm, cold = (spec.prepare(bars, spec.defaults) for bars in (fresh, BARS.slice(0, len(BARS))))

    assert np.array_equal(warm.table.rows, cold.table.rows, equal_nan=True)
    for name in ("probability", "threshold", "full", "model"):
        assert np.array_equal(warm.arrays[name], cold.arrays[name])


def test_another_model_is_asked_anew_about_the_same_bars():
    fresh = BARS.slice(0, len(BARS))

    first, second = (
        with_model(hybrid.SPEC, [DatedModel(0, model(seed))]).prepare(fresh, hybrid.SPEC.defaults)
        for seed in (1, 2)
    )

    asked = first.arrays["probability"] >= 0.0
    assert asked.any()
    assert not np.array_equal(first.arrays["probability"], second.arrays["probability"])
