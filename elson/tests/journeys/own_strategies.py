"""A package of own strategies as a developer would install one: an honest rule, and its cheat.

Both buy after a rise and sell after a fall. The honest one looks at the bar that just closed, the
planted one at the bar after it, which nobody can know.
"""

from __future__ import annotations

from pathlib import Path

HONEST, PLANTED = "journey_honest", "journey_planted"
MODULE = """
import numpy as np

from trading.engine.regimes import classify
from trading.engine.strategies.base import Features, Narrative, Proposal, StrategySpec


def spec(key, name, n_ahead):
    def prepare(bars, params):
        rises = np.zeros(len(bars))
        rises[1:] = np.sign(np.diff(bars.close))
        rises = np.concatenate((rises[n_ahead:], np.zeros(n_ahead)))
        regimes = classify(bars.close, bars.bars_per_year)
        return Features(bars, params, regimes, 1, {"rise": rises})

    def decide(features, i, state):
        if features.arrays["rise"][i] > 0.0:
            return Proposal(1.0, 1.0, "RISE", kind="RISE", uses_all_cash=True)
        return Proposal(0.0, 0.0, "FALL")

    def narrate(features, i, state, proposal):
        return Narrative(reason="a rise is bought", would_change="a fall", inputs={})

    return StrategySpec(
        key=key, name=name, summary="Buys a rise, sells a fall.", when_it_fails="In any market.",
        parameters=(), warm_up=lambda params: 1, prepare=prepare, decide=decide, narrate=narrate,
    )


HONEST = spec("journey_honest", "Rises, honest", 0)
PLANTED = spec("journey_planted", "Rises, planted look-ahead", 1)
"""
METADATA = "Metadata-Version: 2.1\nName: journey-rises\nVersion: 1.0\n"
ENTRY_POINTS = f"""[elson.strategies]
{HONEST} = journey_rises:HONEST
{PLANTED} = journey_rises:PLANTED
"""


def own_strategies_install(folder: Path) -> Path:
    """Lay the package out as an installer would; the folder belongs on PYTHONPATH."""
    described = folder / "journey_rises-1.0.dist-info"
    described.mkdir(parents=True)
    (folder / "journey_rises.py").write_text(MODULE)
    (described / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: journey-rises\nVersion: 1.0\n"
    )
    (described / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder
