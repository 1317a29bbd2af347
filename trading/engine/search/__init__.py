"""Search of parameters: a space, ways to walk it, a score that looks out-of-sample, a judgement.

The names below live in one module each: `space`, `sampling`, `scoring`, `plateau`, `judgement`.
"""

from trading.engine.search.judgement import Judgement, judge
from trading.engine.search.plateau import Plateau, plateau_of
from trading.engine.search.sampling import grid, random_trials, tpe_suggest
from trading.engine.search.scoring import (
    Holdout,
    SearchPlan,
    TrialScore,
    evaluate,
    holdout_run,
    plan_search,
)
from trading.engine.search.space import Dimension, Space, space_from

__all__ = [
    "Dimension",
    "Holdout",
    "Judgement",
    "Plateau",
    "SearchPlan",
    "Space",
    "TrialScore",
    "evaluate",
    "grid",
    "holdout_run",
    "judge",
    "plan_search",
    "plateau_of",
    "random_trials",
    "space_from",
    "tpe_suggest",
]
