"""A process keeps the memory of its arrays, and its collector leaves alone what was loaded."""

import subprocess
import sys

SCRIPT = """
import resource, sys
import numpy as np
if sys.argv[1] == "keep":
    from elson.common.memory import freed_memory_keep
    assert freed_memory_keep()
[np.ones(65_536) for _ in range(4)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    [np.ones(65_536) for _ in range(4)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> int:
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT, mode], capture_output=True, text=True, check=True
    )
    return int(found.stdout)


def test_an_array_of_half_a_megabyte_is_given_the_same_pages_again():
    assert faults("return") > 5 * faults("keep")


LOADING = """
import gc
from celery import signals
import elson.celery

def end_task():
    signals.task_postrun.send(sender=None)
    return gc.get_freeze_count()

first = end_task()
again = end_task()
import sklearn.ensemble
loaded = end_task()
print(first > 10_000, again == first, loaded > first + 10_000)
"""


def test_what_a_task_has_loaded_is_not_looked_at_by_later_collections():
    found = subprocess.run(
        [sys.executable, "-c", LOADING], capture_output=True, text=True, check=True
    )

    assert found.stdout.split() == ["True", "True", "True"]
