"""Parameters follow the regime inside their bounds, each with a sentence."""

import pytest

from trading.engine.adaptive import RULES, AdaptiveBase, adapt, explain


@pytest.mark.parametrize("code", [-1, 0, 1, 2, 3])
def test_every_parameter_stays_inside_its_bounds(code):
    extreme = AdaptiveBase(1_000, 90.0, 5.0, 20.0, 20.0, 500)

    now = adapt(extreme, code)

    for name, rule in RULES.items():
        assert rule.low <= getattr(now, name) <= rule.high


def test_size_never_grows_with_the_regime():
    sizes = [adapt(AdaptiveBase(), code).size_factor for code in range(4)]

    assert sizes == sorted(sizes, reverse=True)


def test_normal_and_unknown_keep_the_base():
    base = AdaptiveBase()

    assert adapt(base, 1) == adapt(base, -1)
    assert adapt(base, 1).lookback_bars == base.lookback_bars


@pytest.mark.parametrize("code", [-1, 0, 1, 2, 3])
def test_every_parameter_says_why_it_is_what_it_is(code):
    base = AdaptiveBase(target_atr=3.0)

    lines = explain(base, adapt(base, code), code)

    assert [line.name for line in lines] == list(RULES)
    assert all(line.because for line in lines)
    changed = [line for line in lines if line.base != line.now]
    assert all("regime" in line.because for line in changed)
    assert bool(changed) == (code in (0, 2, 3))


def test_an_unknown_regime_names_the_value_a_person_set_for_normal():
    base = AdaptiveBase(own_values=(("size_factor", 1, 0.5),))

    line = explain(base, adapt(base, -1), -1)[2]

    assert (line.base, line.now) == (1.0, 0.5)
    assert "not known yet, taken for NORMAL; NORMAL regime: you set it to 0.5" in line.because
    assert explain(base, adapt(base, -1), -1)[0].because == (
        "base value: the regime is not known yet"
    )


def test_a_base_beyond_the_bounds_names_them():
    base = AdaptiveBase(lookback_bars=400)

    assert (
        explain(base, adapt(base, 1), 1)[0].because == "from 400 to 300: it lies between 5 and 300"
    )
