"""RabbitMQ's management API over TLS, as the operator; asks another node when one does not answer."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from app import contract
from app.contract import Role
from chaos.cluster import Consumer, Queue, read_consumers, read_queues
from chaos.errors import ManagementError, TargetMissingError

_TIMEOUT_SECONDS = 4.0
_DEFAULT_PORTS = (15671, 15672, 15673)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the API answers, and the operator's credentials."""

    urls: tuple[str, ...]
    ca_file: Path
    password: str = field(repr=False)


def local_access() -> Access:
    """The stack of this checkout.

    Raises:
        TargetMissingError: it was never started here.
    """
    secrets = Path(os.environ.get("MILLRACE_STATE_DIR", ".millrace")).resolve() / "secrets" / Role.OPERATOR
    password, ca_file = secrets / "rabbitmq_password", secrets / "ca.crt"
    if not (password.is_file() and ca_file.is_file()):
        message = f"There are no credentials in {secrets}."
        raise TargetMissingError(message)
    ports = [
        int(os.environ.get(f"MILLRACE_PORT_MANAGEMENT_{number}", default))
        for number, default in enumerate(_DEFAULT_PORTS, start=1)
    ]
    told = os.environ.get(contract.MANAGEMENT_URLS_VARIABLE, "").split()
    return Access(
        urls=tuple(told or (f"https://localhost:{port}" for port in ports)),
        ca_file=ca_file,
        password=password.read_text().strip(),
    )


class Management:
    """The calls that the drill needs."""

    def __init__(self, access: Access) -> None:
        """Connect to nothing yet."""
        context = ssl.create_default_context(cafile=str(access.ca_file))
        self._clients = [
            httpx.Client(
                base_url=url,
                auth=(str(Role.OPERATOR), access.password),
                verify=context,
                timeout=_TIMEOUT_SECONDS,
                trust_env=False,
            )
            for url in access.urls
        ]

    def queues(self) -> list[Queue]:
        """The work queues."""
        return read_queues(self._ask(f"/api/queues/{contract.VHOST}"), contract.queue_names())

    def queue(self, name: str) -> Queue:
        """One queue, asked by name: fresher than the list."""
        return read_queues([self._ask(f"/api/queues/{contract.VHOST}/{name}")], [name])[0]

    def consumers(self) -> list[Consumer]:
        """All consumers of the vhost."""
        return read_consumers(self._ask(f"/api/consumers/{contract.VHOST}"))

    def nodes(self) -> tuple[str, ...]:
        """The names of all, running or not."""
        return tuple(str(listed["name"]) for listed in self._ask("/api/nodes"))

    def running(self, node: str) -> bool:
        """Whether every node that answers sees this one run: a node that is parted from the others still sees itself.

        Raises:
            ManagementError: none answers.
        """
        return all(
            any(listed["name"] == node and listed.get("running") for listed in answer)
            for answer in self._answers("/api/nodes")
        )

    def alarms(self) -> tuple[str, ...]:
        """The nodes that hold publishers back, each with its reason: `rabbit@rabbitmq-1: memory`."""
        return tuple(
            f"{listed['name']}: {kind}"
            for listed in self._ask("/api/nodes")
            for kind, sign in (("memory", "mem_alarm"), ("disk", "disk_free_alarm"))
            if listed.get(sign)
        )

    def close(self) -> None:
        """End the connections."""
        for client in self._clients:
            client.close()

    def _ask(self, path: str) -> Any:
        return next(self._answers(path))

    def _answers(self, path: str) -> Iterator[Any]:
        """One node's answer after the other; a node that does not answer is left out.

        Raises:
            ManagementError: none answers.
        """
        problems: list[str] = []
        for client in self._clients:
            try:
                response = client.get(path)
            except httpx.HTTPError as error:
                problems.append(f"{client.base_url}: {type(error).__name__} {error}")
                continue
            if response.is_success:
                yield response.json()
            else:
                problems.append(f"{client.base_url}{path}: {response.status_code} {response.text[:200]}")
        if len(problems) == len(self._clients):
            raise ManagementError("; ".join(problems))
