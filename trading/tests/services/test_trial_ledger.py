"""Whatever was tried is counted once, per family, and stays counted."""

import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, connection, transaction

from marketdata.models import Instrument
from marketdata.selectors import bars_get
from trading.engine.luck import bar_sharpe
from trading.engine.metrics import simple_returns
from trading.models import Backtest, Trial, TrialLedgerEntry
from trading.models.immutable import RowImmutable
from trading.selectors.studies import trials_counted
from trading.services.backtests import experiment
from trading.services.backtests.drafts import draft_read
from trading.services.backtests.requests import backtest_cancel, backtest_request, backtest_rerun
from trading.services.backtests.runs import backtest_run
from trading.services.studies.setup import setup_of
from trading.tests.backtest_rows import ASKED, done_make, portfolio_make, waiting_make, walk_make
from trading.tests.factories import NOW, user_make
from trading.tests.study_rows import member_make, study_finish, study_make

pytestmark = pytest.mark.django_db


def counted(made):
    return trials_counted(
        user_id=made.user_id, strategy_key=made.strategy_key, instrument_id=made.instrument_id
    )


def test_a_finished_backtest_is_counted_once():
    made = done_make(user_make())

    again = backtest_rerun(backtest=made, now=NOW)
    assert backtest_run(backtest_id=again.pk, clock=lambda: NOW) == "SUCCEEDED"

    assert counted(made).n_trials == TrialLedgerEntry.objects.count() == 1


def test_an_entry_keeps_what_the_run_was_worth_a_bar_and_on_how_many(monkeypatch):
    seen = []
    monkeypatch.setattr(
        experiment.statistics, "curve", lambda run, *_: seen.append(run.equity) or {}
    )

    made = done_make(user_make())

    entry = TrialLedgerEntry.objects.get()
    returns = simple_returns(seen[0], start=float(made.cash))
    assert (entry.n_bars, entry.bar_sharpe) == (400, bar_sharpe(returns))
    assert entry.bar_sharpe != 0.0


def test_trials_of_a_study_are_kept_with_what_each_was_worth_on_the_searched_bars():
    study = study_finish(study_make(member_make()))

    setup = setup_of(study)
    kept = {entry.source_key: entry for entry in TrialLedgerEntry.objects.all()}
    trials = Trial.objects.filter(study=study)
    assert len(kept) == trials.count() == 12
    for trial in trials:
        entry = kept[setup.evaluation.key(setup.params(trial.parameters))]
        assert entry.bar_sharpe == trial.bar_sharpe
        assert entry.n_bars == setup.plan.n_search - setup.plan.start
    assert len({entry.bar_sharpe for entry in kept.values()}) > 1


def test_other_costs_are_another_trial():
    owner = user_make()
    made = done_make(owner)
    draft = draft_read({**ASKED, "commission_bps": 6})
    other = backtest_request(user=owner, draft=draft, now=NOW)
    backtest_run(backtest_id=other.pk, clock=lambda: NOW)

    assert counted(made).n_trials == 2


def test_an_account_is_tried_on_each_of_its_instruments():
    owner = user_make()
    made = portfolio_make(owner)
    other = Instrument.objects.get(symbol="OTHER")

    assert counted(made).n_trials == 1
    assert family_counted(owner, "sma_cross", other) == 1


def test_a_run_that_is_canceled_once_it_can_be_seen_is_counted(monkeypatch):
    made = waiting_make(user_make())
    judge = experiment.judgement.judge
    shown = []

    def looked_at(**asked):
        row = Backtest.objects.get()
        shown.append((row.so_far["n_bars"], TrialLedgerEntry.objects.count()))
        backtest_cancel(backtest=row, now=NOW)
        return judge(**asked)

    monkeypatch.setattr(experiment.judgement, "judge", looked_at)

    assert backtest_run(backtest_id=made.pk, clock=lambda: NOW) == "CANCELED"
    assert shown == [(400, 1)]
    assert counted(made).n_trials == 1


def test_a_study_that_repeats_another_tries_nothing_new():
    owner = member_make()
    study_finish(study_make(owner))
    again = study_finish(study_make(owner))
    other = study_finish(study_make(owner, holdout_share=0.3))

    assert again.judgement["n_trials_counted"] == 12
    assert other.judgement["n_trials_counted"] == 24


def family_counted(owner, strategy_key, instrument):
    return trials_counted(
        user_id=owner.pk, strategy_key=strategy_key, instrument_id=instrument.pk
    ).n_trials


def test_a_family_is_one_person_one_strategy_one_instrument():
    made, other = done_make(user_make()), done_make(user_make())

    assert counted(made).n_trials == counted(other).n_trials == 1
    assert counted(made).sharpe_std == 0.0


def test_deleting_the_backtest_keeps_the_count():
    made = done_make(user_make())
    before = counted(made)

    Backtest.objects.all().delete()

    assert counted(made) == before


def test_the_ledger_cannot_be_edited_or_emptied():
    done_make(user_make())
    entry = TrialLedgerEntry.objects.get()

    for change in (entry.save, entry.delete, TrialLedgerEntry.objects.all().delete):
        with pytest.raises(RowImmutable):
            change()
    with (
        pytest.raises(IntegrityError, match="never changed or removed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM trading_trialledgerentry")


def test_a_run_of_the_command_is_the_trial_its_request_on_the_platform_is(capsys):
    owner = user_make(email="me@example.org")
    made = done_make(owner)

    def called(*words, slow=20):
        call_command(
            "backtest", "--strategy", "sma_cross", "--symbol", "WALK", "--param", "fast=5",
            "--param", f"slow={slow}", "--commission-bps", "5", "--null-draws", "20", "--json",
            *words,
        )  # fmt: skip
        return json.loads(capsys.readouterr().out)["manifest"]["settings"]["trials"]["n_trials"]

    named = ("--user", "me@example.org")

    assert called(*named) == 1
    assert counted(made).n_trials == TrialLedgerEntry.objects.count() == 1
    assert called(*named, slow=30) == 2
    assert counted(made).n_trials == TrialLedgerEntry.objects.count() == 2
    # Nobody's is counted nowhere and judged by itself.
    assert called(slow=40) == 1
    assert counted(made).n_trials == 2


@pytest.mark.parametrize(
    ("words", "sentence", "code"),
    [
        (("--symbol", "WALK", "--user", "who@example.org"), "There is no user", 1),
        (("--data", "walk.csv", "--user", "me@example.org"), "a file is nobody's", 2),
    ],
)
def test_a_run_of_the_command_is_counted_for_somebody_there_is_and_never_for_a_file(
    tmp_path, monkeypatch, words, sentence, code
):
    user_make(email="me@example.org")
    walk_make()
    monkeypatch.chdir(tmp_path)
    bars = bars_get("WALK")
    days = bars.closed_at.astype("datetime64[ns]").astype("datetime64[D]").astype(str)
    columns = zip(days, bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)
    lines = ["date,open,high,low,close,volume", *(",".join(map(str, row)) for row in columns)]
    (tmp_path / "walk.csv").write_text("\n".join(lines))

    with pytest.raises(CommandError, match=sentence) as refused:
        call_command("backtest", "--strategy", "sma_cross", *words)

    assert refused.value.returncode == code
    assert not TrialLedgerEntry.objects.exists()
