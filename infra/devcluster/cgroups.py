"""A group for each node in every hierarchy of control groups, and its removal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from infra.devcluster.layout import CGROUP, Layout
from infra.devcluster.waiting import until

FOLDER = Path("/sys/fs/cgroup")
#: A new cpuset is empty, and nothing can run in it, until it is told what its parent has.
_INHERITED = ("cpuset.cpus", "cpuset.mems")
_REMOVE_SECONDS = 30


def hierarchies() -> tuple[Path, ...]:
    """Version 1 has one for each controller (some are links to others), version 2 one for all."""
    if (FOLDER / "cgroup.controllers").exists():
        return (FOLDER,)
    return tuple(path for path in sorted(FOLDER.iterdir()) if path.is_dir() and not path.is_symlink())


def make(layout: Layout) -> None:
    """Make what the nodes' processes go into (`system`) and what their kubelets give to pods."""
    for hierarchy in hierarchies():
        for node in layout.nodes:
            folder = hierarchy
            for part in (*node.cgroup.split("/"), "system"):
                _make(folder, folder / part)
                folder /= part


def _make(parent: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in _INHERITED:
        if (folder / name).exists() and (parent / name).exists() and not (folder / name).read_text().strip():
            (folder / name).write_text((parent / name).read_text())


def left() -> Iterator[Path]:
    """Our groups that exist, the deepest first."""
    for hierarchy in hierarchies():
        root = hierarchy / CGROUP
        if root.is_dir():
            yield from sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True)
            yield root


def remove() -> None:
    """Remove them all; the kernel takes a moment after the last process of one has ended."""

    def gone() -> bool:
        for group in left():
            try:
                group.rmdir()
            except OSError:
                return False
        return True

    until("the control groups are empty and removed", gone, _REMOVE_SECONDS)
