"""The benchmark harness itself: what it compares, judges, refuses and writes."""

import json
import re
import sys
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from elson.benchmarks import engine
from elson.benchmarks.harness import (
    Bench,
    BenchError,
    Contender,
    Contest,
    Goal,
    Limit,
    ResultsDiffer,
    bench_run,
)
from elson.benchmarks.machine import machine
from elson.benchmarks.peers import Peer, PeerFailed
from elson.benchmarks.registry import MODULES, bench_get
from elson.benchmarks.report import report_text, summary_text
from elson.benchmarks.series import geometric_walk
from elson.bootstrap import ROOT
from trading.engine import rich

LOCKS = ("requirements-bench.lock", "requirements-bench-nautilus.lock")


def same(results):
    values = {results[key]["value"] for key in results}
    if len(values) > 1:
        raise ResultsDiffer(f"values differ: {sorted(values)}")


def toy(ours: float, theirs: float, *, value: float = 1.0, at_most: float = 10.0) -> Bench:
    """Two contenders with given seconds; the peer does twice the units."""
    contenders = (
        Contender("elson", "Elson", "1", 1.0, lambda: {"seconds": ours, "value": 1.0}),
        Contender("peer", "Peer", "2", 2.0, lambda: {"seconds": theirs, "value": value}),
    )

    @contextmanager
    def prepare(report):
        yield Contest(contenders, same, lambda times: {"micro": times["elson"].median * 1e6})

    goals = (Goal("peer", 5.0, stretch=20.0),)
    limits = (Limit("micro", "µs", at_most=at_most),)
    return Bench("toy", "A toy", "unit", "Nothing.", goals, prepare, limits)


def measure(bench: Bench, rounds: int = 5):
    return bench_run(bench, rounds=rounds, report=lambda text: None, machine=machine())


def test_a_ratio_is_taken_per_unit_of_work():
    result = measure(toy(1e-6, 20e-6))

    assert result["measured"] == pytest.approx(10.0)
    assert result["met"]
    assert not result["peers"]["peer"]["stretch_met"]
    assert result["rounds"] == 5


def test_a_slower_engine_does_not_meet_its_goal():
    assert not measure(toy(1e-6, 8e-6))["met"]


def test_a_broken_limit_does_not_meet_the_goal():
    assert not measure(toy(11e-6, 1.0))["met"]


def test_different_results_have_no_time():
    with pytest.raises(ResultsDiffer, match="differ"):
        measure(toy(1e-6, 20e-6, value=2.0))


def test_fewer_than_five_rounds_are_refused():
    with pytest.raises(BenchError, match="4 rounds are too few"):
        measure(toy(1e-6, 20e-6), rounds=4)


def test_the_answer_has_the_promised_keys_and_fits_json():
    result = measure(toy(1e-6, 20e-6))

    promised = {"name", "goal", "measured", "met", "peers", "rounds", "machine"}
    assert promised <= set(json.loads(json.dumps(result, allow_nan=False)))


def test_the_page_says_what_was_met_and_that_it_is_generated():
    good, bad = measure(toy(1e-6, 20e-6)), measure(toy(1e-6, 8e-6))

    measured = {"measured_at": "2026-11-25 20:00 UTC", "revision": "abc1234"}

    page = report_text([good | measured, bad | measured], ["lost"])

    assert "one by its name and `--report`), last\non 2026-11-25" in page
    assert "| toy | Peer | ≥ 5× (stretch 20×) | 10.0× (10.0 – 10.0) | yes |" in page
    assert "4.00× (4.00 – 4.00) | **no** |" in page
    assert "| lost | | | no answer | no |" in page
    assert "NOT MET" in summary_text(bad)


def test_the_page_writes_numbers_out_and_measures_to_three_digits():
    bench = replace(toy(1e-6, 20e-6), limits=(Limit("micro", "µs", at_least=2e7, at_most=1.2),))

    page = report_text(
        [measure(bench) | {"measured_at": "2026-11-25 20:00 UTC", "revision": "abc1234"}], []
    )

    assert "| toy | micro | ≤ 1.2 µs, ≥ 20,000,000 µs | 1.00 µs | **no** |" in page
    assert "- micro: 1.00 µs" in page


def test_every_limit_of_a_bench_is_named_in_words():
    figures = [limit.figure for name in MODULES for limit in bench_get(name).limits]

    assert "cost of a TPE trial, 10,000 against 100 trials" in figures
    assert [name for name in figures if "_growth" in name] == []


def test_every_registered_bench_names_itself_and_its_first_goal():
    for name in MODULES:
        bench = bench_get(name)
        assert (bench.name, bool(bench.goals)) == (name, True)


def test_the_engine_is_checked_against_its_source_and_the_step():
    engine.check_twins(geometric_walk(6, 300))


def test_a_loop_that_trades_otherwise_than_the_step_has_no_time(monkeypatch):
    monkeypatch.setattr(rich, "simulate_rules_nb", spoiled(rich.simulate_rules_nb))

    with pytest.raises(ResultsDiffer, match="the step trades otherwise"):
        engine.check_twins(geometric_walk(6, 300))


def spoiled(loop):
    """Return the loop with its fills a unit of price off."""

    def run(*arguments):
        cash, held, bars, quantities, prices, *rest, n_fills = loop(*arguments)
        # Behind the last fill lies whatever the memory held before, which may be no number.
        prices[:n_fills] += 1.0
        return cash, held, bars, quantities, prices, *rest, n_fills

    run.py_func = loop.py_func
    return run


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nonsense"], "There is no bench 'nonsense'"),
        ([], "Name one bench"),
        (["sweep", "--all"], "Name one bench"),
        (["sweep", "--rounds", "2"], "--rounds 2 must be from 5 to 100"),
    ],
)
def test_wrong_use_is_refused_with_one_sentence(arguments, sentence):
    with pytest.raises(CommandError, match=re.escape(sentence)) as refusal:
        call_command("bench", *arguments)

    assert refusal.value.returncode == 2


ECHO = """
import sys
sys.path.insert(0, {root!r})
import numpy as np
from elson.benchmarks.peer_scripts.serve import serve

def double(path, times):
    print("noise that is no answer")
    return {{"doubled": np.load(path) * 2, "times": times}}

serve({{"double": double}})
"""


@pytest.fixture
def echo(tmp_path):
    (tmp_path / "echo_peer.py").write_text(ECHO.format(root=str(ROOT)))
    with Peer("echo_peer", environment={"PYTHONPATH": str(tmp_path)}) as peer:
        yield peer


def test_arrays_go_to_a_peer_and_come_back(echo):
    answer = echo.ask("double", path=np.arange(3.0), times=2)

    assert answer["doubled"].tolist() == [0.0, 2.0, 4.0]
    assert answer["times"] == 2


def test_a_peer_that_fails_says_why_and_lives_on(echo):
    with pytest.raises(PeerFailed, match="TypeError"):
        echo.ask("double", nonsense=1)

    assert echo.ask("double", path=np.ones(1), times=1)["doubled"].tolist() == [2.0]


def test_a_peer_cleans_up_when_its_bench_ends(tmp_path):
    left = "\n(Path(__file__).parent / 'ended').touch()\n"
    text = "from pathlib import Path\n" + ECHO.format(root=str(ROOT)) + left
    (tmp_path / "tidy_peer.py").write_text(text)

    with Peer("tidy_peer", environment={"PYTHONPATH": str(tmp_path)}) as peer:
        peer.ask("double", path=np.ones(1), times=1)

    assert (tmp_path / "ended").exists()


def test_a_peer_that_cannot_start_is_told():
    with (
        Peer("no_such_module", python=sys.executable) as peer,
        pytest.raises(PeerFailed, match="No module named"),
    ):
        peer.ask("double")


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_of_the_peers_name_no_registry_and_hash_everything(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.findall(r"^[a-z0-9][^\n]*==[^\n]*\\\n    --hash", text, re.MULTILINE)

    assert "://" not in text
    assert len(entries) == len(re.findall(r"^[a-z0-9].*==", text, re.MULTILINE))
