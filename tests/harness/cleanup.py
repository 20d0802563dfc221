"""Leaves nothing behind: every container and network carries its run's label, and goes by it however the run ends."""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path

import docker
from docker.errors import APIError, NotFound

#: The run, and the process that answers for it.
RUN_LABEL = "millrace.test-run"
PROCESS_LABEL = "millrace.test-process"
_RUN_VARIABLE = "MILLRACE_TEST_RUN"
_PROCESS_VARIABLE = "MILLRACE_TEST_PROCESS"


def begin() -> str:
    """Name this run, once for all its workers."""
    os.environ.setdefault(_PROCESS_VARIABLE, str(os.getpid()))
    return os.environ.setdefault(_RUN_VARIABLE, os.urandom(4).hex())


def labels() -> dict[str, str]:
    """What everything of this run carries."""
    return {RUN_LABEL: os.environ[_RUN_VARIABLE], PROCESS_LABEL: os.environ[_PROCESS_VARIABLE]}


def sweep() -> None:
    """Remove what runs left whose process is gone: it was killed, and could not."""
    client = docker.from_env()
    for container in client.containers.list(all=True, filters={"label": PROCESS_LABEL}, ignore_removed=True):
        if not Path(f"/proc/{container.labels[PROCESS_LABEL]}").exists():
            _remove_run(client, container.labels[RUN_LABEL])
    for network in client.networks.list(filters={"label": PROCESS_LABEL}):
        if not Path(f"/proc/{network.attrs['Labels'][PROCESS_LABEL]}").exists():
            _remove_run(client, network.attrs["Labels"][RUN_LABEL])


def end() -> None:
    """Remove all that is left of this run."""
    _remove_run(docker.from_env(), os.environ[_RUN_VARIABLE])


def remove_network(name: str) -> None:
    """Remove a network; one that a container still holds is an error that names it.

    Docker sometimes counts an endpoint that is no more, and then refuses until it is started again (moby#42119): that
    is no fault of a test's, and `sweep` removes the network later.
    """
    network = docker.from_env().networks.get(name)
    try:
        network.remove()
    except APIError as error:
        network.reload()
        # Of a container that is gone only the endpoint is listed, as "ep-…".
        held = [of["Name"] for key, of in network.attrs["Containers"].items() if not key.startswith("ep-")]
        if held:
            raise AssertionError(f"the network {name} is still held by {', '.join(held)}") from error
        warnings.warn(f"Docker refuses to remove {name}, which nothing holds: {error.explanation}", stacklevel=2)


def _remove_run(client: docker.DockerClient, run: str) -> None:
    label: dict[str, str | list[str] | bool] = {"label": f"{RUN_LABEL}={run}"}
    for container in client.containers.list(all=True, filters=label, ignore_removed=True):
        with contextlib.suppress(NotFound, APIError):
            container.remove(force=True, v=True)
    for network in client.networks.list(filters=label):
        with contextlib.suppress(NotFound, APIError):
            network.remove()
