"""Series out of a folder of bar files, with what its manifest and check sums say about them.

INPUT   a folder or a file; optional `manifest.csv` and `SHA256SUMS` beside the files
OUTPUT  one `SeriesOffer` per file
"""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from marketdata.providers.base import (
    VENUE_OF_ASSET_CLASS,
    InstrumentSpec,
    Progress,
    ProviderRejected,
    ProviderUnavailable,
    RawBars,
    SeriesOffer,
)
from marketdata.providers.files import bars_read, file_sha256, hash_joined, is_bars_file, stem_of
from marketdata.types import TIMEFRAME_SECONDS

MANIFEST = "manifest.csv"
CHECKSUMS = "SHA256SUMS"
NO = ("0", "no", "false")
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9.^_=-]{0,23}")
# What manifests call the kinds of things, and whether such a thing is for reference only.
_KINDS = {
    "equity": "EQUITY", "stock": "EQUITY", "equity_close": "EQUITY", "etf": "ETF",
    "index": "INDEX", "index_ref": "REFERENCE", "fx": "FX", "forex": "FX",
    "commodity": "COMMODITY", "commodity_ref": "COMMODITY", "crypto": "CRYPTO",
    "reference": "REFERENCE",
}  # fmt: skip
_TICKS = {"FX": "0.00001", "CRYPTO": "0.00000001", "COMMODITY": "0.0001"}


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the caller knows about the files; empty where a manifest or the name must say it."""

    symbol: str = ""
    timeframe: str = ""
    asset_class: str = ""
    stamps_are: str = "open"
    now: dt.datetime = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def offers_in(path: Path, options: ReadOptions) -> Iterator[SeriesOffer]:
    """List the series of a folder or of one file.

    Raises ProviderUnavailable when there is nothing at the path, ProviderRejected when its manifest
    cannot be understood or the options contradict each other.
    """
    if not path.exists():
        raise ProviderUnavailable(f"There is no file or folder {path}.")
    files = sorted(p for p in path.iterdir() if is_bars_file(p) and p.name != MANIFEST) \
        if path.is_dir() else [path]  # fmt: skip
    if not files:
        raise ProviderUnavailable(f"{path} holds no .csv, .csv.gz or .parquet file.")
    if path.is_file() and not is_bars_file(path):
        raise ProviderRejected(f"{path.name} is no .csv, .csv.gz or .parquet file.")
    if options.symbol and len(files) > 1:
        raise ProviderRejected(f"--symbol names one series; {path} holds {len(files)} files.")
    folder = path if path.is_dir() else path.parent
    manifest, sums = _manifest_of(folder), _checksums_of(folder)
    if path.is_dir():
        _refuse_missing(manifest, files, folder)
    for file in files:
        yield _offer(file, manifest.get(stem_of(file).upper(), {}), sums.get(file.name), options)


def timeframe_of(*texts: str) -> str:
    """Read the first text that is not empty as a timeframe; raises ProviderRejected."""
    text = next((text for text in texts if text), "1d").strip()
    found = {"d": "1d", "day": "1d", "daily": "1d", "h": "1h", "hourly": "1h", "60m": "1h"}.get(
        text.lower(), text.lower()
    )
    if found not in TIMEFRAME_SECONDS:
        known = ", ".join(TIMEFRAME_SECONDS)
        raise ProviderRejected(f"The timeframe {text[:20]!r} is none of {known}.")
    return found


def _offer(
    file: Path, row: dict[str, str], checksum: str | None, options: ReadOptions
) -> SeriesOffer:
    stem = stem_of(file)
    timeframe = timeframe_of(options.timeframe, row.get("frequency", ""), _timeframe_in(stem))
    spec = _spec_of(stem, row, timeframe, options)

    def load(progress: Progress) -> RawBars:
        if checksum is not None and file_sha256(file) != checksum:
            return _refusing(file, f"differs from its check sum in {CHECKSUMS}")
        raw = bars_read(
            file, is_daily=timeframe == "1d", now=options.now, progress=progress,
            shift_seconds=TIMEFRAME_SECONDS[timeframe] if options.stamps_are == "open" else 0,
        )  # fmt: skip
        if (
            raw.symbol
            and raw.symbol.upper() not in (spec.symbol, stem.upper())
            and not options.symbol
        ):
            raw.faults.add(
                None, "symbol", raw.symbol, f"is not {spec.symbol}, as the file is named"
            )
        return raw

    return SeriesOffer(
        spec=spec, timeframe=timeframe, source=file.name, load=load,
        # The meaning of the stamps is part of what was read.
        sha256=lambda: hash_joined(
            file_sha256(file), "" if timeframe == "1d" else options.stamps_are
        ),
    )  # fmt: skip


def _spec_of(
    stem: str, row: dict[str, str], timeframe: str, options: ReadOptions
) -> InstrumentSpec:
    symbol = options.symbol or row.get("symbol") or stem
    symbol = re.sub(rf"[_-]{timeframe}$", "", symbol.strip(), flags=re.IGNORECASE).upper()
    if not _SYMBOL.fullmatch(symbol):
        raise ProviderRejected(
            f"The symbol {symbol[:30]!r} is not usable: 1 to 24 of A-Z, 0-9 and . _ - ^ =; "
            "give one with --symbol."
        )
    kind = _kind_of(options.asset_class or row.get("asset_class", "") or "equity")
    is_close_only = row.get("exec_price", "").lower() == "close"
    spec = InstrumentSpec(
        symbol=symbol, name=row.get("name") or symbol, venue=VENUE_OF_ASSET_CLASS[kind],
        asset_class=kind, tick_size=_TICKS.get(kind, "0.01"), is_close_only=is_close_only,
        is_tradable=kind != "REFERENCE" and row.get("tradable", "1").strip().lower() not in NO,
    )  # fmt: skip
    return replace(
        spec,
        source=row.get("source") or f"imported file {stem}",
        licence=row.get("licence", ""),
        adjustment=row.get("adjustment", ""),
        note=row.get("note", ""),
    )


def _kind_of(text: str) -> str:
    found = _KINDS.get(text.strip().lower())
    if found is None:
        known = ", ".join(sorted(set(_KINDS.values())))
        raise ProviderRejected(f"The asset class {text[:20]!r} is none of {known}.")
    return found


def _timeframe_in(stem: str) -> str:
    match = re.search(r"[_-](1m|5m|15m|1h|1d)$", stem, flags=re.IGNORECASE)
    return match[1] if match else ""


def _refusing(file: Path, reason: str) -> RawBars:
    raw = RawBars.empty()
    raw.faults.add(None, None, file.name, reason)
    return raw


def _manifest_of(folder: Path) -> dict[str, dict[str, str]]:
    """Rows of the manifest by upper-case file stem; nothing when there is none."""
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ProviderRejected(f"{MANIFEST} is not readable as CSV UTF-8: {error}.") from error
    if rows and "symbol" not in rows[0]:
        raise ProviderRejected(f"{MANIFEST} has no column symbol.")
    return {
        row["symbol"].strip().upper(): {k: v or "" for k, v in row.items() if isinstance(k, str)}
        for row in rows
        if row.get("symbol")
    }


def _checksums_of(folder: Path) -> dict[str, str]:
    path = folder / CHECKSUMS
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = (line.split(maxsplit=1) for line in lines if line.strip())
    return {pair[1].lstrip("*./"): pair[0].lower() for pair in pairs if len(pair) == 2}


def _refuse_missing(manifest: dict[str, dict[str, str]], files: list[Path], folder: Path) -> None:
    missing = sorted(set(manifest) - {stem_of(file).upper() for file in files})
    if missing:
        shown = ", ".join(missing[:5])
        raise ProviderRejected(
            f"{MANIFEST} names {len(missing)} symbols without a file in {folder.name}: {shown}."
        )
