"""A pod made of Docker containers: one that keeps its name, address and volume, and others that live in its network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import docker
from docker.models.containers import Container
from docker.models.networks import Network

from tests.harness import cleanup
from tests.harness.inside import run_inside

_HARDENED: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": ""},  # noqa: S108 - in the container
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
}


class Pod:
    """As a StatefulSet's: its host name and its volume outlive its containers and its address."""

    def __init__(
        self,
        host: str,
        image: str,
        network: Network,
        *,
        containers: Mapping[str, str],
        mounts: Mapping[str, str],
        ports: Mapping[int, int],
        memory_bytes: int,
    ) -> None:
        """Start it; `containers` is the program of each, `ports` are published on the loopback interface."""
        self.host = host
        self.name = host.partition(".")[0]
        self._client = docker.from_env()
        self._image = image
        self._programs = containers
        self._volumes = [f"{source}:{target}:ro" for source, target in mounts.items()]
        self._memory_bytes = memory_bytes
        self.containers: dict[str, Container] = {}
        assert network.name is not None
        self._sandbox: Container = self._client.containers.create(
            image,
            entrypoint=["sleep", "infinity"],
            init=True,
            hostname=self.name,
            network=network.name,
            networking_config={network.name: self._client.api.create_endpoint_config(aliases=[host])},
            ports={str(inside): ("127.0.0.1", outside) for inside, outside in ports.items()},
            labels=cleanup.labels(),
            detach=True,
            **_HARDENED,
        )
        self.start()

    def start(self) -> None:
        """Start it, or start it again: new containers, perhaps a new address, the same volume."""
        self._sandbox.start()
        assert self._sandbox.id is not None
        for name, program in self._programs.items():
            self.containers[name] = self._client.containers.run(
                self._image,
                entrypoint=[program],
                network_mode=f"container:{self._sandbox.id}",
                volumes_from=[self._sandbox.id],
                volumes=self._volumes,
                mem_limit=self._memory_bytes,
                labels=cleanup.labels(),
                detach=True,
                **_HARDENED,
            )

    def lose(self) -> None:
        """The whole pod at once, as with its machine: no signal that anything could act on."""
        for container in self.containers.values():
            container.remove(force=True)
        self.containers.clear()
        self._sandbox.kill()

    def remove(self) -> None:
        """For good, its volume too."""
        for container in self.containers.values():
            container.remove(force=True, v=True)
        self._sandbox.remove(force=True, v=True)

    def execute(self, container: str, *command: str) -> tuple[int, str]:
        """Run a command in a container; its exit code and what it printed."""
        return run_inside(self.containers[container], command)

    def logs(self) -> str:
        """What all of it wrote last."""
        parts = (f"{self.name}/{name}:\n{c.logs(tail=30).decode()}" for name, c in self.containers.items())
        return "\n".join(parts)
