"""Strategies of other packages are found, and a broken one breaks nothing."""

import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from django.conf import settings

from trading.engine.backtest import BacktestConfig, run
from trading.engine.errors import UnknownStrategy
from trading.engine.search import plan_search, space_from
from trading.engine.strategies import Registry, sma_cross
from trading.services.backtests import summary
from trading.services.own_strategies import own_strategies
from trading.services.studies.evaluation import Evaluator, Task
from trading.tests.engine.walks import random_walk

EXAMPLE = Path(settings.BASE_DIR) / "docs" / "examples" / "elson-down-days"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An empty place for packages, looked at by Python."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("elson_down_days", "broken_strategy"):
        sys.modules.pop(name, None)


def put_package(site, name, points):
    """What an installer leaves behind: metadata with entry points."""
    place = site / f"{name}-1.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = "\n".join(f"{key} = {value}" for key, value in points.items())
    (place / "entry_points.txt").write_text(f"[elson.strategies]\n{lines}\n")


def registry():
    return Registry([sma_cross.SPEC], own_strategies)


def test_the_example_of_the_documentation_is_found_and_runs(site):
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    shutil.copy(EXAMPLE / "elson_down_days.py", site)
    put_package(site, project["name"], project["entry-points"]["elson.strategies"])

    spec = registry().get_or_refuse("down_days")

    result = run(random_walk(3, 300), spec, {}, BacktestConfig(keeps_decisions=True))
    assert result.strategy_key == "down_days"
    assert len(result.round_trips) > 5
    assert {trip.bars_held for trip in result.round_trips} == {2}


@pytest.mark.slow
def test_a_search_in_several_processes_finds_it_too(site):
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    shutil.copy(EXAMPLE / "elson_down_days.py", site)
    put_package(site, project["name"], project["entry-points"]["elson.strategies"])
    spec, bars = registry().get_or_refuse("down_days"), random_walk(3, 400)
    space = space_from(spec, {"n_falls": {"low": 1, "high": 4, "step": 1}})
    plan = plan_search(len(bars), space, n_folds=3, fewest_trades=1)
    config = BacktestConfig(start_index=plan.start)
    trials = [(n, space.params({"n_falls": n})) for n in (1, 2, 3, 4)]

    with Evaluator(Task("down_days", bars, plan, config), 2) as evaluator:
        found = dict(evaluator.scores(trials))

    here = Task(spec, bars, plan, config)
    assert found == {n: here.score(params) for n, params in trials}
    assert not any(isinstance(score, str) for score in found.values())


def test_a_broken_package_is_named_and_the_shipped_ones_stay(site):
    (site / "broken_strategy.py").write_text("raise RuntimeError('no licence')\n")
    put_package(site, "broken_strategy", {"magic": "broken_strategy:SPEC"})

    found = registry()

    assert list(found) == ["sma_cross"]
    with pytest.raises(UnknownStrategy, match=r"'magic' is not available: .* no licence"):
        found.get_or_refuse("magic")


def test_a_package_that_exits_ends_nobody_else(site):
    (site / "broken_strategy.py").write_text("import sys\nsys.exit('no licence')\n")
    put_package(site, "broken_strategy", {"magic": "broken_strategy:SPEC"})

    found = registry()

    assert list(found) == ["sma_cross"]
    assert "raised SystemExit: no licence" in found.left_out()["magic"]


def test_the_list_has_strategies_without_parameters_and_says_what_is_left_out(site, monkeypatch):
    (site / "broken_strategy.py").write_text(
        "from dataclasses import replace\n"
        "from trading.engine.strategies.base import Parameter\n"
        "from trading.engine.strategies.sma_cross import SPEC\n"
        "PLAIN = replace(SPEC, key='plain', parameters=(), check=None, by_regime=(),\n"
        "                adaptive=None, warm_up=lambda params: 1)\n"
        "OPEN = replace(PLAIN, key='open', parameters=(Parameter('n', 'INT', 5, 'N'),))\n"
        "WRONG = replace(PLAIN, key='wrong', name='')\n"
    )
    points = {name: f"broken_strategy:{name.upper()}" for name in ("plain", "open", "wrong")}
    put_package(site, "broken_strategy", points)
    monkeypatch.setattr(summary, "STRATEGIES", registry())

    text = summary.strategy_list_text()

    assert "plain: Moving-average cross." in text
    assert "n  any number  default 5  N" in text
    assert "left out: wrong: name of wrong is ''; it must be text" in text


def test_a_package_may_not_replace_a_shipped_strategy(site):
    (site / "broken_strategy.py").write_text(
        "from trading.engine.strategies.sma_cross import SPEC\n"
    )
    put_package(site, "broken_strategy", {"copycat": "broken_strategy:SPEC"})

    found = registry()

    assert found["sma_cross"] is sma_cross.SPEC
    assert list(found) == ["sma_cross"]
    assert "'sma_cross' is taken" in found.refused["copycat"]


def test_nothing_is_imported_before_a_key_is_missing(site):
    (site / "broken_strategy.py").write_text("raise RuntimeError('loaded')\n")
    put_package(site, "broken_strategy", {"magic": "broken_strategy:SPEC"})

    found = registry()
    found.get_or_refuse("sma_cross")

    assert found.refused == {}


def test_something_else_than_a_strategy_is_refused(site):
    (site / "broken_strategy.py").write_text("SPEC = 3\n")
    put_package(site, "broken_strategy", {"three": "broken_strategy:SPEC"})

    found = registry()
    list(found)

    assert found.refused["three"] == "3 is a int, not a StrategySpec"
