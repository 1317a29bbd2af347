"""Rules made for a test: a function that decides, and one whose table is thrown with coins."""

import numpy as np

from trading.engine import rules
from trading.engine.regimes import regimes_of
from trading.engine.strategies.base import Features, Narrative, StrategySpec
from trading.engine.strategies.tables import propose


def by_hand(decide, table_of=lambda bars: None):
    """A rule without parameters and warm-up."""
    return StrategySpec(
        key="by_hand",
        name="By hand",
        summary="",
        when_it_fails="",
        parameters=(),
        warm_up=lambda params: 0,
        prepare=lambda bars, params: Features(
            bars, params, regimes_of(bars), 0, {}, table_of(bars)
        ),
        decide=decide,
        narrate=lambda *seen: Narrative("because", "nothing"),
    )


def coin(stop, target, seed, *, rests_protection=True, **terms):
    """Enter and leave by chance with half of the money; stop and target are shares of price."""

    def table_of(bars):
        rng = np.random.default_rng((seed, 1))
        n_bars = len(bars)
        rows = np.full((rules.N_COLUMNS, n_bars), np.nan).T
        enters, leaves = rng.random(n_bars) < 0.1, rng.random(n_bars) < 0.05
        rows[:, rules.SIGNALS] = rules.ENTER_DIP * enters + rules.LEAVE_DIP * leaves
        rows[:, rules.TREND_WEIGHT] = rows[:, rules.DIP_WEIGHT] = 0.5
        rows[:, rules.HOLDING_LIMIT] = rows[:, rules.COST_RATE] = 0.0
        for column, share in ((rules.STOP_DISTANCE, stop), (rules.TARGET_DISTANCE, target)):
            if share is not None:
                rows[:, column] = share * bars.close
        return rules.RuleTable(rows, rests_protection=rests_protection, **terms)

    return by_hand(propose, table_of)
