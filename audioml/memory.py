"""How the C library keeps memory that is free."""

from __future__ import annotations

import ctypes
import platform

TRIM, MMAP = -1, -3  # mallopt's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD (malloc.h)
KEPT = 512 * 2**20  # bytes
LARGE = 32 * 2**20  # what glibc itself raises the threshold to, at most, as large blocks are freed


def keep_freed() -> bool:
    """Free memory stays with this process, up to half a gigabyte, and blocks below 32 MB come from it.  True where that was set.

    As it is, glibc hands back what lies free at the end of its heap beyond 64 MB at most, and the next batch faults the same pages
    in anew: 12 % of an iteration of expectation maximisation (scripts/bench.py hmm).  Other C libraries are left as they are.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(MMAP, LARGE)) and bool(libc.mallopt(TRIM, KEPT))
