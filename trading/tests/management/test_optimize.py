"""`manage.py optimize`: one JSON object, the same twice, resumable, refusals with exit codes."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from trading.tests.engine.walks import random_walk

SPACE = json.dumps({"fast": {"low": 3, "high": 12, "step": 3}, "slow": {"low": 20, "high": 40}})


@pytest.fixture
def data(tmp_path):
    bars = random_walk(3, 500)
    lines = ["timestamp,open,high,low,close,volume"]
    for i in range(len(bars)):
        day = f"{2000 + i // 336}-{i // 28 % 12 + 1:02d}-{i % 28 + 1:02d}"
        row = (bars.open[i], bars.high[i], bars.low[i], bars.close[i], 1000)
        lines.append(",".join([day, *(repr(float(value)) for value in row)]))
    path = tmp_path / "walk.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def optimize(capsys, data, *words, space=SPACE, journal="one.jsonl", method="random"):
    call_command(
        "optimize", "--strategy", "sma_cross", "--data", str(data), "--space", space,
        "--method", method, "--trials", "12", "--folds", "3", "--min-trades", "1",
        "--journal", str(data.parent / journal), "--json", *words,
    )  # fmt: skip
    return json.loads(capsys.readouterr().out)


def test_it_prints_one_object_with_both_sides_and_the_luck(capsys, data):
    found = optimize(capsys, data)

    assert found["n_trials"] == found["trial_count"] == 12
    assert {"pbo", "deflated_sharpe_ratio", "leaderboard", "best", "suggested"} <= found.keys()
    assert len(found["in_sample"]["folds"]) == len(found["out_of_sample"]["folds"]) == 3
    assert found["holdout"] == {"n_bars": 100, "is_opened": False}


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_an_interrupted_search_goes_on_and_finds_the_same(capsys, data, method):
    whole = optimize(capsys, data, method=method)
    lines = (data.parent / "one.jsonl").read_text().splitlines()
    # Killed in the middle of the eighth line.
    (data.parent / "two.jsonl").write_text("\n".join(lines[:7]) + "\n" + lines[7][:20])

    assert optimize(capsys, data, method=method, journal="two.jsonl") == whole
    kept = (data.parent / "two.jsonl").read_text().splitlines()
    assert [json.loads(line)[0] for line in kept[1:7] + kept[8:]] == list(range(1, 13))


@pytest.mark.parametrize("n_failed", [1, 12])
def test_trials_that_could_not_be_run_are_told_with_their_reason(capsys, data, n_failed):
    optimize(capsys, data)
    journal = data.parent / "one.jsonl"
    head, *lines = journal.read_text().splitlines()
    failed = [[*json.loads(line)[:2], None, "the rule is broken"] for line in lines[:n_failed]]
    kept = [head, *map(json.dumps, failed), *lines[n_failed:]]
    journal.write_text("\n".join(kept) + "\n")
    words = ("--strategy", "sma_cross", "--data", str(data), "--space", SPACE, "--trials", "12",
             "--folds", "3", "--min-trades", "1", "--journal", str(journal))  # fmt: skip

    if n_failed == 12:
        with pytest.raises(CommandError, match="No trial could be run: trial 1: the rule is") as no:
            call_command("optimize", *words)
        assert no.value.returncode == 1
    else:
        call_command("optimize", *words)

    told = capsys.readouterr().out
    assert f"{n_failed} failed\nThe first that failed is trial 1: the rule is broken\n" in told


def test_fewer_trials_than_before_are_judged_as_if_they_were_the_only_ones(capsys, data):
    few = optimize(capsys, data, "--trials", "6", journal="few.jsonl")
    optimize(capsys, data)

    assert optimize(capsys, data, "--trials", "6") == few


@pytest.mark.parametrize("text", ['[1, {}, null, ""]\n', '{"search": "another"}\n'])
def test_a_journal_of_another_search_is_refused_and_left_as_it_is(capsys, data, text):
    (data.parent / "one.jsonl").write_text(text)

    with pytest.raises(CommandError, match="belongs to another search") as refused:
        optimize(capsys, data)

    assert refused.value.returncode == 1
    assert (data.parent / "one.jsonl").read_text() == text


def test_a_second_run_evaluates_nothing_again(capsys, data):
    first = optimize(capsys, data)
    size = (data.parent / "one.jsonl").stat().st_size

    assert optimize(capsys, data) == first
    assert (data.parent / "one.jsonl").stat().st_size == size


@pytest.mark.slow
@pytest.mark.parametrize("method", ["random", "tpe"])
def test_two_processes_find_what_one_does(capsys, data, method):
    one = optimize(capsys, data, method=method)

    two = optimize(capsys, data, "--workers", "2", method=method, journal="two.jsonl")

    assert two == one


@pytest.mark.parametrize(
    ("space", "words", "code"),
    [
        ('{"fast": {"low": 9, "high": 3}}', "low 9 must not be above high 3", 1),
        ("nowhere.json", "No such file", 1),
        ('{"speed": {}}', "no parameter 'speed'", 1),
    ],
)
def test_a_wrong_space_is_refused_with_its_reason(capsys, data, space, words, code):
    with pytest.raises(CommandError, match=words) as refused:
        optimize(capsys, data, space=space)

    assert refused.value.returncode == code


def test_without_bars_it_is_wrong_use(data):
    with pytest.raises(CommandError, match="Name the bars") as refused:
        call_command("optimize", "--strategy", "sma_cross", "--space", SPACE)

    assert refused.value.returncode == 2


def test_a_search_of_two_series_is_wrong_use(capsys, data):
    with pytest.raises(CommandError, match="one series, found 2") as refused:
        optimize(capsys, data, "--data", str(data))

    assert refused.value.returncode == 2


def test_a_person_reads_a_table_and_sentences(capsys, data):
    call_command(
        "optimize", "--strategy", "sma_cross", "--data", str(data), "--space", SPACE,
        "--trials", "5", "--folds", "2", "--min-trades", "0",
        "--journal", str(data.parent / "three.jsonl"),
    )  # fmt: skip

    said = capsys.readouterr().out
    assert "5 trials of sma_cross without a model" in said
    assert "worthless trials" in said
