"""Read a folder of bars with its manifest, after checking every byte against SHA256SUMS."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from marketdata.providers.base import ProviderRejected
from marketdata.providers.folders import timeframe_of
from marketdata.types import TIMEFRAME_SECONDS
from trading.engine.evidence.instruments import EvidenceInstrument, prepare
from trading.engine.types import AssetClass
from trading.services.backtests.files import bars_from_file
from trading.services.evidence.manifests import (
    EXEC_PRICES,
    MANIFEST,
    TRADABLE,
    FolderRefused,
    ManifestLine,
    manifest_lines,
    text_of,
)

CHECKSUMS = "SHA256SUMS"
SUFFIXES = (".csv.gz", ".csv", ".parquet")
CHUNK_BYTES = 1 << 20

PRESETS = {
    "equity": AssetClass.EQUITY,
    "equity_close": AssetClass.EQUITY_CLOSE,
    "etf": AssetClass.ETF,
    "index": AssetClass.INDEX,
    "fx": AssetClass.FX,
    "fx_emerging": AssetClass.FX_EMERGING,
    "commodity": AssetClass.COMMODITY,
    "crypto": AssetClass.CRYPTO,
}
# Currencies whose spread is the emerging one where the manifest only says "fx".
EMERGING_CURRENCIES = frozenset(
    ("ARS", "BRL", "CLP", "CNH", "CNY", "COP", "CZK", "EGP", "HUF", "IDR", "ILS", "INR", "KRW",
     "MXN", "MYR", "NGN", "PEN", "PHP", "PLN", "RON", "RUB", "THB", "TRY", "TWD", "UAH", "VND",
     "ZAR")
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceFolder:
    """Instruments of one folder; `sha256` identifies its checksums, hence every byte."""

    name: str
    sha256: str
    instruments: tuple[EvidenceInstrument, ...]
    left_out: tuple[str, ...]
    n_bars: int


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One line of the manifest that is to be read."""

    symbol: str
    asset_class: str
    frequency: str
    exec_price: str
    path: Path

    @property
    def preset(self) -> AssetClass:
        """Cost preset of the class, the price orders meet and, for currencies, the pair."""
        preset = PRESETS[self.asset_class]
        if preset is AssetClass.EQUITY and self.exec_price == "CLOSE":
            return AssetClass.EQUITY_CLOSE
        pair = self.symbol.upper().split("_")[0]
        if preset is AssetClass.FX and {pair[:3], pair[3:6]} & EMERGING_CURRENCIES:
            return AssetClass.FX_EMERGING
        return preset


def folder_read(
    path: Path, *, now: dt.datetime, progress: Callable[[float, str], None]
) -> EvidenceFolder:
    """Check and read a folder; raises FolderRefused or FileRefused for the first thing wrong."""
    sums = _checked_sums(path)
    rows, left_out = _manifest(path, sums)
    instruments = []
    for k, row in enumerate(rows):
        progress(k / len(rows), f"Reading {row.symbol}")
        instruments.append(_instrument(row, now))
    return EvidenceFolder(
        name=path.name,
        sha256=_digest(path / CHECKSUMS),
        instruments=tuple(instruments),
        left_out=tuple(left_out),
        n_bars=sum(len(each.bars) for each in instruments),
    )


def _instrument(row: ManifestRow, now: dt.datetime) -> EvidenceInstrument:
    bars = bars_from_file(
        path=row.path,
        symbol=row.symbol,
        timeframe=row.frequency,
        exec_price=row.exec_price,
        now=now,
    )
    return prepare(bars, asset_class=row.asset_class, preset=row.preset, symbol=row.symbol)


def _checked_sums(path: Path) -> dict[str, str]:
    """Compare every listed file with its checksum."""
    if not path.is_dir():
        raise FolderRefused("FOLDER_MISSING", f"There is no folder {path}.", field="data")
    if not (path / CHECKSUMS).is_file():
        raise FolderRefused("CHECKSUMS_MISSING", f"{path} has no {CHECKSUMS}.", field="data")
    sums = dict(_sum_lines(path / CHECKSUMS))
    if not sums:
        raise FolderRefused("CHECKSUMS_EMPTY", f"{path / CHECKSUMS} lists no file.", field="data")
    for name, expected in sums.items():
        if not (path / name).is_file():
            raise FolderRefused("FILE_MISSING", f"{name} of {CHECKSUMS} is missing.", field="data")
        found = _digest(path / name)
        if found != expected:
            raise FolderRefused(
                "CHECKSUM_DIFFERS",
                f"{name} has SHA-256 {found[:12]}…, {CHECKSUMS} says {expected[:12]}….",
                field="data",
            )
    return sums


def _sum_lines(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text_of(path).splitlines(), 1):
        if not line.strip():
            continue
        digest, _, name = line.partition(" ")
        name = name.strip().lstrip("*").removeprefix("./")
        is_digest = len(digest) == 64 and all(c in "0123456789abcdef" for c in digest.lower())
        if not is_digest or not name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise FolderRefused(
                "CHECKSUMS_UNREADABLE",
                f"line {number} of {path.name} is not “sha256  file”: {line[:80]!r}.",
                field="data",
            )
        yield name, digest.lower()


def _manifest(path: Path, sums: dict[str, str]) -> tuple[list[ManifestRow], list[str]]:
    if not (path / MANIFEST).is_file():
        raise FolderRefused("MANIFEST_MISSING", f"{path} has no {MANIFEST}.", field="data")
    if MANIFEST not in sums:
        raise FolderRefused(
            "MANIFEST_UNLISTED",
            f"{CHECKSUMS} does not list {MANIFEST}, which says what each file costs to trade.",
            field="data",
        )
    rows, left_out = [], []
    for line in manifest_lines(path / MANIFEST):
        if line.meaning("tradable", TRADABLE):
            rows.append(_row(path, sums, line))
        else:
            left_out.append(line.symbol)
    twice = [symbol for symbol, n in Counter(row.symbol for row in rows).items() if n > 1]
    if twice:
        raise FolderRefused(
            "SYMBOL_TWICE", f"{MANIFEST} names {twice[0]} more than once.", field="data"
        )
    if not rows:
        raise FolderRefused("MANIFEST_EMPTY", f"{MANIFEST} names nothing tradable.", field="data")
    return rows, left_out


def _row(path: Path, sums: dict[str, str], line: ManifestLine) -> ManifestRow:
    asset_class = line.text("asset_class")
    if asset_class not in PRESETS:
        known = ", ".join(sorted(PRESETS))
        raise line.refused(
            "ASSET_CLASS_UNKNOWN", f"has asset class {asset_class!r}; costs are known for {known}"
        )
    names = [f"{line.symbol}{suffix}" for suffix in SUFFIXES]
    name = next((name for name in names if name in sums), None)
    if name is None:
        raise FolderRefused(
            "FILE_UNLISTED",
            f"{CHECKSUMS} lists no file of {line.symbol}: none of {', '.join(names)}.",
            field="data",
        )
    return ManifestRow(
        symbol=line.symbol,
        asset_class=asset_class,
        frequency=_frequency(line),
        exec_price=line.meaning("exec_price", EXEC_PRICES),
        path=path / name,
    )


def _frequency(line: ManifestLine) -> str:
    """Return the timeframe a line names; empty leaves it to the distance between rows."""
    text = line.text("frequency")
    try:
        return timeframe_of(text) if text else ""
    except ProviderRejected:
        known = ", ".join(TIMEFRAME_SECONDS)
        reason = f"has frequency {text[:20]!r}; known are {known}"
        raise line.refused("FREQUENCY_UNKNOWN", reason) from None


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
