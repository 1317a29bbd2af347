"""`verify_win_rates`: folders checked, reports repeatable, each missed must named."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re

import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from trading.selectors.model_performance import performance_latest
from trading.tests.engine.walks import random_walk

pytestmark = pytest.mark.slow
N_BARS = 1_500


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three daily instruments, one reference that is not tradable, and the checksums."""
    path = tmp_path_factory.mktemp("bars")
    lines = [
        ("WALKA", "equity", "open", "1"),
        ("WALKB", "etf", "open", "1"),
        ("WALKC", "equity_close", "close", "1"),
        ("GAUGE", "index_ref", "open", "0"),
    ]
    with (path / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("symbol", "asset_class", "frequency", "exec_price", "tradable"))
        writer.writerows((s, c, "1d", price, tradable) for s, c, price, tradable in lines)
    for seed, (symbol, *_) in enumerate(lines):
        write_bars(path / f"{symbol}.csv", random_walk(seed, N_BARS))
    write_sums(path)
    return path


def write_bars(path, bars):
    days = np.datetime64("2001-01-01") + np.arange(len(bars))
    columns = zip(days, bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)
    rows = "\n".join(",".join(str(value) for value in row) for row in columns)
    path.write_text(f"timestamp,open,high,low,close,volume\n{rows}\n")


def write_sums(path):
    names = sorted(each.name for each in path.iterdir() if each.name != "SHA256SUMS")
    sums = (f"{hashlib.sha256((path / n).read_bytes()).hexdigest()}  {n}" for n in names)
    (path / "SHA256SUMS").write_text("\n".join(sums) + "\n")


def copied(folder, tmp_path):
    for each in folder.iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    return tmp_path


def run(folder, *arguments):
    """Return exit code, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("verify_win_rates", "--data", str(folder), *arguments, stdout=out, stderr=err)
    except SystemExit as stop:
        return stop.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_two_runs_are_byte_identical_and_name_each_missed_must(folder):
    first = run(folder, "--json", "--no-store")
    second = run(folder, "--json", "--no-store")

    code, out, err = first
    report = json.loads(out)
    assert first == second
    assert out.count("\n") == 1
    assert code == 1
    assert [line.split()[1] for line in err.splitlines()] == report["missed"]
    assert "trades_in_smallest_regime" in report["missed"]


@pytest.mark.django_db
def test_a_report_is_stored_as_it_was_printed(folder):
    _, out, _ = run(folder, "--strategy", "rsi2_reversion", "--json")

    stored = performance_latest("rsi2_reversion")
    assert stored.report == json.loads(out)
    assert not stored.is_met
    assert stored.n_instruments == 3


@pytest.mark.django_db
def test_a_database_without_its_tables_costs_no_report(folder):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE trading_modelperformance RENAME TO elsewhere")

    code, out, err = run(folder, "--strategy", "rsi2_reversion", "--json")

    assert code == 1
    assert json.loads(out)["strategy"] == "rsi2_reversion"
    assert "The report is not stored, the database refuses it: " in err


def test_models_may_learn_from_another_folder(folder, tmp_path):
    other = copied(folder, tmp_path)

    _, out, _ = run(folder, "--train-data", str(other), "--json", "--no-store")

    report = json.loads(out)
    assert report["train_data"]["sha256"] == report["data"]["sha256"]
    assert report["data"]["left_out"] == ["GAUGE"]


def test_the_tables_are_printed_for_people(folder):
    _, out, _ = run(folder, "--strategy", "donchian_breakout", "--no-store")

    for words in ("Profit-blind exit", "N2: bars permuted", "By asset class", "Controls", "Goals"):
        assert words in out


def test_a_short_history_is_told_to_be_too_short_and_not_to_be_bad(folder, tmp_path):
    path = copied(folder, tmp_path)
    write_bars(path / "WALKA.csv", random_walk(4, 300))
    (path / "manifest.csv").write_text("symbol,asset_class,frequency\nWALKA,equity,1d\n")
    write_sums(path)

    code, out, err = run(path, "--strategy", "donchian_breakout", "--no-store")

    assert code == 1
    assert "1 instrument, 300 bars" in out
    assert "Too few trades to judge these regimes by, whatever their figures: LOW" in out
    assert "the protocol asks for 150 in each." in out
    assert re.search(r"planted edge +not judged +no round trip in HIGH or EXTREME", out)
    assert "is unknown (no trade), must be" in err


def test_a_tampered_file_is_refused_by_name(folder, tmp_path):
    path = copied(folder, tmp_path)
    with (path / "WALKB.csv").open("a") as stream:
        stream.write("2009-01-01,1,1,1,1,0\n")

    with pytest.raises(CommandError, match=r"WALKB\.csv has SHA-256") as refusal:
        run(path, "--no-store")
    assert refusal.value.returncode == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SHA256SUMS", "has no SHA256SUMS"),
        ("manifest.csv", "manifest.csv of SHA256SUMS is missing"),
    ],
)
def test_a_folder_without_checksums_or_manifest_is_refused(folder, tmp_path, name, words):
    path = copied(folder, tmp_path)
    (path / name).unlink()

    with pytest.raises(CommandError, match=words):
        run(path, "--no-store")


def test_a_manifest_that_no_checksum_covers_is_refused(folder, tmp_path):
    path = copied(folder, tmp_path)
    lines = (path / "SHA256SUMS").read_text().splitlines()
    (path / "SHA256SUMS").write_text("\n".join(x for x in lines if "manifest" not in x) + "\n")

    with pytest.raises(CommandError, match=r"SHA256SUMS does not list manifest.csv"):
        run(path, "--no-store")


def test_an_instrument_named_twice_is_refused(folder, tmp_path):
    path = copied(folder, tmp_path)
    manifest = (path / "manifest.csv").read_text()
    again = next(line for line in manifest.splitlines() if line.startswith("WALKA"))
    (path / "manifest.csv").write_text(f"{manifest.rstrip()}\n{again}\n")
    write_sums(path)

    with pytest.raises(CommandError, match=r"manifest.csv names WALKA more than once"):
        run(path, "--no-store")


def test_an_asset_class_without_a_cost_is_refused(folder, tmp_path):
    path = copied(folder, tmp_path)
    manifest = (path / "manifest.csv").read_text().replace("WALKB,etf", "WALKB,bond")
    (path / "manifest.csv").write_text(manifest)
    write_sums(path)

    with pytest.raises(CommandError, match="WALKB has asset class 'bond'"):
        run(path, "--no-store")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--strategy", "nothing"), "no strategy 'nothing'"),
        (("--protocol", "v0"), "there is no protocol 'v0'"),
    ],
)
def test_unknown_names_are_refused_before_anything_is_read(folder, arguments, words):
    with pytest.raises(CommandError, match=words):
        run(folder, *arguments, "--no-store")
