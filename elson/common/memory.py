"""Memory that a process gives back and takes again, and what its garbage collector looks at."""

from __future__ import annotations

import ctypes
import gc
import sys

# Parameters of mallopt(3), and what they are set to.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 64 * 1024 * 1024
LARGEST_BYTES = 32 * 1024 * 1024


def freed_memory_keep() -> bool:
    """Let the process keep up to 64 MB of what it frees; return whether its C library can.

    Arrays of a few hundred kilobytes otherwise go back to the system after every backtest, and the
    next one pays for each page again: a quarter of a short run.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST_BYTES) and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))


class LoadedModules:
    """Keeps what a process has loaded out of its garbage collections.

    A full collection looks at every object there is. With the libraries of a search loaded that
    takes a tenth of a second or two, in the middle of a second's work.
    """

    def __init__(self) -> None:
        self._n_modules = 0

    def set_aside(self) -> None:
        """Let later collections pass by what there is now, where modules are new."""
        if len(sys.modules) == self._n_modules:
            return
        self._n_modules = len(sys.modules)
        gc.collect()
        gc.freeze()
