"""Mounts below a folder, and their removal."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from infra.lab.devcluster.waiting import DevclusterError

_DETACH = 2


def below(folder: Path) -> tuple[Path, ...]:
    """Mount points in or below a folder, the innermost first."""
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    decoded = (Path(point.encode().decode("unicode_escape")) for point in points)
    return tuple(sorted((point for point in decoded if point.is_relative_to(folder)), reverse=True))


def unmount(folder: Path) -> None:
    """Unmount all of them.

    Raises:
        DevclusterError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for point in below(folder):
        if libc.umount2(os.fsencode(point), _DETACH):
            raise DevclusterError(f"{point} cannot be unmounted: {os.strerror(ctypes.get_errno())}")
