"""Folders of bars: presets of the manifest's classes, and lists that cannot be read."""

from __future__ import annotations

import datetime as dt
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
