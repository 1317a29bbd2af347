"""The command: exit codes, one JSON object, manifests and check sums."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from marketdata import selectors
from marketdata.models import Bar, Instrument

pytestmark = pytest.mark.django_db
ROWS = "timestamp,open,high,low,close,volume\n2020-03-12,10,12,9,11,100\n2020-03-13,11,13,10,12,0\n"


def run(capsys: pytest.CaptureFixture[str], *arguments: object, **options: Any) -> tuple[int, str]:
    code = 0
    try:
        call_command("import_bars", *(str(a) for a in arguments), **options)
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    except CommandError as error:
        return error.returncode, str(error)
    return code, capsys.readouterr().out


def test_import_bars_stores_a_folder_as_its_manifest_says(tmp_path: Path, capsys) -> None:
    hours = ROWS.replace("2020-03-12", "2020-03-12T09:00").replace("2020-03-13", "2020-03-12T10:00")
    (tmp_path / "EURUSD_1H.csv").write_text(hours)
    (tmp_path / "KO_C.csv").write_text(ROWS)
    (tmp_path / "manifest.csv").write_text(
        "symbol,asset_class,frequency,tradable,source,licence,adjustment,exec_price,note\n"
        "EURUSD_1H,fx,1h,1,Somebody,MIT,mid,open,\n"
        "KO_C,equity_close,1d,1,Somebody,BSD,split+div,close,closes\n"
    )

    code, out = run(capsys, tmp_path, "--json")

    report = json.loads(out.splitlines()[-1])
    pair, stock = Instrument.objects.order_by("symbol")
    assert (code, len(out.splitlines()), report["n_stored"]) == (0, 1, 4)
    assert (pair.symbol, pair.asset_class, pair.venue.code, pair.source) == (
        "EURUSD", "FX", "FX", "Somebody",
    )  # fmt: skip
    assert (stock.symbol, stock.is_close_only, stock.licence) == ("KO_C", True, "BSD")
    first = selectors.bars_get("EURUSD", "1h").closed_at[0]
    assert selectors.iso(selectors.instant(int(first))) == "2020-03-12T10:00:00Z"


def test_import_bars_can_be_told_that_stamps_are_closes(tmp_path: Path, capsys) -> None:
    path = tmp_path / "BTCUSD.csv"
    path.write_text(
        ROWS.replace("2020-03-12", "2020-03-12T09:00").replace("2020-03-13", "2020-03-12T10:00")
    )

    run(capsys, path, "--timeframe", "1h", "--asset-class", "crypto", "--timestamp-is", "close")

    bars = selectors.bars_get("BTCUSD", "1h")
    assert selectors.iso(selectors.instant(int(bars.closed_at[0]))) == "2020-03-12T09:00:00Z"


def test_import_bars_refuses_a_bad_file_and_keeps_the_good_one(tmp_path: Path, capsys) -> None:
    (tmp_path / "BAD.csv").write_text(ROWS + "2020-03-16,x,1,1,1,1\n")
    (tmp_path / "GOOD.csv").write_text(ROWS)

    code, out = run(capsys, tmp_path)

    assert code == 1
    assert "row 4: open 'x' is not a number" in out
    assert set(Bar.objects.values_list("instrument__symbol", flat=True)) == {"GOOD"}


def test_import_bars_a_second_time_finds_everything_unchanged(tmp_path: Path, capsys) -> None:
    (tmp_path / "SPX.csv").write_text(ROWS)
    run(capsys, tmp_path)

    code, out = run(capsys, tmp_path, "--json")

    assert code == 0
    assert json.loads(out)["series"][0]["status"] == "UNCHANGED"


def test_import_bars_refuses_a_file_that_differs_from_its_check_sum(tmp_path: Path, capsys) -> None:
    (tmp_path / "SPX.csv").write_text(ROWS)
    right = hashlib.sha256((tmp_path / "SPX.csv").read_bytes()).hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{right}  SPX.csv\n")
    assert run(capsys, tmp_path)[0] == 0
    (tmp_path / "SPX.csv").write_text(ROWS + "2020-03-16,11,13,10,12,0\n")

    code, out = run(capsys, tmp_path)

    assert code == 1
    assert "SPX.csv differs from its check sum in SHA256SUMS" in out
    assert Bar.objects.count() == 2


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ([], 2, "Name files or folders, or a --source"),
        (["/no/such/folder"], 1, "There is no file or folder /no/such/folder"),
        (["--source", "nope"], 1, "known are embedded"),
        (["--source", "embedded", "--symbol", "NOPE"], 1, "has no NOPE"),
    ],
)
def test_import_bars_says_in_one_sentence_what_it_cannot_do(
    capsys, arguments: list[str], code: int, reason: str
) -> None:
    found, message = run(capsys, *arguments)

    assert (found, reason in message) == (code, True)


def test_import_bars_refuses_a_symbol_that_is_a_path(tmp_path: Path, capsys) -> None:
    path = tmp_path / "a b$.csv"
    path.write_text(ROWS)

    code, message = run(capsys, path)

    assert code == 1
    assert "'A B$' is not usable" in message


def test_import_bars_stores_an_embedded_series(capsys) -> None:
    code, out = run(capsys, "--source", "embedded", "--symbol", "VIX", "--json")

    assert code == 0
    assert json.loads(out)["n_stored"] == 1259
    assert Instrument.objects.get().source.startswith("PyPI arch")
