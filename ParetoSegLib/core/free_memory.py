"""Give memory that is free back to the system, where the C library would keep it."""

from __future__ import annotations

import ctypes
import gc
import sys
from functools import cache
from typing import Any


def give_back_memory() -> None:
    """Return what has been freed to the system; does nothing where that happens by itself.

    glibc keeps freed blocks of up to 32 MB for later, which is the size of one image: after a few
    of them have come and gone, a process holds a third more than it uses.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


def collect_and_give_back() -> None:
    """The same, after arrays are freed that hang on objects which refer to each other in a ring."""
    gc.collect()
    give_back_memory()


@cache
def _trim() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):  # another C library, such as musl
        return None
