"""A process keeps the memory of its arrays between runs."""

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
