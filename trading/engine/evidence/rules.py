"""Strategies in the form the protocol can test: entry signals and an exit plan per instrument.

INPUT    a strategy's key and a prepared instrument
OUTPUT   signals (1 where a flat book would buy), the strategy's exits and its profit-blind exits
LOOKBACK the strategy's own; value at i uses bars 0..i only

A strategy is tested with its default parameters. The null needs an exit for a trade begun on *any*
bar, so a rule whose exit depends on more than its signal and the bars since cannot be tested.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from trading.engine import hybrid
from trading.engine.errors import ConfigInvalid
from trading.engine.evidence.instruments import EvidenceInstrument
from trading.engine.evidence.trips import ExitPlan, blind_plan, flat_plan
from trading.engine.kernels import IntArray
from trading.engine.strategies import (
    Features,
    StrategySpec,
    strategy_get,
    trend_rows,
)
from trading.engine.types import RegimeCode

HYBRID = "hybrid"


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """One instrument under one rule.

    Attributes
    ----------
    signals : int64, shape (n_bars,)
        1 where the rule buys when flat, before any model has spoken.
    exits : ExitPlan
        The strategy's own.
    blind : ExitPlan
        Exits that do not look at the trade's own profit.
    """

    signals: IntArray
    exits: ExitPlan
    blind: ExitPlan


@dataclass(frozen=True, slots=True)
class HybridChoice:
    """The few numbers of the hybrid rule; the defaults are the product's."""

    entry_level: float = hybrid.ENTRY_LEVEL
    range_share: float = hybrid.RANGE_SHARE
    take_atr: tuple[float, ...] = hybrid.TAKE_ATR
    stop_atr: tuple[float, ...] = hybrid.STOP_ATR
    max_bars: tuple[int, ...] = hybrid.MAX_BARS


@dataclass(frozen=True, slots=True)
class EvidenceRule:
    """A strategy the protocol can test.

    Attributes
    ----------
    key : str
        Of the strategy.
    setup : callable
        Instrument to `Setup`.
    has_model : bool
        Whether a walk-forward model may veto signals.
    most_positions : float
        Risk of all open positions together, in units of one position's; the portfolio's cap.
    scope : str
        What the rule trades at all, in words; empty where it trades everything.
    """

    key: str
    setup: Callable[[EvidenceInstrument], Setup]
    has_model: bool = False
    most_positions: float = np.inf
    scope: str = ""


def rule_get(key: str) -> EvidenceRule:
    """Return the rule of a strategy.

    Parameters
    ----------
    key : str
        Of a registered strategy.

    Returns
    -------
    EvidenceRule
        With the strategy's default parameters.

    Raises
    ------
    UnknownStrategy, ConfigInvalid
        If there is no such strategy, or it cannot be put into this form.

    Examples
    --------
    >>> rule_get("hybrid").has_model
    True
    """
    if key == HYBRID:
        return EvidenceRule(
            key,
            hybrid_setup,
            has_model=True,
            most_positions=hybrid.MOST_POSITIONS,
            scope="bars of a day or more of equities, ETFs and indices",
        )
    spec = strategy_get(key)
    if key not in _SETUPS:
        known = ", ".join(sorted((HYBRID, *_SETUPS)))
        raise ConfigInvalid(
            f"strategy {key!r} has no exit for a trade begun on any bar, which the null model "
            f"needs; these have one: {known}"
        )
    build = _SETUPS[key]
    return EvidenceRule(key, lambda instrument: build(_features(spec, instrument), instrument))


def hybrid_setup(instrument: EvidenceInstrument, choice: HybridChoice | None = None) -> Setup:
    """Return the hybrid rule on one instrument, from the kernels the strategy itself uses.

    The circuit breaker is left out: it follows the equity of a book, which one instrument has not.

    Parameters
    ----------
    instrument : EvidenceInstrument
        Prepared.
    choice : HybridChoice or None
        Other numbers than the product's, for measuring overfitting.

    Returns
    -------
    Setup
        Signals of the rule alone; the model's veto comes on top.
    """
    chosen = choice or HybridChoice()
    return Setup(
        signals=_dips(instrument, chosen.entry_level, chosen.range_share),
        exits=hybrid_plan(instrument, chosen),
        blind=blind_plan(instrument),
    )


def learning_setups(instrument: EvidenceInstrument) -> IntArray:
    """Mark the setups the model learns from: every tradable bar with RSI(2) below 20."""
    return _dips(instrument, hybrid.LEARNING_LEVEL, np.inf)


def hybrid_plan(instrument: EvidenceInstrument, choice: HybridChoice) -> ExitPlan:
    """Return the hybrid exits: first profit after costs, stop and limit by regime."""
    codes = np.maximum(instrument.codes, RegimeCode.LOW)
    n_bars = len(instrument.bars)
    plan = flat_plan(n_bars, ends=np.zeros(n_bars, dtype=np.int64))
    return replace(
        plan,
        atr=instrument.inputs.atr,
        take_atr=np.array(choice.take_atr)[codes],
        stop_atr=np.array(choice.stop_atr)[codes],
        max_bars=np.array(choice.max_bars, dtype=np.int64)[codes],
    )


def _dips(instrument: EvidenceInstrument, entry_level: float, range_share: float) -> IntArray:
    inputs = instrument.inputs
    dips = hybrid.candidates_nb(
        inputs.rsi, inputs.range_position, instrument.codes, float(entry_level), float(range_share)
    )
    return dips * hybrid.tradable_bars(
        instrument.bars, instrument.preset, instrument.rates, inputs.atr
    )


def _features(spec: StrategySpec, instrument: EvidenceInstrument) -> Features:
    return spec.prepare(instrument.bars, spec.defaults)


def _sma_cross(features: Features, instrument: EvidenceInstrument) -> Setup:
    arrays = features.arrays
    is_above = (arrays["fast"] > arrays["slow"]).astype(np.int64)
    plan = flat_plan(len(is_above), ends=1 - is_above)
    return Setup(_from(is_above, features.first), plan, plan)


def _reversion(features: Features, instrument: EvidenceInstrument) -> Setup:
    arrays, close = features.arrays, instrument.bars.close
    level, limit = float(features.params["entry_level"]), int(features.params["max_bars"])
    is_dip = (arrays["rsi"] < level) & (close <= arrays["exit_mean"])
    is_dip &= (arrays["trend_mean"] < 0.0) | (close > arrays["trend_mean"])
    ends = (close > arrays["exit_mean"]).astype(np.int64)
    plan = flat_plan(len(close), ends=ends, limit=limit)
    return Setup(_from(is_dip.astype(np.int64), features.first), plan, plan)


def _breakout(features: Features, instrument: EvidenceInstrument) -> Setup:
    arrays, close = features.arrays, instrument.bars.close
    breaks = (close > arrays["upper"]).astype(np.int64)
    plan = flat_plan(len(close), ends=(close < arrays["lower"]).astype(np.int64))
    return Setup(_from(breaks, features.first), plan, plan)


def _adaptive_trend(features: Features, instrument: EvidenceInstrument) -> Setup:
    """Mirror `volatility_adaptive_trend`: a pullback that recovers becomes a trend position.

    Sizes play no part in a win rate, so its circuit breaker is left out.
    """
    arrays, close = features.arrays, instrument.bars.close
    band = trend_rows.BAND_ATR * arrays["atr"]
    is_up = close > arrays["trend_mean"] + band
    is_dip = arrays["rsi"] < arrays["entry_threshold"]
    plan = ExitPlan(
        atr=arrays["atr"],
        take_atr=np.full(len(close), -1.0),
        stop_atr=arrays["stop_atr"],
        max_bars=np.zeros(len(close), dtype=np.int64),
        limits=np.round(arrays["holding_bars"]).astype(np.int64),
        ends=(close > arrays["exit_mean"]).astype(np.int64),
        keeps=is_up.astype(np.int64),
        ends_trend=(close < arrays["trend_mean"] - band).astype(np.int64),
    )
    signals = _from((is_up | is_dip).astype(np.int64), features.first)
    return Setup(signals, plan, replace(plan, stop_atr=np.zeros(len(close))))


def _from(signals: IntArray, first: int) -> IntArray:
    out = signals.copy()
    out[:first] = 0
    return out


_SETUPS: Mapping[str, Callable[[Features, EvidenceInstrument], Setup]] = {
    "sma_cross": _sma_cross,
    "rsi2_reversion": _reversion,
    "donchian_breakout": _breakout,
    "volatility_adaptive_trend": _adaptive_trend,
}
