"""What is compiled before anybody waits is what pages, runners and backtests call."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numba import float64
from numba.core.dispatcher import Dispatcher

from trading.engine import backtest, preparation, strategies
from trading.engine.backtest import BacktestConfig
from trading.engine.correlation import mean_correlation
from trading.engine.costs import CostModel
from trading.engine.kernel_cache import KernelMissing
from trading.engine.kernels import kernel
from trading.engine.learning.features import GATE_FEATURES
from trading.engine.learning.fitted import DatedModel, FittedModel
from trading.engine.regimes import regimes_of
from trading.engine.strategies import hybrid, strategy_get
from trading.engine.types import AssetClass, TimeInForce
from trading.tests.engine.models_by_hand import logistic
from trading.tests.engine.walks import random_walk

SHIPPED = {
    module.SPEC.key
    for module in vars(strategies).values()
    if isinstance(module, ModuleType) and hasattr(module, "SPEC")
}


@kernel
def halved_nb(x):
    return x / 2.0


def test_every_shipped_strategy_is_prepared():
    assert set(preparation.STRATEGY_KEYS) == SHIPPED


@pytest.mark.slow
def test_a_kernel_is_compiled_for_the_types_it_was_missed_with():
    preparation.kernel_compile(KernelMissing(__name__, "halved_nb", (float64,)))

    assert halved_nb.signatures == [(float64,)]


@pytest.mark.parametrize(
    ("module", "error"), [(__name__, AttributeError), ("trading.engine.gone", ImportError)]
)
def test_a_kernel_that_is_not_where_it_was_is_refused(module, error):
    with pytest.raises(error):
        preparation.kernel_compile(KernelMissing(module, "gone_nb", (float64,)))


# In a process of its own: this one has run other tests, whose kernels would hide what is missing.
# On a machine that has compiled nothing yet it compiles all there is.
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_page_and_no_runner_asks_for_a_kernel_that_was_not_prepared():
    script = f"from {__name__} import missed; print(*missed(), sep='\\n', end='')"
    place = Path(__file__).parents[3]

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=place, capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("", "")


def missed():
    """Kernels with the types that pages ask for and no part of the preparation does."""
    for _, part in preparation.parts():
        part()
    prepared = loaded()
    used_by_pages()
    return sorted(loaded() - prepared)


def loaded():
    return {
        f"{name}.{key}{signature}"
        for name, module in list(sys.modules.items())
        if name.startswith("trading.engine")
        for key, value in vars(module).items()
        if isinstance(value, Dispatcher)
        for signature in value.signatures
    }


def used_by_pages():
    """What the web process and the runner call, on other bars and terms than the preparation."""
    walk = random_walk(3, 700)
    models = (DatedModel(0, stored(logistic(np.ones(len(GATE_FEATURES)), GATE_FEATURES))),)
    usual = CostModel(preset=AssetClass.CRYPTO, preset_slippage=1.0, preset_impact=1.0)
    asked = hybrid.with_model(strategy_get("hybrid"), models)
    for bars in (walk, replace(walk, exec_price="CLOSE")):
        regimes_of(bars)
        for spec in (asked, *(strategy_get(key) for key in sorted(SHIPPED))):
            for costs in (CostModel(commission_bps=2.0), usual):
                tracked(bars, spec, BacktestConfig(cost_model=costs, quantity_step=0.001))
    thin = BacktestConfig(max_participation=0.2, time_in_force=TimeInForce.GTC)
    backtest.run(walk, "sma_cross", {}, thin)
    mean_correlation(walk, -1.0, [(replace(walk, symbol="B"), 1.0)], int(walk.closed_at[-1]))


def stored(model):
    return FittedModel.from_dict(model.to_dict())


def tracked(bars, spec, config):
    """A strategy's page, and its runner at each bar."""
    protections = [p.choices for p in spec.parameters if p.key == "protection"] or [(None,)]
    for protection in protections[0]:
        params = {"protection": protection} if protection else {}
        backtest.equity_of(bars, spec, params, config)
        backtest.equity_of(bars, spec, params, replace(config, start_index=300))
        backtest.run(bars, spec, params, replace(config, keeps_decisions=True, start_index=500))
