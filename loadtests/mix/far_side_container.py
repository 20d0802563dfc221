"""The far side of the local stack: a container of the application's image in its network, there only while a load runs.

Workers call it by the address that compose.yaml gives them; this process reads what arrived through a port of the host.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import httpx
from docker.errors import NotFound

from app import contract
from loadtests.errors import NotReadyError
from loadtests.mix import far_side as program

#: The host in MILLRACE_EXAMPLES_URL of compose.yaml.
NAME = "far-side"
_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"
_START_SECONDS = 30.0
_PORT = f"{program.PORT}/tcp"


class FarSide:
    """The running far side, as this process reaches it through a port of the host."""

    def __init__(self, url: str) -> None:
        """Read from the far side at this address."""
        self._client = httpx.Client(base_url=url, timeout=10, trust_env=False)

    def arrivals(self) -> list[float]:
        """When each call to the geocoder arrived, in seconds of the far side's clock."""
        seen = self._client.get("/seen").raise_for_status().json()["seen"]
        return sorted(call["at"] for call in seen if call["path"].startswith("/locate"))

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            NotReadyError: it does not.
        """
        began = time.monotonic()
        while True:
            try:
                self.arrivals()
            except httpx.HTTPError as error:
                if time.monotonic() - began > _START_SECONDS:
                    raise NotReadyError(f"the far side does not answer: {error}") from error
                time.sleep(0.2)
            else:
                return

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


@contextmanager
def far_side(project: str | None = None) -> Iterator[FarSide]:
    """Run it beside the gateway of a Compose project, and remove it at the end.

    Raises:
        NotReadyError: the project does not run, or the container does not start.
    """
    project = project or os.environ.get("MILLRACE_PROJECT", "millrace")
    engine = docker.from_env()
    try:
        container = _start(engine, project)
        try:
            container.reload()
            port = container.attrs["NetworkSettings"]["Ports"][_PORT][0]["HostPort"]
            running = FarSide(f"http://127.0.0.1:{port}")
            try:
                running.wait()
                yield running
            finally:
                running.close()
        finally:
            container.remove(force=True)
    finally:
        engine.close()


def container_of(engine: docker.DockerClient, project: str, service: str) -> Any:
    """A running container of a service of a Compose project.

    Raises:
        NotReadyError: there is none.
    """
    found = engine.containers.list(filters={"label": [f"{_PROJECT}={project}", f"{_SERVICE}={service}"]})
    if not found:
        raise NotReadyError(f"no {service} of the Compose project {project} runs here.")
    return found[0]


def _start(engine: docker.DockerClient, project: str) -> Any:
    gateway = container_of(engine, project, "gateway")
    [network, *_] = gateway.attrs["NetworkSettings"]["Networks"]
    name = f"{project}-{NAME}"
    with suppress(NotFound):
        engine.containers.get(name).remove(force=True)  # of a load that was killed
    return engine.containers.run(
        gateway.image.id,
        ["-c", Path(program.__file__).read_text()],
        entrypoint=["python"],
        name=name,
        # Labels of the project: `make down` removes the container that a killed load left, and a stack that is open to
        # drills is so as a whole.
        labels={
            _PROJECT: project,
            _SERVICE: NAME,
            "com.docker.compose.oneoff": "False",
            contract.DRILLS_LABEL: gateway.labels.get(contract.DRILLS_LABEL, ""),
        },
        network=network,
        networking_config={network: engine.api.create_endpoint_config(aliases=[NAME])},
        ports={_PORT: ("127.0.0.1", 0)},
        detach=True, init=True, read_only=True, cap_drop=["ALL"], security_opt=["no-new-privileges:true"],
        mem_limit="96m",
    )  # fmt: skip
