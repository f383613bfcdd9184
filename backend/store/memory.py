"""How much memory this computer has."""

from __future__ import annotations

import ctypes
import os
import sys


def physical_memory() -> int | None:
    """Bytes of memory of this computer, where that can be known."""
    if sys.platform == "win32":
        values = (ctypes.c_ulonglong * 8)()  # MEMORYSTATUSEX: two 32-bit numbers, then seven of 64
        values[0] = 64
        known = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(values))
        return int(values[1]) if known else None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
