"""Threads of numerical libraries in a process that shares its cores with others like it."""

from __future__ import annotations

import os

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def library_threads_limit() -> None:
    """Let OpenMP and BLAS compute in the calling thread alone from now on.

    A pool has a process per core. With threads of their own these would wait for each other's
    cores, and OpenMP waits by spinning: boosting beside a busy process takes many times as long.
    """
    # For libraries that are loaded later.
    os.environ |= dict.fromkeys(VARIABLES, "1")
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
