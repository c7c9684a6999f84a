"""Decides whether images are kept in memory."""

from __future__ import annotations

import os

MEMORY_SHARE = 0.25
"""Images stay in memory if they take at most this share of it."""

UNKNOWN = 8 * 2**30
"""Bytes of memory that are assumed where the system does not say."""


def keeps_in_memory(option: str, needed: int) -> bool:
    """Returns whether images are kept in memory.

    Args:
        option: "ram", "stream", or "auto": if they fit.
        needed: Bytes of the images.
    """
    if option != "auto":
        return option == "ram"
    return needed <= MEMORY_SHARE * memory_bytes()


def memory_bytes() -> int:
    """Returns the bytes of this machine's memory; an assumption where it is not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return _windows_bytes() or UNKNOWN


def _windows_bytes() -> int | None:
    """Returns the bytes of memory on Windows, which has no sysconf; None elsewhere."""
    import ctypes

    kernel = getattr(getattr(ctypes, "windll", None), "kernel32", None)
    if kernel is None:
        return None
    kilobytes = ctypes.c_ulonglong()
    if not kernel.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes)):
        return None
    return kilobytes.value * 1024
