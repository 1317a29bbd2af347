"""When compiled code on disk is stale: once any engine file it was made from has changed.

INPUT    the source file of a kernel
OUTPUT   a stamp of that file and of every engine file it imports, directly or not
LOOKBACK none

numba compares only the file a kernel stands in. But a kernel also holds what it calls from other
files, written out or linked, and their constants; after an update old rules would go on trading
from the cache. numba lets a project name its own classes for this, see NUMBA_CACHE_LOCATOR_CLASSES.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

import numba
from numba.core.caching import InTreeCacheLocator, UserProvidedCacheLocator, UserWideCacheLocator

ROOT = Path(__file__).parents[2]
_IMPORT = re.compile(r"^\s*from (trading\.engine[\w.]*) import (\([^)]*\)|[^\n]+)", re.MULTILINE)


@cache
def source_stamp(path: Path, root: Path = ROOT) -> bytes:
    """Return a hash that changes with a file or with an engine file it is built on.

    Parameters
    ----------
    path : Path
        Source file of a kernel, in the engine or of a developer's own strategy.
    root : Path
        Where the package ``trading`` lies.

    Returns
    -------
    bytes
        SHA-256 over the contents, the same wherever the project lies.
    """
    found = {path}
    waiting = [path]
    while waiting:
        for imported in _imported(waiting.pop(), root) - found:
            found.add(imported)
            waiting.append(imported)
    digests = sorted(_digest(file) for file in found)
    return hashlib.sha256(b"".join(digests)).digest()


@cache
def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


@cache
def _imported(path: Path, root: Path) -> frozenset[Path]:
    """Return the engine files whose names a file imports; packages count with their own file."""
    found: set[Path] = set()
    for package, names in _IMPORT.findall(path.read_text(encoding="utf-8", errors="replace")):
        place = root.joinpath(*package.split("."))
        candidates = [place.with_suffix(".py"), place / "__init__.py"]
        candidates += [place / f"{name}.py" for name in re.findall(r"\w+", names)]
        found.update(file for file in candidates if file.is_file())
    return frozenset(found)


class _Stamped:
    """Compare everything a kernel was made from; where the code is kept stays numba's choice."""

    _py_file: str

    def get_source_stamp(self) -> bytes:
        return source_stamp(Path(self._py_file))


class ProvidedDirectory(_Stamped, UserProvidedCacheLocator):
    """NUMBA_CACHE_DIR, where it is set."""


class BesideSource(_Stamped, InTreeCacheLocator):
    """``__pycache__``, where it can be written."""


class OfUser(_Stamped, UserWideCacheLocator):
    """The user's own cache directory otherwise."""


def stamps_use() -> None:
    """Let numba ask these classes first; code typed by hand or zipped stays numba's business."""
    ours = [
        f"{place.__module__}.{place.__name__}"
        for place in (ProvidedDirectory, BesideSource, OfUser)
    ]
    numba.config.CACHE_LOCATOR_CLASSES = ",".join([*ours, "IPythonCacheLocator", "ZipCacheLocator"])  # type: ignore[attr-defined]
