"""The order of `make staging`. Safe to repeat and to interrupt: each step finds what the last one left."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from rich.console import Console

from infra.deploy import up as deploying
from infra.deploy.progress import Progress
from infra.deploy.up import Wishes
from infra.devcluster.cluster import Cluster as Devcluster
from infra.local.progress import Steps
from infra.local.state import State
from infra.render.program import REPOSITORY, Program
from infra.settings.load import stack_file as own_file
from infra.staging import access, api_keys, images, ready, stack_file, target
from infra.staging.errors import StagingError
from infra.staging.folder import Folder
from infra.staging.place import Place
from infra.toolchain import go_tool


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
        kubectl = _kubectl(place, steps)
        file = _stack_file(place, program, folder, state, steps)
    program = Program.of(stack_file.STACK, file)
    with place.cluster() as cluster:
        with Progress(console, f"deploy {stack_file.STACK}") as progress:
            deploying.up(cluster, program, Wishes(), progress)
        url = place.gateway_url(program.settings.workloads.gateway.ingress.host)
        with Steps(state, console) as steps:
            with steps.step("everything is ready", 30) as note:
                ready.wait(cluster, note)
            with steps.step("authorities and passwords", 1):
                access.write(cluster, folder)
            with steps.step("the gateway answers", 5):
                ready.wait_for_gateway(url, folder.public_ca)
            with steps.step("API keys", 10):
                api_keys.ensure(cluster, folder, url)
    found = target.content(place, folder, gateway_url=url, stack_file=file, kubectl=kubectl)
    target.write(folder, found)
    return found


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
    if not place.is_devcluster:
        return own_file(stack_file.STACK, REPOSITORY)
    broker = program.settings.broker
    versions = images.provide(Devcluster().layout, broker.version, state, steps)
    return stack_file.write(folder.root, versions)


def _kubectl(place: Place, steps: Steps) -> str:
    # On a cluster of somebody's, their own fits its version and its way to log in.
    found = None if place.is_devcluster else shutil.which("kubectl")
    return found or str(go_tool("kubectl", steps))
