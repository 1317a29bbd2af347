"""The circuit breaker's arithmetic on plain vectors; see `engine.breaker` for what it means.

INPUT    a vector of limits, a vector of memory, one close
OUTPUT   the size factor; the memory is moved on in place
LOOKBACK none
"""

from __future__ import annotations

import numpy as np

from trading.engine.kernels import FloatArray, kernel

DAY_S = 86_400.0

# Cells of the state vector.
LEVEL, UNTIL, RULE, VALUE, LIMIT, BACKOFF, QUIET_FROM, PEAK = 0, 1, 2, 3, 4, 5, 6, 7
DAY, DAY_EQUITY, LAST_EQUITY, STREAK, IS_HOLDING, FLAT_EQUITY, SINCE, N_TRIPS = (
    8, 9, 10, 11, 12, 13, 14, 15,
)  # fmt: skip
# What the six rules look at, in the order of `RULE_NAMES`.
MEASURED, DAILY_LOSS, DRAWDOWN, LOSSES = 16, 18, 19, 20
N_CELLS = 22

# Cells of the settings vector: six rules with three limits each, then the rest.
N_RULES = 6
FACTORS, COOL_DOWNS, CAP, LOOK_BACK = 18, 21, 24, 25


@kernel
def breaker_level_nb(state: FloatArray, config: FloatArray) -> tuple[int, int]:
    """Return the worst level that the measured values ask for, and the rule that asks.

    A NaN asks for nothing. Of two rules with the same level the first speaks.
    """
    level = 0
    rule = 0
    for k in range(N_RULES):
        value = state[MEASURED + k]
        # Limits rise, so their number below the value is the level; a NaN is below none.
        asked = (
            int(value >= config[3 * k])
            + int(value >= config[3 * k + 1])
            + int(value >= config[3 * k + 2])
        )
        if asked > level:
            level = asked
            rule = k + 1
    return level, rule


@kernel
def breaker_measure_nb(state: FloatArray, now: float, equity: float, held: float) -> None:
    """Bring day, peak and streak up to this close and measure what was lost."""
    day = np.floor(now / DAY_S)
    if state[PEAK] == 0.0:
        state[PEAK] = state[DAY_EQUITY] = state[LAST_EQUITY] = state[FLAT_EQUITY] = equity
        state[DAY] = day
    if day != state[DAY]:
        state[DAY] = day
        state[DAY_EQUITY] = state[LAST_EQUITY]
    if equity > state[PEAK]:
        state[PEAK] = equity
    if held == 0.0:
        if state[IS_HOLDING] != 0.0:
            state[STREAK] = state[STREAK] + 1.0 if equity < state[FLAT_EQUITY] else 0.0
        state[FLAT_EQUITY] = equity
    state[IS_HOLDING] = 1.0 if held != 0.0 else 0.0
    state[LAST_EQUITY] = equity
    # A book that has lost everything has lost all of its day, whatever the division says.
    state[DAILY_LOSS] = 1.0 - equity / state[DAY_EQUITY] if state[DAY_EQUITY] > 0.0 else 1.0
    state[DRAWDOWN] = 1.0 - equity / state[PEAK] if state[PEAK] > 0.0 else 1.0
    state[LOSSES] = state[STREAK]


@kernel
def breaker_rise_nb(
    state: FloatArray, config: FloatArray, now: float, level: int, rule: int
) -> None:
    """Reach a higher level, for its cool-down times the doublings there are."""
    state[LEVEL] = level
    state[SINCE] = now
    state[RULE] = rule
    state[VALUE] = state[MEASURED + rule - 1]
    state[LIMIT] = config[3 * (rule - 1) + level - 1]
    cool_down = config[COOL_DOWNS + level - 1] * 2.0 ** state[BACKOFF]
    state[UNTIL] = now + min(cool_down, config[CAP])
    if level >= 2:
        state[QUIET_FROM] = state[UNTIL]
        state[N_TRIPS] += 1.0
        if cool_down < config[CAP]:
            state[BACKOFF] += 1.0


@kernel
def breaker_next_nb(
    state: FloatArray,
    config: FloatArray,
    now: float,
    equity: float,
    held: float,
    volatility: float,
    percentile: float,
    correlation: float,
) -> float:
    """Move the breaker on by one close, in place, and return the size factor.

    `now` is the close in seconds UTC; a NaN volatility, percentile or correlation is not known.
    """
    breaker_measure_nb(state, now, equity, held)
    state[MEASURED] = percentile
    state[MEASURED + 1] = volatility
    state[MEASURED + 5] = correlation
    level = int(state[LEVEL])
    while state[BACKOFF] > 0.0 and now - state[QUIET_FROM] >= config[LOOK_BACK]:
        state[BACKOFF] -= 1.0
        state[QUIET_FROM] += config[LOOK_BACK]
    if level == 3 and now >= state[UNTIL]:
        # Re-entry: drawdown and streak are measured from here on.
        state[PEAK] = equity
        state[STREAK] = state[LOSSES] = state[DRAWDOWN] = 0.0
    wanted, rule = breaker_level_nb(state, config)
    if wanted > level:
        breaker_rise_nb(state, config, now, wanted, rule)
    elif wanted < level and now >= state[UNTIL]:
        state[LEVEL] = level - 1
        state[SINCE] = now
        state[UNTIL] = now + config[COOL_DOWNS] if level > 1 else now
    if state[LEVEL] == 0.0:
        return 1.0
    return float(config[FACTORS + int(state[LEVEL]) - 1])
