"""A group for each node in every hierarchy of control groups, and its removal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from infra.lab.devcluster.layout import CGROUP, Layout
from infra.lab.devcluster.waiting import until

FOLDER = Path("/sys/fs/cgroup")
#: A new cpuset is empty, and nothing can run in it, until it is told what its parent has.
_INHERITED = ("cpuset.cpus", "cpuset.mems")
_REMOVE_SECONDS = 30
#: What all nodes together weigh, by the file that says it (version 1, version 2); one process outside, of the control
#: plane or of the load, weighs 1024 and 100. Left at that, three nodes had as much as one thread of the API server:
#: while one was drained, the gateways waited 3 s for every 0.04 s that they ran, and requests ran into their deadline.
_WEIGHTS = {"cpu.shares": 8 * 1024, "cpu.weight": 8 * 100}


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
        for name, weight in _WEIGHTS.items():
            if (file := hierarchy / CGROUP / name).exists():
                file.write_text(str(weight))


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
