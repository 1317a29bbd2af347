"""Folders of bars: presets of the manifest's classes, and lists that cannot be read."""

from __future__ import annotations

import datetime as dt
from hashlib import sha256
from pathlib import Path

import pytest

from trading.engine.types import AssetClass
from trading.services.evidence.folders import FolderRefused, ManifestRow, folder_read

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def silent(share, text):
    """Show nothing."""


@pytest.mark.parametrize(
    ("symbol", "asset_class", "exec_price", "preset"),
    [
        ("AAPL", "equity", "OPEN", AssetClass.EQUITY),
        ("AAPL", "equity", "CLOSE", AssetClass.EQUITY_CLOSE),
        ("EURUSD", "fx", "OPEN", AssetClass.FX),
        ("USDZAR", "fx", "CLOSE", AssetClass.FX_EMERGING),
        ("EURTRY_1H", "fx", "OPEN", AssetClass.FX_EMERGING),
        ("SPX", "index", "OPEN", AssetClass.INDEX),
        ("BTCUSD", "crypto", "OPEN", AssetClass.CRYPTO),
    ],
)
def test_the_cost_preset_follows_class_price_and_currency(symbol, asset_class, exec_price, preset):
    row = ManifestRow(symbol, asset_class, "1d", exec_price, Path("x"))

    assert row.preset is preset


@pytest.mark.parametrize(
    ("sums", "words"),
    [
        ("", "lists no file"),
        ("abc  x.csv", "line 1 of SHA256SUMS is not"),
        (f"{'a' * 64}  ../x.csv", "line 1 of SHA256SUMS is not"),
        (f"{'a' * 64}  x.csv", "x.csv of SHA256SUMS is missing"),
    ],
)
def test_a_list_of_checksums_that_cannot_be_trusted_is_refused(tmp_path, sums, words):
    (tmp_path / "SHA256SUMS").write_text(sums)

    with pytest.raises(FolderRefused, match=words):
        folder_read(tmp_path, now=NOW, progress=silent)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FolderRefused, match="There is no folder"):
        folder_read(tmp_path / "nowhere", now=NOW, progress=silent)


def folder_of(path, manifest, name="XYZ.csv"):
    """Lay out a folder whose check sums are right, whatever its manifest says."""
    (path / "manifest.csv").write_bytes(manifest)
    (path / name).write_text(
        "timestamp,open,high,low,close,volume\n2020-01-02,1,2,1,2,0\n2020-01-03,2,2,1,1,0\n"
    )
    sums = (f"{sha256((path / n).read_bytes()).hexdigest()}  {n}\n" for n in (name, "manifest.csv"))
    (path / "SHA256SUMS").write_text("".join(sums))
    return path


HEAD = b"symbol,asset_class,frequency,exec_price,tradable,note\n"


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (HEAD + b"XYZ,equity,1d,open,1,caf\xe9\n", r"line 2 of manifest.csv is not UTF-8 .*0xe9"),
        (HEAD.decode().encode("utf-16"), r"line 1 of manifest.csv is not UTF-8 .*0xff"),
        (HEAD.replace(b",", b";"), "manifest.csv has no column symbol.*semicolons: use commas"),
        (HEAD + b"XYZ,equity,2d,open,1,\n", r"line 2 of .*XYZ has frequency '2d'; known are 1m"),
        (HEAD + b"XYZ,equity,1d,vwap,1,\n", r"XYZ has exec_price 'vwap'; known are close, open"),
        (HEAD + b"XYZ,equity,1d,open,maybe,\n", r"XYZ has tradable 'maybe'; known are 0, 1"),
        (HEAD + b"XYZ,bond,1d,open,1,\n", r"line 2 of manifest.csv: XYZ has asset class 'bond'"),
        (HEAD + b"\n,equity,1d,open,1,\n", r"line 3 of manifest.csv names no symbol"),
        (HEAD + b'XYZ,"equity,1d\n', "manifest.csv is not readable as CSV: unexpected end"),
    ],
)
def test_a_manifest_that_cannot_be_taken_at_its_word_is_refused(tmp_path, manifest, words):
    path = folder_of(tmp_path, manifest)

    with pytest.raises(FolderRefused, match=words):
        folder_read(path, now=NOW, progress=silent)


def test_checksums_that_are_not_utf_8_are_refused(tmp_path):
    (tmp_path / "SHA256SUMS").write_text("a" * 64 + "  x.csv", encoding="utf-16")

    with pytest.raises(FolderRefused, match="line 1 of SHA256SUMS is not UTF-8 text"):
        folder_read(tmp_path, now=NOW, progress=silent)


@pytest.mark.parametrize("row", [b"XYZ,equity,daily,,,", b"XYZ , Equity ,1D,Open,YES", b"XYZ,etf,"])
def test_a_manifest_may_leave_out_what_has_a_usual_meaning(tmp_path, row):
    path = folder_of(tmp_path, b"\xef\xbb\xbf" + HEAD.replace(b"\n", b"\r\n") + row)

    (only,) = folder_read(path, now=NOW, progress=silent).instruments

    assert (only.symbol, only.bars.timeframe, only.bars.exec_price) == ("XYZ", "1d", "OPEN")
