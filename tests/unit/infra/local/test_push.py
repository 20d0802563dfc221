"""Which images a push builds and pushes, and under which versions. tests/proofs/push does it with a real registry."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from rich.console import Console

from infra.local import images, process, push as pushing, stack_images
from infra.local.images import Image
from infra.local.progress import Steps
from infra.local.push import Pushed
from infra.local.registry import Registry
from infra.local.state import State
from infra.render.program import REPOSITORY

PREFIX = "registry.example.com/millrace"


class Machine:
    """A registry and a Docker that keep nothing but names. `ids` are what a build from nothing makes next."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "Pulumi.prod.yaml"
        self.file.write_text((REPOSITORY / self.file.name).read_text())
        self.has: dict[str, str] = {}
        self.id = "1" * 64
        monkeypatch.setattr(process, "run", lambda *words, **_: CompletedProcess(words, 0, f"sha256:{self.id}\n", ""))
        monkeypatch.setattr(pushing, "build_images", self._build)
        monkeypatch.setattr(Registry, "digest", lambda _, reference: self.has.get(reference))
        monkeypatch.setattr(Registry, "push", lambda *words: self._push(words[-1]))

    def push(self, *, fresh: bool = False) -> Pushed:
        """`make push`."""
        steps = Steps(State(self.folder), Console(file=StringIO()))
        return pushing.push(self.file, PREFIX, State(self.folder), steps, fresh=fresh)

    def versions(self) -> Mapping[str, str]:
        """What the stack file names."""
        return dict(stack_images.named(self.file)["versions"])

    def _build(self, state: State, steps: Steps, wanted: tuple[Image, ...], *, fresh: bool = False) -> dict[str, str]:
        return {one.name: f"local-{one.name}" for one in wanted}

    def _push(self, reference: str) -> str:
        self.has[reference] = f"sha256:{len(self.has):064x}"
        return self.has[reference]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """A new one, with prod's stack file."""
    return Machine(monkeypatch, tmp_path)


def test_a_push_is_repeatable(machine: Machine) -> None:
    """The second time nothing is pushed, and nothing is written."""
    assert len(machine.push().references) == 4
    assert machine.push() == Pushed((), file_changed=False)


def test_a_new_image_changes_its_own_version_only(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own pods roll, no others (I1)."""
    machine.push()
    before, tag = machine.versions(), images.tag
    monkeypatch.setattr(images, "tag", lambda image: tag(image) + ("-mended" if image.name == "app" else ""))

    assert len(machine.push().references) == 1
    assert {name for name, version in machine.versions().items() if version != before[name]} == {"app"}


def test_updates_of_the_base_system_stay(machine: Machine) -> None:
    """What was built from nothing has versions of its own, which the next push does not take back."""
    machine.push()
    before = machine.versions()
    machine.id = "2" * 64

    assert len(machine.push(fresh=True).references) == 4

    assert machine.versions() == {name: f"{version}-22222222" for name, version in before.items()}
    assert machine.push() == Pushed((), file_changed=False)


def test_what_no_pod_of_the_stack_runs_is_not_named(machine: Machine) -> None:
    """Prod has its database from elsewhere."""
    machine.push()

    assert set(machine.versions()) == {"app", "rabbitmq", "redis", "pgbouncer"}
