"""`manage.py backtest`: one JSON object, no database, the peer's numbers, one clear sentence."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from trading.tests.engine.walks import random_walk

# vectorbt 1.2.0 on seeded random walks: docs/research/vectorbt_equality.py --golden wrote it.
GOLDEN_PATH = Path(__file__).parents[1] / "engine" / "golden" / "vectorbt.json"
GOLDEN = [row for row in json.loads(GOLDEN_PATH.read_text()) if not row["slippage_bps"]]
SMALL = ("--strategy", "sma_cross", "--param", "fast=2", "--param", "slow=5", "--null-draws", "5")
HEADER = "timestamp,open,high,low,close,volume"
ROW = "{day},10,11,9,10,100"


@pytest.fixture
def walk(tmp_path):
    """A seeded walk as a CSV file that gives every float back as it was."""

    def write(seed: int = 1, n_bars: int = 600, name: str = "WALK.csv") -> Path:
        bars = random_walk(seed, n_bars)
        days = np.datetime64("2001-01-01") + np.arange(n_bars)
        columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
        lines = [
            f"{day}," + ",".join(repr(float(column[i])) for column in columns)
            for i, day in enumerate(days)
        ]
        text = "\n".join([HEADER, *lines]) + "\n"
        path = tmp_path / name
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text)
        return path

    return write


def answer(*words: object) -> dict[str, Any]:
    stdout = io.StringIO()
    call_command("backtest", *map(str, words), "--json", stdout=stdout)
    (line,) = stdout.getvalue().splitlines()
    return json.loads(line, parse_constant=pytest.fail)


def refusal(*words: object) -> CommandError:
    stdout = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("backtest", *map(str, words), "--json", stdout=stdout)
    assert stdout.getvalue() == ""
    return caught.value


@pytest.mark.parametrize("row", GOLDEN[:: len(GOLDEN) // 12], ids=lambda row: row["strategy"])
def test_the_command_gives_the_numbers_of_vectorbt(walk, row):
    words = [word for k, v in row["params"].items() for word in ("--param", f"{k}={v}")]

    found = answer(
        "--strategy", row["strategy"], "--data", walk(row["seed"]), *words,
        "--commission-bps", row["commission_bps"], "--null-draws", 1,
    )  # fmt: skip

    assert found["orders"] == row["orders"]
    assert found["final_equity"] == pytest.approx(row["final_equity"], rel=1e-9)
    assert found["max_drawdown"] == pytest.approx(row["max_drawdown"], rel=1e-9)


def test_the_answer_has_what_the_contract_names(walk):
    found = answer(*SMALL, "--data", walk())

    assert {
        "round_trips", "orders", "final_equity", "total_return", "max_drawdown", "sharpe_ratio",
        "win_rate", "profit_factor", "by_regime", "manifest",
    } <= set(found)  # fmt: skip
    assert {"code", "data", "params", "seed"} <= set(found["manifest"])
    assert sum(row["n"] for row in found["by_regime"].values()) == found["round_trips"]
    assert found["total_return"] == pytest.approx(found["final_equity"] / 100_000 - 1)


def test_a_zipped_file_gives_the_same_answer(walk):
    plain, zipped = (
        answer(*SMALL, "--data", walk()),
        answer(*SMALL, "--data", walk(name="W.csv.gz")),
    )

    assert zipped["final_equity"] == plain["final_equity"]
    assert zipped["by_regime"] == plain["by_regime"]


def test_the_same_command_twice_gives_the_same_bytes(walk):
    path = walk()

    assert answer(*SMALL, "--data", path) == answer(*SMALL, "--data", path)


def test_figures_that_do_not_exist_are_null(walk):
    found = answer(
        "--strategy", "rsi2_reversion", "--param", "entry_level=0.5", "--param", "trend_bars=400",
        "--data", walk(),
    )  # fmt: skip

    assert found["orders"] == 0
    assert found["final_equity"] == 100_000
    assert found["sharpe_ratio"] is None
    assert found["win_rate"] is None
    assert found["profit_factor"] is None


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("--strategy", "nope"), 1, "nope"),
        (("--strategy", ""), 2, "Name a strategy: --strategy KEY (--list shows all)."),
        ((*SMALL, "--param", "speed=3"), 1, "has no parameter 'speed'"),
        (
            ("--strategy", "sma_cross", "--param", "fast=0"),
            1,
            "fast of sma_cross is 0; it must be at least 1",
        ),
        (("--strategy", "sma_cross", "--param", "fast=2.5"), 1, "fast"),
        (("--strategy", "sma_cross", "--param", "fast"), 2, "must be written name=value"),
        ((*SMALL, "--param", "fast=3"), 2, "--param fast is given twice"),
        ((*SMALL, "--cash", "-5"), 1, "Starting cash -5 must lie between 1 and"),
        ((*SMALL, "--cash", "nan"), 1, "not a finite number"),
        ((*SMALL, "--commission-bps", "-1"), 1, "Commission -1 bp must lie between 0 bp"),
        ((*SMALL, "--start", "2001-02-30"), 1, "is not a date; write it like"),
        ((*SMALL, "--start", "2002-01-01", "--end", "2001-01-01"), 1, "must be after the start"),
        ((*SMALL, "--start", "2030-01-01"), 1, "has no bar between 2030-01-01 and its end"),
        ((*SMALL, "--end", "2001-01-03"), 1, "bars"),
        ((*SMALL, "--timeframe", "2d"), 1, "it is one of 1m, 5m, 15m, 1h, 1d"),
        ((*SMALL, "--oos-share", "0.95"), 1, "must be 0 or lie between 0.1 and 0.9"),
    ],
)
def test_wrong_use_is_refused_in_one_sentence(walk, words, code, sentence):
    error = refusal(*words, "--data", walk())

    assert sentence in str(error)
    assert error.returncode == code
    assert "\n" not in str(error)


def test_bars_must_be_named():
    error = refusal(*SMALL)

    assert str(error) == "Name the bars: --data FILE or --symbol S."
    assert error.returncode == 2


def test_a_missing_file_and_another_kind_of_file_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")

    assert "There is no file" in str(refusal(*SMALL, "--data", tmp_path / "gone.csv"))
    assert "neither .csv" in str(refusal(*SMALL, "--data", tmp_path / "notes.txt"))


@pytest.mark.parametrize(
    ("faulty", "words"),
    [
        ("2001-01-03,10,11,9,ten,100", ("row 4", "close", "ten")),
        ("2001-01-03,10,11,9,nan,100", ("row 4", "close")),
        ("2001-01-03,10,11,9,-1,100", ("row 4", "-1")),
        ("2001-01-03,10,9,11,10,100", ("row 4", "high")),
        ("2001-01-03,10,11,9,10", ("row 4",)),
        ("2001-01-02,10,11,9,10.5,100", ("row 4", "2001-01-02")),
        ("yesterday,10,11,9,10,100", ("row 4", "yesterday")),
    ],
)
def test_a_broken_file_is_refused_with_row_column_value_and_reason(tmp_path, faulty, words):
    days = [ROW.format(day=f"2001-01-0{n}") for n in (1, 2)]
    later = [ROW.format(day=f"2001-02-{n:02}") for n in range(1, 20)]
    (tmp_path / "broken.csv").write_text("\n".join([HEADER, *days, faulty, *later]) + "\n")

    error = refusal(*SMALL, "--data", tmp_path / "broken.csv")

    assert error.returncode == 1
    assert str(error).startswith("broken.csv: ")
    assert all(word in str(error) for word in words), str(error)


def test_an_empty_file_and_a_missing_column_are_refused(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "short.csv").write_text("timestamp,open,high,low\n2001-01-01,1,1,1\n")

    assert "empty.csv" in str(refusal(*SMALL, "--data", tmp_path / "empty.csv"))
    assert "close" in str(refusal(*SMALL, "--data", tmp_path / "short.csv"))


@pytest.mark.slow
def test_a_file_needs_no_database_and_no_state(walk, tmp_path):
    empty = tmp_path / "state"
    environment = os.environ | {
        "DATABASE_URL": f"sqlite:///{tmp_path}/nowhere/elson.sqlite3",
        "ELSON_STATE_DIR": str(empty),
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    command = [sys.executable, "manage.py", "backtest", *SMALL, "--data", str(walk()), "--json"]

    said = subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=True
    )

    (line,) = said.stdout.splitlines()
    assert json.loads(line)["orders"] > 10
    assert said.stderr == ""
    assert not (tmp_path / "nowhere").exists()


def test_several_files_share_one_account(walk):
    found = answer(
        "--strategy", "sma_cross", "--param", "fast=2", "--param", "slow=5",
        "--data", walk(1, 300, "AAA.csv"), "--data", walk(2, 200, "BBB.csv"),
        "--commission-bps", 5, "--spread-bps", 1, "--max-positions", 1,
    )  # fmt: skip

    rows = {row["symbol"]: row for row in found["per_instrument"]}
    assert set(rows) == {"AAA", "BBB"}
    assert sum(row["n"] for row in rows.values()) == found["round_trips"]
    results = sum(row["pnl"] + row["open_pnl"] for row in rows.values())
    assert found["final_equity"] == pytest.approx(100_000 + results)
    assert found["costs"]["parts"]["total"] == pytest.approx(
        sum(row["cost_total"] for row in rows.values())
    )
    assert len(found["manifest"]["data"]["instruments"]) == 2


def test_every_part_of_the_costs_is_told(walk):
    found = answer(
        *SMALL, "--data", walk(), "--commission-bps", 2, "--spread-bps", 1, "--slippage-bps", 1,
        "--impact", 1, "--commission-minimum", 1, "--max-participation", 0.05,
    )  # fmt: skip

    parts = found["costs"]["parts"]
    assert min(parts[name] for name in ("commission", "spread", "slippage", "impact")) > 0.0
    assert parts["total"] == pytest.approx(sum(v for k, v in parts.items() if k != "total"))
    returns = [point["total_return"] for point in found["costs"]["curve"]]
    assert returns == sorted(returns, reverse=True)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("--impact", "11"), 1, "Impact 11 must lie between 0 and 10"),
        (("--max-participation", "0"), 1, "Share of the volume 0 must lie above 0"),
        (("--usual-costs",), 2, "--usual-costs needs --symbol alone"),
    ],
)
def test_impossible_costs_are_refused(walk, words, code, sentence):
    error = refusal(*SMALL, "--data", walk(), *words)

    assert (error.returncode, sentence in str(error)) == (code, True)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["2001-01-02,10,11,9,10,1"], "1 bars"),
        (["2001-01-02,10,11,9,nan,1", "2001-01-03,10,11,9,10,1"], "close"),
        (["2001-01-03,10,11,9,10,1", "2001-01-02,10,11,9,10,1"], "2001-01-02"),
    ],
)
def test_bars_nothing_can_be_said_about_are_refused_with_their_numbers(tmp_path, rows, words):
    path = tmp_path / "BAD.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")

    assert words in str(refusal(*SMALL, "--data", path))


def test_a_constant_price_without_volume_trades_nothing_and_says_why(tmp_path):
    days = np.datetime64("2001-01-01") + np.arange(60)
    path = tmp_path / "FLAT.csv"
    path.write_text("\n".join([HEADER, *(f"{day},10,10,10,10,0" for day in days)]) + "\n")

    found = answer(*SMALL, "--data", path, "--max-participation", 0.1)

    assert found["orders"] == 0
    assert found["honesty"]["status"] == "FAIL"
    assert found["win_rate"] is None


def test_fixed_weights_and_a_day_of_the_split_are_taken(walk):
    one, two = walk(1, 300, "ONE.csv"), walk(2, 300, "TWO.csv")

    found = answer(*SMALL, "--data", one, "--data", two, "--weight", "ONE=0.7",
                   "--weight", "TWO=0.2", "--oos-from", "2001-08-01")  # fmt: skip

    assert found["manifest"]["settings"]["weights"] == {"ONE": 0.7, "TWO": 0.2}
    assert found["out_of_sample"]["first_at"].startswith("2001-08-01")
    assert found["honesty"]["n_draws"] == 5


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--weight", "ONE=0.7", "--weight", "TWO=0.4"), "sum to 1.1; the limit is 1"),
        (("--weight", "ONE=0.7"), "Weight of TWO is missing"),
        (("--oos-from", "1990-01-01"), "must lie after the first bar of 2001-01-01"),
    ],
)
def test_weights_and_splits_that_cannot_be_meant_are_refused(walk, words, sentence):
    one, two = walk(1, 300, "ONE.csv"), walk(2, 300, "TWO.csv")

    assert sentence in str(refusal(*SMALL, "--data", one, "--data", two, *words))
