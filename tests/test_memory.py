"""Freed memory stays with the process: a second large array faults in hardly any page."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
import numpy as np
from audioml.memory import keep_freed
assert keep_freed()
def faults():
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    kept = [np.ones(3_000_000, np.float32) for _ in range(10)]  # 120 MB in blocks of 12
    del kept
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin
print(faults(), faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_memory_is_used_again() -> None:
    said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    first, second = map(int, said.split())
    assert first > 1000
    assert second < first / 10
