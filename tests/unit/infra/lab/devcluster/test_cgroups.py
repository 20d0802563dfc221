"""Groups of the nodes, in folders that stand for the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.lab.devcluster import cgroups
from infra.lab.devcluster.layout import CGROUP, Layout


@pytest.mark.parametrize(("name", "usual", "weight"), [("cpu.shares", "1024", "8192"), ("cpu.weight", "100", "800")])
def test_nodes_outweigh_the_processes_beside_them(
    name: str, usual: str, weight: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All nodes together weigh more than a process; each of them as much as another."""
    monkeypatch.setattr(cgroups, "FOLDER", tmp_path)
    groups = tmp_path / "cpu" / CGROUP
    if name == "cpu.weight":  # version 2: one hierarchy
        (tmp_path / "cgroup.controllers").write_text("cpu memory")
        groups = tmp_path / CGROUP
    nodes = [groups / f"node-{number}" for number in (1, 2, 3)]
    for group in (groups, *nodes):
        group.mkdir(parents=True)
        (group / name).write_text(usual)

    cgroups.make(Layout())

    assert (groups / name).read_text() == weight
    assert {(node / name).read_text() for node in nodes} == {usual}
