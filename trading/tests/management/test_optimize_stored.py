"""`manage.py optimize` on stored bars: whose trials, at what costs, with which model."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from trading.models import ModelVersion, TrialLedgerEntry
from trading.tests.factories import bars_make, instrument_make, user_make
from trading.tests.services.model_rows import version_trained, walk

pytestmark = pytest.mark.django_db
SPACE = json.dumps({"veto_share": {"low": 0.1, "high": 0.9, "step": 0.2}})


@pytest.fixture(autouse=True)
def stored_walk():
    bars = walk(1)
    rows = zip(bars.open, bars.high, bars.low, bars.close, strict=True)
    closes = [dt.datetime.fromtimestamp(at / 1e9, tz=dt.UTC) for at in bars.closed_at]
    bars_make(instrument_make("ABC"), [tuple(map(float, row)) for row in rows], closes=closes)


@pytest.fixture
def optimize(capsys, tmp_path):
    user_make(email="me@example.org")

    def called(*words, user="me@example.org", journal="one.jsonl"):
        call_command(
            "optimize", "--strategy", "hybrid", "--symbol", "ABC", "--user", user,
            "--space", SPACE, "--trials", "4", "--folds", "3", "--min-trades", "1",
            "--journal", str(tmp_path / journal), "--json", *words,
        )  # fmt: skip
        return json.loads(capsys.readouterr().out)

    return called


def test_its_trials_stand_in_the_ledger_once_and_are_judged_with_what_came_before(optimize):
    first, again = optimize(), optimize()

    other = optimize("--seed", "8", journal="two.jsonl")

    assert first["trial_count"] == again["trial_count"] == 4
    # Two searches of four are all five shares there are: three of the second were tried before.
    assert other["trial_count"] == TrialLedgerEntry.objects.count() == 5
    assert set(TrialLedgerEntry.objects.values_list("user__email", flat=True)) == {"me@example.org"}


def test_it_searches_with_the_active_model_and_says_which(optimize):
    version_trained()
    ModelVersion.objects.update(state="ACTIVE")

    found = optimize()

    version = ModelVersion.objects.get()
    assert found["model"]["content_hash"] == version.content_hash
    assert found["manifest"]["settings"]["model"]["number"] == 1
    assert len({row["objective"] for row in found["leaderboard"]}) > 1


def test_without_an_active_model_the_rule_is_searched_and_it_says_so(optimize):
    found = optimize()

    assert found["model"] is None
    assert len({row["objective"] for row in found["leaderboard"]}) == 1


def test_the_usual_costs_of_the_market_are_paid_unless_refused(optimize):
    usual = optimize()
    free = optimize("--no-usual-costs", journal="free.jsonl")

    assert usual["manifest"]["settings"]["cost_preset"] == "EQUITY"
    assert free["manifest"]["settings"]["cost_preset"] is None
    assert usual["best"]["total_return"] < free["best"]["total_return"]


def test_usual_slippage_and_impact_are_paid_on_top_where_asked_for(optimize):
    usual = optimize()
    more = optimize("--usual-slippage", journal="more.jsonl")

    settings = more["manifest"]["settings"]
    assert (settings["preset_slippage"], settings["preset_impact"]) == (1.0, 1.0)
    assert usual["manifest"]["settings"]["preset_slippage"] == 0.0
    assert more["best"]["total_return"] < usual["best"]["total_return"]


def test_stored_bars_without_a_person_are_wrong_use():
    with pytest.raises(CommandError, match="--user EMAIL") as refused:
        call_command("optimize", "--strategy", "hybrid", "--symbol", "ABC", "--space", SPACE)

    assert refused.value.returncode == 2


def test_an_unknown_person_is_refused(optimize):
    with pytest.raises(CommandError, match=r"There is no user 'who@example\.org'") as refused:
        optimize(user="who@example.org")

    assert refused.value.returncode == 1
    assert not TrialLedgerEntry.objects.exists()


def test_a_backtest_of_stored_bars_asks_the_active_model_too(capsys):
    def orders():
        call_command("backtest", "--strategy", "hybrid", "--symbol", "ABC", "--json")
        return json.loads(capsys.readouterr().out)

    alone = orders()
    version_trained()
    ModelVersion.objects.update(state="ACTIVE")

    bound = orders()

    assert alone["manifest"]["settings"]["model"] is None
    assert bound["manifest"]["settings"]["model"]["number"] == 1
    assert bound["final_equity"] != alone["final_equity"]
