"""Real prices that installed packages carry: no network, no account, read where they lie.

Sources (read 2026-11): arch 8.0.0 (NCSA; upstream Yahoo and FRED, 1986 to 2019) and skfolio 1.12.2
(BSD-3; S&P 500 stocks 1990 to 2022, factor ETFs 2014 to 2022). The packages are found by their
installation records and never imported: importing skfolio would cost seconds.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import hashlib
import importlib.metadata
import io
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np

from marketdata.providers.base import (
    InstrumentSpec,
    Progress,
    ProviderProtocolError,
    ProviderUnavailable,
    RawBars,
    SeriesOffer,
)

ARCH = "arch"
SKFOLIO = "skfolio"
MISSING = ("", ".")  # FRED writes a point on days without a value
INSTALL = "pip install -r requirements-data.txt"
LICENCES = {ARCH: "NCSA (package); upstream Yahoo/FRED", SKFOLIO: "BSD-3-Clause (package)"}
STOCK_NAMES = {
    "AAPL": "Apple", "AMD": "Advanced Micro Devices", "BAC": "Bank of America", "BBY": "Best Buy",
    "CVX": "Chevron", "GE": "General Electric", "HD": "Home Depot", "JNJ": "Johnson & Johnson",
    "JPM": "JPMorgan Chase", "KO": "Coca-Cola", "LLY": "Eli Lilly", "MRK": "Merck",
    "MSFT": "Microsoft", "PEP": "PepsiCo", "PFE": "Pfizer", "PG": "Procter & Gamble",
    "RRC": "Range Resources", "UNH": "UnitedHealth", "WMT": "Walmart", "XOM": "Exxon Mobil",
}  # fmt: skip
FACTOR_NAMES = {
    "MTUM": "Momentum factor ETF", "QUAL": "Quality factor ETF", "SIZE": "Size factor ETF",
    "USMV": "Minimum volatility factor ETF", "VLUE": "Value factor ETF",
}  # fmt: skip
NOTE_INDEX = "Price index; traded here as if a fund without costs followed it."
NOTE_CLOSE_ONLY = "Closes only: orders fill at the next close."


class EmbeddedProvider:
    """Bars of the packages in requirements-data.txt."""

    name = "embedded"

    def offers(self) -> Iterator[SeriesOffer]:
        """List every series; raises ProviderUnavailable naming the package that is missing."""
        yield _arch_ohlcv("SPX", "S&P 500", "sp500/sp500.csv.gz", "XNYS")
        yield _arch_ohlcv("NASDAQ", "Nasdaq Composite", "nasdaq/nasdaq.csv.gz", "XNAS")
        yield from _skfolio_stocks()
        yield from _skfolio_factors()
        yield _skfolio_index()
        yield _arch_closes("VIX", "CBOE Volatility Index", "vix/vix.csv.gz", "vix", "REFERENCE")
        yield _arch_closes(
            "WTI", "Crude oil, WTI spot", "wti/wti.csv.gz", "DCOILWTICO", "COMMODITY"
        )


def _arch_ohlcv(symbol: str, name: str, file: str, venue: str) -> SeriesOffer:
    spec = InstrumentSpec(
        symbol=symbol, name=name, venue=venue, asset_class="INDEX", source=_source_of(ARCH),
        licence=LICENCES[ARCH], adjustment="none (index)", note=NOTE_INDEX,
    )  # fmt: skip
    columns = ("Open", "High", "Low", "Close", "Volume")
    return _offer(spec, ARCH, f"arch/data/{file}", columns)


def _arch_closes(symbol: str, name: str, file: str, column: str, asset_class: str) -> SeriesOffer:
    spec = InstrumentSpec(
        symbol=symbol, name=name, venue="XNYS" if asset_class == "REFERENCE" else "COMM",
        asset_class=asset_class, is_tradable=False, is_close_only=True, source=_source_of(ARCH),
        licence=LICENCES[ARCH], adjustment="none", note="Reference only; closes only.",
    )  # fmt: skip
    return _offer(spec, ARCH, f"arch/data/{file}", (column,))


def _skfolio_stocks() -> Iterator[SeriesOffer]:
    for symbol, name in STOCK_NAMES.items():
        yield _skfolio_closes(symbol, name, "EQUITY", "sp500_dataset.csv.gz", symbol)


def _skfolio_factors() -> Iterator[SeriesOffer]:
    for symbol, name in FACTOR_NAMES.items():
        yield _skfolio_closes(symbol, name, "ETF", "factors_dataset.csv.gz", symbol)


def _skfolio_index() -> SeriesOffer:
    return _skfolio_closes(
        "SPX_C", "S&P 500, closes since 1990", "INDEX", "sp500_index.csv.gz", "SP500"
    )


def _skfolio_closes(
    symbol: str, name: str, asset_class: str, file: str, column: str
) -> SeriesOffer:
    spec = InstrumentSpec(
        symbol=symbol, name=name, asset_class=asset_class, is_close_only=True,
        source=_source_of(SKFOLIO), licence=LICENCES[SKFOLIO],
        adjustment="none (index)" if asset_class == "INDEX" else "splits and dividends",
        note=NOTE_CLOSE_ONLY,
    )  # fmt: skip
    return _offer(spec, SKFOLIO, f"skfolio/datasets/data/{file}", (column,))


def _offer(spec: InstrumentSpec, package: str, file: str, columns: tuple[str, ...]) -> SeriesOffer:
    path = _locate(package, file)

    def load(progress: Progress) -> RawBars:
        raw = _load(path, columns)
        progress(raw.n_rows, raw.n_rows)
        return raw

    return SeriesOffer(
        spec=spec, timeframe="1d", source=f"{_source_of(package)}: {Path(file).name}",
        sha256=_hash_of(path, columns), load=load,
    )  # fmt: skip


def _hash_of(path: Path, columns: tuple[str, ...]) -> Callable[[], str]:
    def digest() -> str:
        return hashlib.sha256(_bytes_of(path) + ",".join(columns).encode()).hexdigest()

    return digest


@cache
def _source_of(package: str) -> str:
    return f"PyPI {package} {_distribution(package).version}"


@cache
def _distribution(package: str) -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise ProviderUnavailable(f"The package {package} is not installed: {INSTALL}.") from error


def _locate(package: str, file: str) -> Path:
    path = Path(str(_distribution(package).locate_file(file)))
    if not path.is_file():
        raise ProviderProtocolError(
            f"{_source_of(package)} does not carry {file}; another version is needed: {INSTALL}."
        )
    return path


@cache
def _bytes_of(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


@cache
def _table(path: Path) -> dict[str, tuple[str, ...]]:
    reader = csv.reader(io.StringIO(_bytes_of(path).decode("utf-8-sig")))
    header = next(reader)
    return dict(zip(header, zip(*(row for row in reader if row), strict=True), strict=True))


@cache
def _dates(path: Path) -> list[int]:
    return [_day_number(text) for text in _table(path)["Date"]]


def _day_number(text: str) -> int:
    """Days since 1970 of `1999-01-04`, or of arch's own American `1/4/1999`."""
    if "/" in text:
        month, day, year = (int(part) for part in text.split("/"))
        date = dt.date(year, month, day)
    else:
        date = dt.date.fromisoformat(text)
    return date.toordinal() - 719_163


def _load(path: Path, columns: tuple[str, ...]) -> RawBars:
    """Read one series; days without a value (holidays of the source) are not bars."""
    table = _table(path)
    try:
        wanted = [table[column] for column in columns]
    except KeyError as error:
        raise ProviderProtocolError(f"{path.name} has no column {error.args[0]!r}.") from error
    there = [
        i
        for i, text in enumerate(wanted[-1 if len(columns) == 1 else 3])
        if text.strip() not in MISSING
    ]
    values = [np.array([float(column[i]) for i in there], dtype=np.float64) for column in wanted]
    days = _dates(path)
    if len(columns) == 1:
        values = [values[0]] * 4 + [np.zeros(len(there))]
    open_, high, low, close, volume = values
    return RawBars(
        np.array([days[i] for i in there], dtype=np.int64) * 86_400,
        open_,
        high,
        low,
        close,
        volume,
        rows=np.array(there, dtype=np.int64) + 2,
        n_rows=len(there),
    )
