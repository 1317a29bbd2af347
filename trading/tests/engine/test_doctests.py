"""Every example in the engine's docstrings runs."""

import doctest
import importlib
import linecache
import pkgutil
from pathlib import Path

import pytest

import marketdata.types
import trading.engine

MODULES = ["marketdata.types"] + [
    found.name
    for found in pkgutil.walk_packages(trading.engine.__path__, prefix="trading.engine.")
    if ">>>" in Path(found.module_finder.find_spec(found.name).origin).read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_the_module_run(name):
    # Each example asks of every file in this cache whether it changed: hundreds, left to grow.
    linecache.clearcache()

    failed, _ = doctest.testmod(importlib.import_module(name))

    assert failed == 0


def test_the_engine_has_examples():
    assert doctest.testmod(marketdata.types).attempted > 0
    assert len(MODULES) > 40
