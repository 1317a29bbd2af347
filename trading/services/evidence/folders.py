"""Read a folder of bars with its manifest, after checking every byte against SHA256SUMS."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from elson.common.errors import DomainError
from trading.engine.evidence.instruments import EvidenceInstrument, prepare
from trading.engine.types import AssetClass
from trading.services.backtests.files import bars_from_file

CHECKSUMS = "SHA256SUMS"
MANIFEST = "manifest.csv"
NEEDED_COLUMNS = ("symbol", "asset_class", "frequency")
SUFFIXES = (".csv.gz", ".csv", ".parquet")
CHUNK_BYTES = 1 << 20
NOT_TRADABLE = frozenset({"0", "false", "no"})

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


class FolderRefused(DomainError):
    """A folder cannot be used; the sentence names the file and what is wrong with it."""

    title = "The folder cannot be used"


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
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
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
    with (path / MANIFEST).open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in NEEDED_COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise FolderRefused(
                "MANIFEST_COLUMNS", f"{MANIFEST} has no column {', '.join(missing)}.", field="data"
            )
        lines = list(reader)
    rows, left_out = [], []
    for line in lines:
        symbol = (line["symbol"] or "").strip()
        if (line.get("tradable") or "1").strip().lower() in NOT_TRADABLE:
            left_out.append(symbol)
        else:
            rows.append(_row(path, sums, symbol, line))
    twice = [symbol for symbol, n in Counter(row.symbol for row in rows).items() if n > 1]
    if twice:
        raise FolderRefused(
            "SYMBOL_TWICE", f"{MANIFEST} names {twice[0]} more than once.", field="data"
        )
    if not rows:
        raise FolderRefused("MANIFEST_EMPTY", f"{MANIFEST} names nothing tradable.", field="data")
    return rows, left_out


def _row(path: Path, sums: dict[str, str], symbol: str, line: dict[str, str]) -> ManifestRow:
    asset_class = (line["asset_class"] or "").strip().lower()
    if asset_class not in PRESETS:
        known = ", ".join(sorted(PRESETS))
        raise FolderRefused(
            "ASSET_CLASS_UNKNOWN",
            f"{symbol} has asset class {asset_class!r}; costs are known for {known}.",
            field="data",
        )
    names = [f"{symbol}{suffix}" for suffix in SUFFIXES]
    name = next((name for name in names if name in sums), None)
    if name is None:
        raise FolderRefused(
            "FILE_UNLISTED",
            f"{CHECKSUMS} lists no file of {symbol}: none of {', '.join(names)}.",
            field="data",
        )
    exec_price = (line.get("exec_price") or "open").strip().upper()
    return ManifestRow(
        symbol=symbol,
        asset_class=asset_class,
        frequency=(line["frequency"] or "").strip(),
        exec_price="CLOSE" if exec_price == "CLOSE" else "OPEN",
        path=path / name,
    )


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
