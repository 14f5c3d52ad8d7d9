"""What happens to the memory of large answers that have left."""

import ctypes
from typing import Final

# glibc's <malloc.h>.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_MAPPED_BYTES: Final = 1024 * 1024
_KEPT_BYTES: Final = 16 * 1024 * 1024


def return_large_blocks() -> None:
    """Have the C library return the memory of large answers to the system when they are freed.

    glibc maps a large block for itself until one is freed: then it takes those of that size from
    its heap, which ends with the last block in use. A hundred answers of 6 MB that nobody had read
    left 190 MB so. A fixed threshold prevents this. Other C libraries do not do it, or have no
    ``mallopt``.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # TypeError: Windows wants a name
        return
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
    # With the first one set, this is 128 KiB: the heap would shrink and grow all the time.
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
