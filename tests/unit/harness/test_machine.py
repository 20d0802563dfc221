"""When the machine is remembered, so that the end of a cluster is compared with the time before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import machine

NOTHING = machine.Machine(*[frozenset[str]()] * 9)


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where a cluster would be. Its supervisor does not answer, and the machine shows a link."""
    root = tmp_path / "cluster"
    monkeypatch.setattr(machine, "ROOT", root)
    monkeypatch.setattr(machine, "FILE", tmp_path / "state" / "machine.json")
    monkeypatch.setattr(machine, "now", lambda: machine.Machine(frozenset({"link"}), *[frozenset[str]()] * 8))
    monkeypatch.setattr(machine, "take_down", root.rmdir)
    monkeypatch.setattr(machine.Cluster, "runs", False)
    return root


def test_before_a_cluster(root: Path) -> None:
    """What there is without a cluster is remembered, and what was remembered before is replaced."""
    machine.remember()
    assert machine.remembered().difference(NOTHING) == {"links": ["+ link"]}
    assert NOTHING.difference(machine.remembered()) == {"links": ["- link"]}
    assert not root.exists()


def test_a_silent_cluster_is_not_remembered(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster whose supervisor is silent for a moment must not count as the state before it: CI was red for that."""
    machine.remember()
    root.mkdir()
    monkeypatch.setattr(machine, "now", lambda: NOTHING)
    machine.remember()
    assert machine.remembered().links == {"link"}
    assert root.exists()


def test_what_a_killed_cluster_left_goes_first(root: Path) -> None:
    """Nobody remembered the machine before it."""
    root.mkdir()
    machine.remember()
    assert not root.exists()
    assert machine.remembered().links == {"link"}
