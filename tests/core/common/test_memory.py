"""Freed memory is kept for the next arrays, unless the user has set how much is."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

N_BYTES = 20 << 20
N_ROUNDS = 20
# The arrays of a round are freed together: more than glibc keeps by itself.
COUNT_FAULTS = f"""
import resource
from absslab.core.common.memory import keep_freed_memory
keep_freed_memory()
for number in range({N_ROUNDS} + 1):
    if number == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [bytearray(b"x" * {N_BYTES}) for _ in range(3)]
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
needs_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="not with this C library"
)


def count_faults(**variables):
    """Count the pages that the system gives while large arrays are made and freed."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return int(done.stdout)


def has_huge_pages():
    """Tell whether the system gives large pages unasked, of which few are needed."""
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return setting.exists() and "[always]" in setting.read_text()


@needs_glibc
def test_the_same_memory_serves_many_large_arrays():
    pages = N_ROUNDS * 3 * N_BYTES // os.sysconf("SC_PAGE_SIZE")
    assert count_faults() < pages / 20
    if not has_huge_pages():
        assert count_faults(MALLOC_TRIM_THRESHOLD_=str(1 << 20)) > pages / 2  # as the user has it
