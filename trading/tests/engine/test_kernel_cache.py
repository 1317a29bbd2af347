"""Compiled code is made again once anything it was made from has changed."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import pytest
from numba.core.caching import IndexDataCacheFile

from trading.engine.kernel_cache import (
    ROOT,
    KernelMissing,
    compile_elsewhere,
    compile_here,
    source_stamp,
)
from trading.engine.kernels import kernel
from trading.engine.rich import simulate_rules_nb

MODULES = {
    "kernels": "",
    "rules": "from trading.engine.kernels import kernel\nLIMIT = 1.0\n",
    "loops": "from trading.engine import (\n    rules,\n)\n",
    "costs": "import math\n",
}


def written(root: Path, **changed: str) -> Path:
    """Write a small engine and return the file whose stamp is asked for."""
    engine = root / "trading" / "engine"
    engine.mkdir(parents=True)
    for name, text in {**MODULES, **changed}.items():
        (engine / f"{name}.py").write_text(text)
    return engine / "loops.py"


def stamp_of(root: Path, **changed: str) -> bytes:
    return source_stamp(written(root, **changed), root)


def test_a_stamp_is_that_of_the_contents_wherever_they_lie(tmp_path: Path) -> None:
    assert stamp_of(tmp_path / "here") == stamp_of(tmp_path / "there")


@pytest.mark.parametrize("module", ["loops", "rules", "kernels"])
def test_a_stamp_changes_with_every_file_a_kernel_is_built_on(tmp_path: Path, module: str) -> None:
    changed = {module: MODULES[module] + "# another\n"}

    assert stamp_of(tmp_path / "before") != stamp_of(tmp_path / "after", **changed)


def test_a_stamp_keeps_when_a_file_changes_that_is_not_imported(tmp_path: Path) -> None:
    assert stamp_of(tmp_path / "before") == stamp_of(tmp_path / "after", costs="import cmath\n")


def test_numba_compares_the_stamp_of_all_the_engine_files_of_a_kernel() -> None:
    index = simulate_rules_nb._cache._cache_file  # type: ignore[attr-defined]

    assert index._source_stamp == source_stamp(ROOT / "trading" / "engine" / "rich.py")


@pytest.mark.slow
def test_a_changed_constant_of_another_file_reaches_code_compiled_before(tmp_path: Path) -> None:
    package = tmp_path / "trading" / "engine"
    package.mkdir(parents=True)
    for name in ("kernel_cache.py", "kernels.py"):
        (package / name).write_text((ROOT / "trading" / "engine" / name).read_text())
    (package / "loops.py").write_text(
        "from trading.engine.kernels import kernel\nfrom trading.engine.rules import LIMIT\n"
        "@kernel\ndef limit_nb(x):\n    return x + LIMIT\n"
    )
    answers = []
    for limit in (1.0, 2.0):
        (package / "rules.py").write_text(f"LIMIT = {limit}\n")
        answers.append(_asked(tmp_path))

    assert answers == ["1.0 0", "2.0 0"]
    assert _asked(tmp_path) == "2.0 1"


def _asked(root: Path) -> str:
    """Ask in a process of its own: the answer, and how often it came from the cache."""
    ask = (
        "from trading.engine.loops import limit_nb\n"
        "print(limit_nb(0.0), sum(limit_nb.stats.cache_hits.values()))"
    )
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("NUMBA_CACHE_DIR", None)
    answer = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.strip()


def doubled(x: float) -> float:
    return 2.0 * x


@pytest.mark.slow
def test_a_process_that_leaves_compiling_to_others_loads_what_they_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    compile_elsewhere()
    try:
        with pytest.raises(KernelMissing, match="doubled is not compiled yet") as missing:
            kernel(doubled)(1.5)
        assert list(tmp_path.rglob("*.nbc")) == []
        compile_here()
        kernel(doubled).compile(missing.value.signature)
        compile_elsewhere()
        compile_elsewhere()

        assert kernel(doubled)(1.5) == 3.0
    finally:
        compile_here()


def cache_file(folder: Path) -> IndexDataCacheFile:
    found = IndexDataCacheFile(str(folder), "kernel", b"stamp")
    found.__class__ = type(simulate_rules_nb._cache._cache_file)  # type: ignore[attr-defined]
    return found


def test_signatures_written_at_the_same_time_keep_their_own_code(tmp_path: Path) -> None:
    start = threading.Barrier(6)

    def write(n: int) -> None:
        start.wait(60)
        for k in range(4):
            cache_file(tmp_path).save((n, k), f"code of {n} {k}")

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(write, range(6)))

    for n in range(6):
        for k in range(4):
            assert cache_file(tmp_path).load((n, k)) == f"code of {n} {k}"


def test_a_disk_that_is_full_leaves_no_name_without_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(value: object) -> bytes:
        if isinstance(value, str):
            raise OSError("no space left on device")
        return pickle.dumps(value)

    file = cache_file(tmp_path)
    monkeypatch.setattr(file, "_dump", written)

    with pytest.raises(OSError, match="no space left"):
        file.save("key", "code")

    assert cache_file(tmp_path)._load_index() == {}
