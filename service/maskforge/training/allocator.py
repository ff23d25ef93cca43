"""Keeps freed memory in the process.

glibc returns every large block to the kernel and asks for it anew, zeroed page by page. A training step frees and asks
for gigabytes: on two cores, keeping them made a decoder's step 2.2 times as fast (1.05 s to 0.48 s).
"""

import ctypes
from typing import Final

TRIM_THRESHOLD: Final = -1
MMAP_MAX: Final = -4
"""Parameters of `mallopt(3)`."""


def keep_freed_memory() -> None:
    """Tell malloc so; on a C library without `mallopt` nothing changes."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(MMAP_MAX, 0)
        mallopt(TRIM_THRESHOLD, -1)
