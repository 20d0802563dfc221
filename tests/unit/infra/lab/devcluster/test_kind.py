"""What kind is asked for."""

from __future__ import annotations

from pathlib import Path

import yaml

from infra.lab.devcluster import addons, kind


def test_three_workers_see_the_programs_where_the_host_has_them() -> None:
    """The addons mount them by the host's paths."""
    content = yaml.safe_load(kind.settings([Path("/a"), Path("/b")]))
    assert [node["role"] for node in content["nodes"]] == ["control-plane", "worker", "worker", "worker"]
    for node in content["nodes"]:
        assert [(each["hostPath"], each["containerPath"]) for each in node["extraMounts"]] == [
            ("/a", "/a"),
            ("/b", "/b"),
        ]
        assert node["image"] == kind.IMAGE


def test_its_addons_are_some_of_ours() -> None:
    """What kind does not bring itself."""
    assert set(kind.ADDONS) < set(addons.NAMES)
