"""Lines of a folder's `manifest.csv` as text, and the words its cells may hold."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elson.common.errors import DomainError

MANIFEST = "manifest.csv"
NEEDED_COLUMNS = ("symbol", "asset_class", "frequency")
TRADABLE = {"": True, "1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
EXEC_PRICES = {"": "OPEN", "open": "OPEN", "close": "CLOSE"}


class FolderRefused(DomainError):
    """A folder cannot be used; the sentence names the file and what is wrong with it."""

    title = "The folder cannot be used"


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """One line below the header; `number` counts lines as an editor does."""

    number: int
    cells: Mapping[str, str]

    @property
    def symbol(self) -> str:
        """Name of the line's instrument."""
        return self.cells["symbol"]

    def text(self, column: str) -> str:
        """Return a cell in small letters; empty where the manifest has no such column."""
        return self.cells.get(column, "").lower()

    def meaning(self, column: str, known: Mapping[str, Any]) -> Any:
        """Return what a cell stands for; raises FolderRefused for a word that is not known."""
        text = self.text(column)
        if text not in known:
            words = ", ".join(word for word in sorted(known) if word)
            raise self.refused("MANIFEST_CELL", f"has {column} {text[:40]!r}; known are {words}")
        return known[text]

    def refused(self, code: str, reason: str) -> FolderRefused:
        """Say what is wrong with this line."""
        return FolderRefused(
            code, f"line {self.number} of {MANIFEST}: {self.symbol} {reason}.", field="data"
        )


def manifest_lines(path: Path) -> Iterator[ManifestLine]:
    """Go through the lines below the header; raises FolderRefused naming what cannot be read."""
    reader = csv.DictReader(text_of(path).splitlines(keepends=True), strict=True)
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        _refuse_missing_columns(names)
        for cells in reader:
            line = ManifestLine(
                reader.line_num, {name: (cells[name] or "").strip() for name in names}
            )
            if not line.symbol:
                raise FolderRefused(
                    "MANIFEST_SYMBOL",
                    f"line {line.number} of {MANIFEST} names no symbol.",
                    field="data",
                )
            yield line
    except csv.Error as error:
        raise FolderRefused(
            "MANIFEST_UNREADABLE", f"{MANIFEST} is not readable as CSV: {error}.", field="data"
        ) from error


def text_of(path: Path) -> str:
    """Read a small text file; raises FolderRefused naming the byte that is no UTF-8."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise FolderRefused(
            "NOT_UTF8",
            f"line {number} of {path.name} is not UTF-8 text "
            f"(byte {data[error.start]:#04x}): save it as UTF-8.",
            field="data",
        ) from error


def _refuse_missing_columns(names: list[str]) -> None:
    missing = [name for name in NEEDED_COLUMNS if name not in names]
    if not missing:
        return
    hint = " It separates its columns by semicolons: use commas." if ";" in "".join(names) else ""
    raise FolderRefused(
        "MANIFEST_COLUMNS",
        f"{MANIFEST} has no column {', '.join(missing)}.{hint}",
        field="data",
    )
