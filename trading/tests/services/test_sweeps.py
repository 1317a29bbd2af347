"""A sweep over stored bars keeps its best rows, counts every combination, or stores nothing."""

import math

import numpy as np
import pytest

from elson.common.errors import DomainError
from trading.engine.errors import EngineError
from trading.models import ParameterSweep
from trading.models.immutable import RowImmutable
from trading.selectors.studies import trials_counted
from trading.services.backtests.loading import bars_stored
from trading.services.sweeps import SweepRequest, sweep_run
from trading.tests.backtest_rows import done_make, walk_make
from trading.tests.factories import NOW, user_make

pytestmark = pytest.mark.django_db
GRID = {"fast": [2, 5, 9], "slow": [9, 20]}


def ask(**fields):
    asked = {"strategy_key": "sma_cross", "symbol": "WALK", "timeframe": "1d", "grid": GRID}
    return SweepRequest(**{**asked, **fields})


def family(made):
    return {
        "user_id": made.user_id,
        "strategy_key": made.strategy_key,
        "instrument_id": made.instrument_id,
    }


def test_the_best_rows_are_those_of_the_engine():
    from trading.engine.sweep import sweep

    walk_make()
    made = sweep_run(user=user_make(), request=ask(n_best=2, n_threads=2), now=NOW)

    result = sweep(
        bars_stored(symbol="WALK", timeframe="1d", start=None, end=None), "sma_cross", GRID
    )
    best = result.ranking("sharpe_ratio")[0]
    assert (made.n_combinations, made.n_skipped, len(made.best)) == (5, 1, 2)
    assert made.best[0]["sharpe_ratio"] == result.sharpe_ratio[best]
    assert made.best[0]["parameters"] == {
        "fast": result.parameters["fast"][best],
        "slow": result.parameters["slow"][best],
    }


def test_every_combination_counts_as_a_trial_beside_backtests():
    user = user_make()
    backtest = done_make(user)
    before = trials_counted(**family(backtest))

    made = sweep_run(user=user, request=ask(strategy_key=backtest.strategy_key), now=NOW)

    after = trials_counted(**family(made))
    assert (before.n_trials, after.n_trials) == (1, 6)
    assert before.sharpe_std == 0.0
    assert after.sharpe_std > 0.0


def test_the_same_grid_on_the_same_bars_is_counted_once():
    walk_make()
    user = user_make()
    made = sweep_run(user=user, request=ask(), now=NOW)

    sweep_run(user=user, request=ask(ranked_by="profit_factor"), now=NOW)
    assert trials_counted(**family(made)).n_trials == 5

    turned = {name: values[::-1] for name, values in reversed(GRID.items())}
    sweep_run(user=user, request=ask(grid=turned), now=NOW)
    assert trials_counted(**family(made)).n_trials == 5

    sweep_run(user=user, request=ask(commission_bps=3.0), now=NOW)
    assert trials_counted(**family(made)).n_trials == 10


def test_spreads_of_groups_are_pooled():
    walk_make()
    user = user_make()
    one = sweep_run(user=user, request=ask(grid={"fast": [2], "slow": [9]}), now=NOW)
    two = sweep_run(user=user, request=ask(grid={"fast": [5], "slow": [9]}), now=NOW)

    found = trials_counted(**family(one))

    assert found.n_trials == 2
    spread = float(np.std([one.sharpe_mean, two.sharpe_mean]))
    assert math.isclose(found.sharpe_std, spread, rel_tol=1e-9)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"ranked_by": "luck"}, "ranked by 'luck'"),
        ({"n_best": 0}, "0 rows to keep"),
        ({"symbol": "NOPE"}, "NOPE"),
        ({"grid": {"fast": [0]}}, "at least 1"),
        ({"max_combinations": 5}, "6 combinations"),
    ],
)
def test_a_refused_sweep_stores_nothing(fields, sentence):
    walk_make()

    with pytest.raises((DomainError, EngineError), match=sentence):
        sweep_run(user=user_make(), request=ask(**fields), now=NOW)

    assert not ParameterSweep.objects.exists()


def test_a_stored_sweep_is_never_changed_or_removed():
    walk_make()
    made = sweep_run(user=user_make(), request=ask(), now=NOW)

    for change in (made.save, made.delete, ParameterSweep.objects.all().delete):
        with pytest.raises(RowImmutable):
            change()
