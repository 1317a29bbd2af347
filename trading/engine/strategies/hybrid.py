"""Dips bought by a rule unless a model puts them among the worst, left at the first real profit.

INPUT    bars, the cost of trading them, models in force at each bar
OUTPUT   long after a dip the model does not veto; flat after a profit net of costs
LOOKBACK 252 bars; the breaker remembers further back

Exact rule, at the close of bar t, with the regime of that bar by percentile:

1. flat: a candidate is RSI(2) < entry_level with the close in the lowest range_share of the bar, in
   an equity, ETF or index whose round trip costs less than 15 % of an ATR.
2. the model in force at t gives P(win) of the candidate; below the probability that veto_share of
   its calibration candidates did not reach it is not bought. Where no model is in force, or a
   feature is unknown, the rule decides alone: fallback, named in the decision.
3. weight = min(max_weight, target_volatility / EWMA volatility) x size factor of the regime
   x confidence: least_share at the veto, rising in a line with P(win) to 1 at the 90th percentile
   of the model's own probabilities. With wins and losses of one size, expected value is a line in
   P(win) too. Fallback trades have confidence least_share.
4. long: leave when the close wins after costs and TAKE_ATR, lies STOP_ATR below the entry, or after
   max_bars closes (half as many again in HIGH and EXTREME). Distances are ATRs of the signal bar,
   by its regime.
5. the circuit breaker (`engine.breaker`) multiplies the weight of an entry; HALTED sells.

Everything is a market order on bar t + 1. Without models it is the rule alone; `with_model` binds a
sequence, each in force from the moment after which everything it learned from was known.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from marketdata.types import Bars
from trading.engine import hybrid
from trading.engine.adaptive import AdaptiveBase, adapt
from trading.engine.costs import CostModel, commission_rates
from trading.engine.errors import ConfigInvalid
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.learning.features import GATE_FEATURES, feature_table
from trading.engine.learning.fitted import DatedModel, Models
from trading.engine.regimes import MINIMUM_BARS, RegimeSeries, classify
from trading.engine.sizing import volatility_target_weight
from trading.engine.state import StrategyState
from trading.engine.strategies import hybrid_words
from trading.engine.strategies.base import (
    CHOICE,
    FLOAT,
    INT,
    Features,
    Parameter,
    Params,
    Proposal,
    StrategySpec,
)
from trading.engine.strategies.tables import ON, breaker_parameters
from trading.engine.types import AssetClass, RegimeCode

DIP, NO_SETUP, NOT_TRADABLE, VETO = "DIP", "NO_SETUP", "NOT_TRADABLE", "MODEL_VETO"
WAITING, PROFIT, STOP, HOLDING_LIMIT = "DIP_HELD", "PROFIT", "STOP", "HOLDING_LIMIT"
_EXITS = {hybrid.PROFIT: PROFIT, hybrid.STOP: STOP, hybrid.TIME_LIMIT: HOLDING_LIMIT}
NOT_ASKED = hybrid_words.NOT_ASKED
# The share of the model's own probabilities at which the full weight is reached.
FULL_SHARE = 0.9
ADAPTIVE = AdaptiveBase()


def warm_up(params: Params) -> int:
    """Return the first bar with a regime by percentile, whatever the parameters."""
    return MINIMUM_BARS


def prepare(bars: Bars, params: Params, models: Models = ()) -> Features:
    """Compute the rule's inputs and, at each candidate, what the model in force says.

    `probability`, `threshold` and `full` are -1 where no model was asked; `model` is the index in
    `models` of the one in force, -1 for none. The columns of the model's features are kept under
    their names for the explanation.
    """
    regimes = classify(bars.close, bars.bars_per_year)
    rates = commission_rates(CostModel(preset=AssetClass(str(params["cost_class"]))), regimes.codes)
    inputs = hybrid.hybrid_inputs(bars)
    tradable = hybrid.tradable_bars(bars, AssetClass(str(params["cost_class"])), rates, inputs.atr)
    dips = hybrid.candidates_nb(
        inputs.rsi,
        inputs.range_position,
        regimes.relative_codes,
        float(params["entry_level"]),
        float(params["range_share"]),
    )
    arrays = {
        "rsi": inputs.rsi,
        "range_position": inputs.range_position,
        "atr": inputs.atr,
        "cost_rate": rates,
        "is_tradable": tradable.astype(np.float64),
        "is_dip": dips.astype(np.float64),
    }
    arrays |= _asked(bars, regimes, rates, dips * tradable, params, models)
    return Features(bars, params, regimes, warm_up(params), arrays)


def decide(features: Features, i: int, state: StrategyState) -> Proposal:
    """Apply the rule of the module's docstring to one bar."""
    if state.quantity > 0.0:
        return _held(features, i, state)
    arrays = features.arrays
    if not arrays["is_dip"][i]:
        return Proposal(0.0, 0.0, NO_SETUP)
    if not arrays["is_tradable"][i]:
        return Proposal(0.0, 0.0, NOT_TRADABLE)
    if arrays["probability"][i] < arrays["threshold"][i]:
        return Proposal(0.0, 0.0, VETO)
    code = int(features.regimes.relative_codes[i])
    unit = float(arrays["atr"][i])
    return Proposal(
        target_weight=weight(features, i),
        signal=confidence(features, i),
        rule=DIP,
        kind=RegimeCode(code).name,
        stop_distance=hybrid.STOP_ATR[code] * unit,
        target_distance=hybrid.TAKE_ATR[code] * unit,
    )


def confidence(features: Features, i: int) -> float:
    """Return the share of the full weight that P(win) earns, least_share to 1."""
    least = float(features.params["least_share"])
    low, full = features.arrays["threshold"][i], features.arrays["full"][i]
    if not full > low:
        return least
    rise = (features.arrays["probability"][i] - low) / (full - low)
    return least + (1.0 - least) * float(min(max(rise, 0.0), 1.0))


def weight(features: Features, i: int) -> float:
    """Return the share of equity a candidate gets at bar ``i``, at most max_weight."""
    return base_weight(features, i) * size_factor(features, i) * confidence(features, i)


def base_weight(features: Features, i: int) -> float:
    """Return the volatility-target weight before regime and model."""
    return volatility_target_weight(
        float(features.params["target_volatility"]),
        float(features.regimes.volatility[i]),
        float(features.params["max_weight"]),
    )


def size_factor(features: Features, i: int) -> float:
    """Return what the settled regime leaves of a weight."""
    return adapt(ADAPTIVE, int(features.regimes.settled_codes[i])).size_factor


def with_model(spec: StrategySpec, models: Sequence[DatedModel]) -> StrategySpec:
    """Return the strategy with models that may decide, each from its own moment on.

    Parameters
    ----------
    spec : StrategySpec
        The hybrid strategy.
    models : sequence of DatedModel
        Oldest first; none leaves the rule alone.

    Returns
    -------
    StrategySpec
        The same key and parameters.

    Raises
    ------
    ConfigInvalid
        If the moments do not rise or a model wants features the strategy does not compute.
    """
    moments = [dated.valid_from for dated in models]
    if any(later <= earlier for earlier, later in itertools.pairwise(moments)):
        raise ConfigInvalid("models must come in order of valid_from, each after the one before")
    for dated in models:
        unknown = set(dated.model.names) - set(GATE_FEATURES)
        if unknown:
            raise ConfigInvalid(f"the model wants {sorted(unknown)}; the rule computes others")
    bound = tuple(models)
    return replace(
        spec,
        prepare=partial(prepare, models=bound),
        narrate=partial(hybrid_words.narrate, models=bound),
    )


def _held(features: Features, i: int, state: StrategyState) -> Proposal:
    """Ask the compiled exit rule; distances were fixed when the position was opened."""
    entry = state.avg_entry_price
    take = -1.0 if state.target_price is None else state.target_price - entry
    stop = 0.0 if state.stop_price is None else entry - state.stop_price
    found = hybrid.exit_next_nb(
        float(features.bars.close[i]),
        entry,
        state.bars_held,
        entry_rate(features, state),
        float(features.arrays["cost_rate"][i]),
        1.0,
        take,
        stop,
        limit(features, state),
    )
    if found == hybrid.HOLD:
        return Proposal(1.0, 1.0, WAITING, kind=state.entry_kind)
    return Proposal(0.0, 0.0, _EXITS[found])


def entry_rate(features: Features, state: StrategyState) -> float:
    """Return what the entry cost per side, by the regime the position was opened in."""
    costs = CostModel(preset=AssetClass(str(features.params["cost_class"])))
    return costs.commission_rate(_entry_code(state))


def limit(features: Features, state: StrategyState) -> int:
    """Return the longest time the position is held, by the regime it was opened in."""
    return hybrid.holding_limit(int(features.params["max_bars"]), _entry_code(state))


def _entry_code(state: StrategyState) -> int:
    return int(RegimeCode.__members__.get(state.entry_kind, RegimeCode.NORMAL))


def _asked(
    bars: Bars,
    regimes: RegimeSeries,
    rates: FloatArray,
    candidates: IntArray,
    params: Params,
    models: Models,
) -> dict[str, FloatArray]:
    """Ask each model about the candidates of its time."""
    n_bars = len(bars)
    arrays = {name: np.full(n_bars, NOT_ASKED) for name in ("probability", "threshold", "full")}
    moments = np.array([dated.valid_from for dated in models], dtype=np.int64)
    in_force = np.searchsorted(moments, bars.closed_at, side="right") - 1
    arrays["model"] = in_force.astype(np.float64)
    if not models:
        return arrays
    table = feature_table(bars, regimes, rates).columns(GATE_FEATURES)
    is_complete = np.isfinite(table).all(axis=1)
    for k, dated in enumerate(models):
        rows = np.flatnonzero((in_force == k) & (candidates == 1) & is_complete)
        places = [GATE_FEATURES.index(name) for name in dated.model.names]
        arrays["probability"][rows] = dated.model.probabilities(table[rows][:, places])
        arrays["threshold"][rows] = dated.model.threshold(float(params["veto_share"]))
        arrays["full"][rows] = dated.model.threshold(FULL_SHARE)
    named = {f"feature:{name}": table[:, j].copy() for j, name in enumerate(GATE_FEATURES)}
    return arrays | named


SPEC = StrategySpec(
    key="hybrid",
    name="Hybrid: dips and a model",
    summary=(
        "Buys sharp dips of equities and indices that a trained model does not put among the "
        "worst, holds less as volatility rises, and leaves at the first profit after costs."
    ),
    when_it_fails=(
        "Falls that go on for months: dips follow dips and losses are large against the many small "
        "wins. Outside equities, ETFs and indices costs are as large as the edge, so it does not "
        "trade there. A model trained on calmer markets is over-confident above 75 %."
    ),
    parameters=(
        Parameter(
            "entry_level", FLOAT, hybrid.ENTRY_LEVEL, "Buy below this RSI(2)", 0.5, 30.0, 0.5
        ),
        Parameter(
            "range_share",
            FLOAT,
            hybrid.RANGE_SHARE,
            "Close must lie in this lowest share of the bar's range",
            0.02,
            1.0,
            0.02,
        ),
        Parameter(
            "max_bars",
            INT,
            hybrid.MAX_BARS[1],
            "Longest time held in LOW and NORMAL; half as long again above",
            2,
            250,
            1,
            unit="bars",
        ),
        Parameter(
            "veto_share",
            FLOAT,
            hybrid.VETO_SHARE,
            "Share of candidates the model refuses",
            0.0,
            0.9,
            0.05,
        ),
        Parameter("least_share", FLOAT, 0.5, "Share of the size at the veto", 0.1, 1.0, 0.05),
        Parameter("target_volatility", FLOAT, 0.15, "Wanted volatility a year", 0.01, 1.0, 0.01),
        Parameter("max_weight", FLOAT, 0.95, "Largest share of equity", 0.05, 1.0, 0.05),
        *breaker_parameters(ON),
        Parameter(
            "cost_class",
            CHOICE,
            str(AssetClass.EQUITY),
            "Line of the cost table by which it judges what a trade costs",
            choices=tuple(str(item) for item in AssetClass),
        ),
    ),
    warm_up=warm_up,
    prepare=prepare,
    decide=decide,
    narrate=hybrid_words.narrate,
)
