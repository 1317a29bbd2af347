"""Processes of a pool compute in one thread each, whatever loads which library when."""

import os
import subprocess
import sys

from elson.common.threads import VARIABLES

SCRIPT = """
import numpy
from celery import signals
import elson.celery
signals.worker_process_init.send(sender=None)
import scipy.linalg
import sklearn.ensemble
from threadpoolctl import threadpool_info
found = threadpool_info()
print(sorted({library["user_api"] for library in found}))
print({library["num_threads"] for library in found})
"""


def test_a_pool_process_limits_openmp_and_blas_loaded_before_and_after_it():
    environment = os.environ | dict.fromkeys(VARIABLES, "2")

    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
    )

    assert answer.stdout.splitlines() == ["['blas', 'openmp']", "{1}"]
