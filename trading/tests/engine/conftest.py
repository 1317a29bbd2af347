"""What the engine's tests need around them: a place for compiled code, and two numbers of examples.

They run without Django (pytest.toml beside this file), and with everything else in `make test`.
"""

import gc
import os
from pathlib import Path

from hypothesis import settings

# The places of elson.tests.environment, before NumPy and numba are imported and read them once.
KERNELS = Path(__file__).parents[3] / "var" / "test" / "numba"
os.environ.setdefault("NUMBA_CACHE_DIR", str(KERNELS))
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What is imported and collected stays: looking for garbage among it finds nothing.
gc.disable()

# The same few examples every time; `make test` draws all of a law's own.
settings.register_profile("quick", max_examples=6, deadline=None, derandomize=True)


def pytest_collection_finish() -> None:
    """Keep what is imported out of the garbage collector's sight from here on."""
    gc.freeze()
    gc.enable()
