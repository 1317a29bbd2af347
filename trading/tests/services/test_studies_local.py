"""A search of the command: nothing can be read that was not counted before."""

import json

import pytest

from trading.engine.backtest import BacktestConfig
from trading.engine.search import plan_search, space_from
from trading.engine.strategies import strategy_get
from trading.selectors.studies import TrialCount
from trading.services.studies import local
from trading.tests.engine.walks import random_walk

BARS = random_walk(3, 500)
SPACE = space_from(
    strategy_get("sma_cross"),
    {"fast": {"low": 3, "high": 12, "step": 3}, "slow": {"low": 20, "high": 40, "step": 10}},
)
PLAN = plan_search(len(BARS), SPACE, n_folds=3, fewest_trades=1)
CONFIG = BacktestConfig(commission_bps=5, start_index=PLAN.start)
SEARCH = local.LocalSearch("sma_cross", BARS, SPACE, PLAN, CONFIG, "GRID", 12)


class Killed(BaseException):
    """What a killed process looks like from inside: nothing is caught."""


def moving_of(journal):
    return [json.loads(line)[1] for line in journal.read_text().splitlines()[1:]]


def test_every_trial_is_counted_before_the_journal_shows_it(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "WRITE_EVERY", 0.0)
    journal, counted, n_ahead = tmp_path / "j.jsonl", [], []

    def count(trials):
        shown = [SPACE.params(moving) for moving in moving_of(journal)]
        assert all(params in counted for params in shown)
        counted.extend(params for params, _ in trials)
        n_ahead.append(len(counted) - len(shown))
        return TrialCount(len(counted), 0.1)

    local.search_run(search=SEARCH, journal=journal, n_workers=1, count=count)

    assert len(moving_of(journal)) == 12
    assert n_ahead[:12] == [1] * 12


def test_an_interrupted_search_keeps_and_counts_what_it_has(tmp_path):
    journal, counted = tmp_path / "j.jsonl", []

    def count(trials):
        counted.extend(trials)
        return TrialCount(len(counted), 0.1)

    def show(n_done):
        if n_done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        local.search_run(search=SEARCH, journal=journal, n_workers=1, count=count, show=show)

    assert len(moving_of(journal)) == len(counted) == 5


def test_what_cannot_be_counted_is_not_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "WRITE_EVERY", 0.0)
    journal = tmp_path / "j.jsonl"

    def count(trials):
        raise Killed

    with pytest.raises(Killed):
        local.search_run(search=SEARCH, journal=journal, n_workers=1, count=count)

    assert moving_of(journal) == []
