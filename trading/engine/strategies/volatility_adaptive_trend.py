"""Trend and pullback entries whose parameters follow the volatility regime; long or flat.

INPUT    highs, lows, closes
OUTPUT   a weight sized to a volatility target, cut when the regime rises
LOOKBACK the longest adaptive average (1.2 x trend_bars) and 20 bars for the regime; the blend of
         adaptive values and the breaker remember further back

Exact rule, at the close of bar t with the settled regime of that bar (unknown counts as NORMAL):

1. lookback, entry threshold, size factor, stop, target and holding limit come from
   `engine.adaptive`, blended where blend_share is below 1.
2. weight = min(max_weight, target_volatility / EWMA volatility) x size factor; a pullback against
   the trend gets `pullback_share` of it.
3. flat: enter as TREND when close > SMA(lookback) + 0.25 ATR; otherwise enter as PULLBACK when
   RSI(2) < entry threshold.
4. long: leave when close <= stop (entry price - stop_atr x ATR at the signal; with trail_atr it
   rises with the close), or above a target if one is set. A TREND also leaves when
   close < SMA(lookback) - 0.25 ATR; a PULLBACK when close > SMA(5) or after holding_bars.
   A PULLBACK whose close is above SMA(lookback) + 0.25 ATR is kept and judged as a TREND.
5. still long: follow the weight when it differs by more than no_trade_band.
6. the circuit breaker (`engine.breaker`) multiplies the weight; HALTED sells.

Everything is a market order on bar t + 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache, partial

import numpy as np

from marketdata.types import Bars
from trading.engine.adaptive import (
    RULES,
    AdaptiveBase,
    adapt_series,
    own_values,
    regime_values,
    switched_off,
)
from trading.engine.kernels import FloatArray, variable_sma_nb
from trading.engine.once import once_per_bars
from trading.engine.regimes import WARM_UP_BARS, regimes_of
from trading.engine.rules import RuleTable
from trading.engine.state import StrategyState
from trading.engine.strategies import trend_words
from trading.engine.strategies.base import (
    FLOAT,
    INT,
    ArraysOnDemand,
    Features,
    Narrative,
    Parameter,
    Params,
    Proposal,
    StrategySpec,
)
from trading.engine.strategies.tables import (
    ON,
    PROTECTION_PARAMETER,
    RESTING,
    breaker_parameters,
    propose,
)
from trading.engine.strategies.trend_rows import (
    ATR_BARS,
)
from trading.engine.strategies.trend_table import (
    LOOKBACK,
    Measured,
    adaptive_rows_nb,
    blended_rows_nb,
    measured_nb,
)


def adaptive_base(params: Params) -> AdaptiveBase:
    """Collect the base values, and a person's own per regime, from the parameters."""
    return AdaptiveBase(
        lookback_bars=int(params["trend_bars"]),
        entry_threshold=float(params["entry_level"]),
        size_factor=1.0,
        stop_atr=float(params["stop_atr"]),
        target_atr=0.0,
        holding_bars=int(params["holding_bars"]),
        own_values=own_values(params),
        switched_off=switched_off(params),
    )


def warm_up(params: Params) -> int:
    """Return the first index with every value under every regime."""
    return _first(adaptive_base(params))


@lru_cache(maxsize=256)
def _first(base: AdaptiveBase) -> int:
    values, _ = regime_values(base)
    return max(int(values[LOOKBACK].max()) - 1, ATR_BARS, WARM_UP_BARS)


def prepare(bars: Bars, params: Params) -> Features:
    """Compute regimes and the table of the rule; what only explains it, once somebody asks."""
    regimes, measured = regimes_of(bars), measured_of(bars)
    base = adaptive_base(params)
    blend_bars, blend_share = int(params["blend_bars"]), float(params["blend_share"])
    values, falls_at_once = regime_values(base)
    market = (bars.close, *measured, regimes.volatility, regimes.settled_codes, values)
    terms = (
        float(params["target_volatility"]),
        float(params["max_weight"]),
        float(params["pullback_share"]),
        float(params["trail_atr"]),
    )
    if blend_share >= 1.0 and blend_bars <= 1:
        rows = adaptive_rows_nb(*market, *terms)
    else:
        rows = blended_rows_nb(*market, falls_at_once, blend_bars, blend_share, *terms)

    def explained() -> dict[str, Callable[[], FloatArray]]:
        @cache
        def series() -> FloatArray:
            return adapt_series(
                base, regimes.settled_codes, blend_bars=blend_bars, blend_share=blend_share
            )

        return {
            "trend_mean": lambda: variable_sma_nb(bars.close, series()[LOOKBACK]),
            "atr": lambda: measured.atr,
            "rsi": lambda: measured.strength,
            "exit_mean": lambda: measured.exit_mean,
            **{name: partial(lambda row: series()[row], row) for row, name in enumerate(RULES)},
        }

    table = RuleTable(
        rows,
        float(params["no_trade_band"]),
        rebalances=True,
        rests_protection=params["protection"] == RESTING,
    )
    return Features(bars, params, regimes, _first(base), ArraysOnDemand(explained), table)


@once_per_bars
def measured_of(bars: Bars) -> Measured:
    """Return what no setting of a series changes; shared, not to be written."""
    return measured_nb(bars.high, bars.low, bars.close)


def decide(features: Features, i: int, state: StrategyState) -> Proposal:
    """Apply the rule of the module's docstring to one bar."""
    proposal = propose(features, i, state)
    return replace(proposal, signal=_signal(features, i)) if proposal.kind else proposal


def narrate(features: Features, i: int, state: StrategyState, proposal: Proposal) -> Narrative:
    """Write down inputs, adaptive parameters, arithmetic and what would have changed it."""
    return trend_words.narrate(features, i, state, proposal, adaptive_base(features.params))


def _signal(features: Features, i: int) -> float:
    # Distance from the trend average in ATRs, saturating: dimensionless and within [-1, 1].
    atr_now = float(features.arrays["atr"][i])
    if not atr_now > 0.0:
        # Where nothing moved there is nothing to forecast.
        return 0.0
    distance = float(features.bars.close[i]) - float(features.arrays["trend_mean"][i])
    return float(np.tanh(distance / (2.0 * atr_now)))


SPEC = StrategySpec(
    key="volatility_adaptive_trend",
    name="Volatility-adaptive trend",
    summary=(
        "Follows the trend and buys dips, holding less as volatility rises; averages, thresholds, "
        "stops and size follow the regime."
    ),
    when_it_fails=(
        "Crashes that begin in calm markets: the size is cut only after volatility has risen. "
        "Sideways markets: small losses around the average add up."
    ),
    parameters=(
        Parameter("trend_bars", INT, 50, "Trend average in Normal", 5, 250, 1, unit="bars"),
        Parameter("entry_level", FLOAT, 15.0, "Buy dips below this RSI(2)", 1.0, 40.0, 0.5),
        Parameter("stop_atr", FLOAT, 2.5, "Stop distance", 0.5, 6.0, 0.1, unit="ATR"),
        Parameter("holding_bars", INT, 10, "Longest time a dip is held", 2, 60, 1, unit="bars"),
        Parameter("target_volatility", FLOAT, 0.15, "Wanted volatility a year", 0.01, 1.0, 0.01),
        Parameter("max_weight", FLOAT, 0.95, "Largest share of equity", 0.05, 1.0, 0.05),
        Parameter("pullback_share", FLOAT, 0.5, "Share of the size for dips", 0.0, 1.0, 0.05),
        Parameter("no_trade_band", FLOAT, 0.10, "Weight differences left alone", 0.0, 0.5, 0.01),
        Parameter(
            "trail_atr",
            FLOAT,
            0.0,
            "Stop below the highest close; 0 = it stays",
            0.0,
            10.0,
            0.1,
            unit="ATR",
        ),
        Parameter(
            "blend_bars", INT, 1, "Equal regimes before a value moves", 1, 20, 1, unit="bars"
        ),
        Parameter(
            "blend_share",
            FLOAT,
            1.0,
            "Share of the way a value moves a bar; 1 = at once",
            0.05,
            1.0,
            0.05,
        ),
        PROTECTION_PARAMETER,
        *breaker_parameters(ON),
    ),
    warm_up=warm_up,
    prepare=prepare,
    decide=decide,
    narrate=narrate,
    adaptive=adaptive_base,
)
