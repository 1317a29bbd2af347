"""Dips bought by a rule unless a model puts them among the worst, left at the first real profit.

INPUT    bars, the cost of trading them, models in force at each bar
OUTPUT   long after a dip the model does not veto; flat after a profit net of costs
LOOKBACK 252 bars; the breaker remembers further back

Exact rule, at the close of bar t, with the regime of that bar by percentile:

1. flat: a candidate is RSI(2) < entry_level with the close in the lowest range_share of the bar, in
   an equity, ETF or index whose round trip costs less than 15 % of an ATR.
2. the model in force at t gives P(win) of the candidate; below the probability that veto_share of
   its calibration candidates did not reach it is not bought; a person may set another share for a
   regime (veto_share.HIGH). Where no model is in force, or a
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
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from marketdata.types import Bars
from trading.engine import hybrid, rules
from trading.engine.adaptive import RULES, AdaptiveBase, regime_values
from trading.engine.errors import ConfigInvalid
from trading.engine.kernels import FloatArray, IntArray, kernel
from trading.engine.learning.features import GATE_FEATURES
from trading.engine.learning.fitted import DatedModel, Models
from trading.engine.regimes import MINIMUM_BARS, RegimeSeries, regimes_of
from trading.engine.rules import RuleTable
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
    in_regimes,
)
from trading.engine.strategies.hybrid_gate import asked, dip_market
from trading.engine.strategies.tables import (
    ON,
    PROTECTION_PARAMETER,
    RESTING,
    breaker_parameters,
    propose,
    reasons,
)
from trading.engine.types import AssetClass, Regime

DIP, NO_SETUP, NOT_TRADABLE, VETO = "DIP", "NO_SETUP", "NOT_TRADABLE", "MODEL_VETO"
WAITING = "DIP_HELD"
REASONS = reasons(TARGET="PROFIT")
SIZE = "size_factor"


def warm_up(params: Params) -> int:
    """Return the first bar with a regime by percentile, whatever the parameters."""
    return MINIMUM_BARS


def prepare(bars: Bars, params: Params, models: Models = ()) -> Features:
    """Compute the rule's inputs and, at each candidate, what the model in force says.

    `probability`, `threshold` and `full` are -1 where no model was asked; `model` is the index in
    `models` of the one in force, -1 for none. The columns of the model's features are kept under
    their names for the explanation.
    """
    cost_class = AssetClass(str(params["cost_class"]))
    regimes, market = regimes_of(bars), dip_market(bars, cost_class)
    dips = hybrid.candidates_nb(
        market.inputs.rsi,
        market.inputs.range_position,
        regimes.relative_codes,
        float(params["entry_level"]),
        float(params["range_share"]),
    )
    candidates = dips * market.is_tradable
    arrays = {
        "rsi": market.inputs.rsi,
        "range_position": market.inputs.range_position,
        "atr": market.inputs.atr,
        "cost_rate": market.cost_rate,
        "is_tradable": market.is_tradable.astype(np.float64),
        "is_dip": dips.astype(np.float64),
        **asked(bars, cost_class, candidates, models, in_regimes(params, "veto_share")),
    }
    arrays["confidence"] = confidences(arrays, float(params["least_share"]))
    is_entry = candidates * (arrays["probability"] >= arrays["threshold"])
    table = RuleTable(
        _rows(is_entry, regimes, arrays, params),
        keeps_limit=True,
        rests_protection=params["protection"] == RESTING,
        reasons=REASONS,
    )
    return Features(bars, params, regimes, warm_up(params), arrays, table)


def _rows(
    is_entry: IntArray, regimes: RegimeSeries, arrays: Mapping[str, FloatArray], params: Params
) -> FloatArray:
    return dip_rows_nb(
        is_entry,
        regimes.relative_codes,
        regimes.settled_codes,
        regimes.volatility,
        arrays["atr"],
        arrays["cost_rate"],
        arrays["confidence"],
        by_regime(int(params["max_bars"]), hybrid_words.size_base(params)),
        float(params["target_volatility"]),
        float(params["max_weight"]),
    )


def confidences(arrays: Mapping[str, FloatArray], least: float) -> FloatArray:
    """Return the share of the full weight that P(win) earns at each bar, ``least`` to 1."""
    low, full = arrays["threshold"], arrays["full"]
    rise = np.zeros(low.shape[0])
    np.divide(arrays["probability"] - low, full - low, out=rise, where=full > low)
    return least + (1.0 - least) * np.minimum(np.maximum(rise, 0.0), 1.0)


def by_regime(max_bars: int, base: AdaptiveBase) -> FloatArray:
    """Return take, stop, holding limit and size by regime, float64 of shape (4, 4)."""
    limits = [float(hybrid.holding_limit(max_bars, code)) for code in range(len(Regime))]
    values, _ = regime_values(base)
    return np.array([hybrid.TAKE_ATR, hybrid.STOP_ATR, limits, values[list(RULES).index(SIZE)]])


@kernel
def dip_rows_nb(
    is_entry: IntArray,
    codes: IntArray,
    settled_codes: IntArray,
    volatility: FloatArray,
    atr: FloatArray,
    rates: FloatArray,
    confidence: FloatArray,
    by_regime: FloatArray,
    target_volatility: float,
    max_weight: float,
) -> FloatArray:
    """Write rules 3 and 4 of the module's docstring as rows of a `RuleTable`."""
    n = codes.shape[0]
    rows = np.full((rules.N_COLUMNS, n), np.nan).T
    for i in range(n):
        # While its regime is unknown a bar has no entry, and so no use for what stands there.
        code = max(codes[i], 0)
        weight = 0.0
        if volatility[i] > 0.0:
            size = by_regime[3, max(settled_codes[i], 0)]
            weight = min(target_volatility / volatility[i], max_weight) * size * confidence[i]
        rows[i, rules.SIGNALS] = rules.ENTER_DIP if is_entry[i] else 0
        rows[i, rules.TREND_WEIGHT] = 0.0
        rows[i, rules.DIP_WEIGHT] = weight
        rows[i, rules.TARGET_DISTANCE] = by_regime[0, code] * atr[i]
        rows[i, rules.STOP_DISTANCE] = by_regime[1, code] * atr[i]
        rows[i, rules.HOLDING_LIMIT] = by_regime[2, code]
        rows[i, rules.COST_RATE] = rates[i]
    return rows


def decide(features: Features, i: int, state: StrategyState) -> Proposal:
    """Apply the rule of the module's docstring to one bar."""
    proposal = propose(features, i, state)
    if proposal.rule == DIP:
        if state.quantity > 0.0:
            return replace(proposal, rule=WAITING)
        return replace(proposal, signal=float(features.arrays["confidence"][i]))
    if proposal.rule == NO_SETUP and features.arrays["is_dip"][i]:
        is_tradable = bool(features.arrays["is_tradable"][i])
        return replace(proposal, rule=VETO if is_tradable else NOT_TRADABLE)
    return proposal


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
            "Longest time held in Low and Normal; half as long again above",
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
            hybrid_words.LEAST_VETO,
            hybrid_words.MOST_VETO,
            0.05,
        ),
        Parameter("least_share", FLOAT, 0.5, "Share of the size at the veto", 0.1, 1.0, 0.05),
        Parameter("target_volatility", FLOAT, 0.15, "Wanted volatility a year", 0.01, 1.0, 0.01),
        Parameter("max_weight", FLOAT, 0.95, "Largest share of equity", 0.05, 1.0, 0.05),
        PROTECTION_PARAMETER,
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
    adaptive=hybrid_words.size_base,
    adapts=(SIZE,),
    by_regime=("veto_share",),
)
