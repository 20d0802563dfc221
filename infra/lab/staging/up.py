"""The order of `make staging`. Safe to repeat and to interrupt: each step finds what the last one left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from infra.lab.devcluster.cluster import Cluster as Devcluster
from infra.lab.plugins import programs
from infra.lab.staging import connect, images, stack_file
from infra.lab.staging.engine import Engine
from infra.lab.staging.errors import StagingError
from infra.lab.staging.folder import Folder
from infra.lab.staging.place import Place
from infra.local.progress import Steps
from infra.local.state import State
from infra.render.program import Program


def up(place: Place, state: State, console: Console) -> dict[str, Any]:
    """Bring it up; what target.json says.

    Raises:
        StagingError: it cannot go on; with the reason.
    """
    folder = Folder.of(state)
    program = Program.of(stack_file.STACK)
    require_images(place, program)
    with Steps(state, console) as steps:
        place.start(steps)
        programs.environment(steps)
        file = _stack_file(place, program, folder, state, steps)
        with steps.step(f"pulumi up -s {stack_file.STACK}", 120) as note:
            engine(place, folder, file).up(lambda line: note(line[:80]))
    return connect.connect(place, file, state, console)


def engine(place: Place, folder: Folder, file: Path) -> Engine:
    """Pulumi, with the state of this stack in this place."""
    return Engine(folder=place.state(folder), settings=file, kubeconfig=place.kubeconfig)


def require_images(place: Place, program: Program) -> None:
    """Refuse at once what would end in pods that wait for ever.

    Raises:
        StagingError: nobody can give this cluster's nodes the images.
    """
    if not place.is_devcluster and not program.settings.images.registry:
        raise StagingError(
            f"the nodes of context {place.context} pull their images, and images.registry of Pulumi."
            f"{program.stack}.yaml is empty: push them (docs/deployment.md, Images) and name the registry there, "
            "or leave CONTEXT out for a cluster on this machine"
        )


def _stack_file(place: Place, program: Program, folder: Folder, state: State, steps: Steps) -> Path:
    if place.context is not None:
        return stack_file.pinned(folder.root, place.context)
    versions = images.provide(Devcluster().layout, program.settings.broker.version, state, steps)
    return stack_file.write(folder.root, versions)
