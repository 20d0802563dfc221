"""`make connect`: what load tests, drills and tests need of a stack that runs, whoever deployed it.

It reads the cluster and writes files. The one thing that it makes there are API keys, through the operator's command.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from rich.console import Console

from infra.lab.staging import access, api_keys, ready, target
from infra.lab.staging.errors import StagingError
from infra.lab.staging.folder import Folder
from infra.lab.staging.place import Place
from infra.lab.toolchain import go_tool
from infra.local.progress import Steps
from infra.local.state import State
from infra.render.program import REPOSITORY, Program
from infra.settings.backends import RabbitMQ
from infra.settings.load import stack_file


def settings_of(stack: str, named: Path | None, context: str | None, folder: Folder) -> Path:
    """The stack's settings: a person's file, what `make staging` deployed on this machine, or the stack's own."""
    here = folder.root / f"Pulumi.{stack}.yaml"
    if named or (context is None and here.is_file()):
        return named or here
    return stack_file(stack, REPOSITORY)


def connect(place: Place, file: Path, state: State, console: Console) -> dict[str, Any]:
    """Wait until all of it works, and write target.json and what it names; `file` is the stack's settings.

    Raises:
        StagingError: it does not work, or lacks something; with the reason.
    """
    folder = Folder.of(state)
    program = Program.of(file.name.split(".")[1], file)
    if program.settings.aws is not None:
        raise StagingError(
            f"{file}: load tests and drills look into a broker and a database of the cluster, and these are AWS's: "
            "connect to a stack whose servers are in its cluster"
        )
    if not isinstance(program.settings.broker, RabbitMQ):
        raise StagingError(
            f"{file}: load tests and drills of a cluster ask RabbitMQ what waits, and its broker is "
            f"{program.settings.broker.kind}: connect to a stack with broker rabbitmq"
        )
    url = place.gateway_url(program.settings.workloads.gateway.ingress.host)
    with Steps(state, console) as steps, place.cluster() as cluster:
        kubectl = _kubectl(place, steps)
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


def _kubectl(place: Place, steps: Steps) -> str:
    # On a cluster of somebody's, their own fits its version and its way to log in.
    found = None if place.is_devcluster else shutil.which("kubectl")
    return found or str(go_tool("kubectl", steps))
