"""A worker's child."""

import subprocess
import sys

GREEDY = """
from cityops.celery import bound_memory
bound_memory()
try:
    bytearray(2 << 30)
except MemoryError:
    print("failed alone")
"""


def test_work_that_would_fill_the_memory_fails_alone():
    told = subprocess.run(
        [sys.executable, "-c", GREEDY], capture_output=True, text=True, check=True
    )

    assert told.stdout == "failed alone\n"
