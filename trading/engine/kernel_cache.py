"""Compiled code on disk: when it is stale, how it is written, and who may compile at all.

INPUT    the source file of a kernel
OUTPUT   a stamp of that file and of every engine file it imports, directly or not
LOOKBACK none

numba compares only the file a kernel stands in. But a kernel also holds what it calls from other
files, written out or linked, and their constants; after an update old rules would go on trading
from the cache. numba lets a project name its own classes for this, see NUMBA_CACHE_LOCATOR_CLASSES.

Several processes compile into one directory. numba gives two signatures that are written at the
same time one name, and says that a file is fresh before it has written it: either way a process
may run another code than it asked for. Here they are written one after the other, the code first.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import re
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import event
from numba.core.caching import (
    IndexDataCacheFile,
    InTreeCacheLocator,
    UserProvidedCacheLocator,
    UserWideCacheLocator,
)

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


class KernelMissing(Exception):
    """A kernel is not compiled yet, in a process that leaves compiling to others.

    `module` and `name` say which, `signature` holds numba's types of its arguments. It is no
    EngineError: nothing is wrong with what was asked.
    """

    def __init__(self, module: str, name: str, signature: tuple[Any, ...]) -> None:
        super().__init__(f"{module}.{name} is not compiled yet")
        self.module = module
        self.name = name
        self.signature = signature


class _Refusal(event.Listener):
    """Hears of each kernel that was not found in the cache, before it is compiled."""

    is_registered = False

    def on_start(self, event: Any) -> None:
        function = event.data["dispatcher"].py_func
        raise KernelMissing(function.__module__, function.__qualname__, tuple(event.data["args"]))

    def on_end(self, event: Any) -> None:
        """Nothing was begun."""


_refusal = _Refusal()


def compile_elsewhere() -> None:
    """Let this process load compiled kernels and never compile one; it raises KernelMissing."""
    if not _refusal.is_registered:
        event.register("numba:compile", _refusal)
        _refusal.is_registered = True


def compile_here() -> None:
    """Let this process compile what it misses, as it does from the start."""
    if _refusal.is_registered:
        event.unregister("numba:compile", _refusal)
        _refusal.is_registered = False


class _OneAfterTheOther(IndexDataCacheFile):
    """Files of one kernel, written by one process at a time and named once they are there."""

    def save(self, key: Any, data: Any) -> None:
        """Write the code, then the index that says for what it is."""
        with Path(f"{self._index_path}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            overloads = self._load_index()
            taken = set(overloads.values())
            free = (self._data_name(n) for n in itertools.count(1))
            name = overloads.get(key) or next(one for one in free if one not in taken)
            self._save_data(name, data)
            self._save_index({**overloads, key: name})


def written_in_turn(dispatcher: Any) -> Any:
    """Let several processes keep the code of a compiled function in one directory."""
    if hasattr(dispatcher, "_cache"):  # numba leaves functions alone where it is switched off
        dispatcher._cache._cache_file.__class__ = _OneAfterTheOther
    return dispatcher
