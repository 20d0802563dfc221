"""Counts the messages of each queue, through RabbitMQ's management API."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from app import contract
from app.contract import Role
from loadtests.errors import NotReadyError
from loadtests.target import Target

_TIMEOUT_SECONDS = 5.0
#: Queues in which work may be: the declared ones, their dead letters, and the delay ladder, where retries wait.
_WORK = re.compile(
    "|".join(
        [
            *contract.queue_names(),
            *(re.escape(contract.dead_letter_queue(queue)) for queue in contract.queue_names()),
            r"celery_delayed_\d+",
        ]
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One queue's counts."""

    name: str
    ready: int
    unacknowledged: int
    consumers: int


class Management:
    """The management API of whichever node answers: one of them is going to be killed."""

    def __init__(self, target: Target) -> None:
        """Connect to nothing yet."""
        self._clients = [
            httpx.Client(
                base_url=url,
                auth=(str(Role.OPERATOR), target.management_password),
                verify=ssl.create_default_context(cafile=str(target.internal_ca_file)),
                timeout=_TIMEOUT_SECONDS,
                trust_env=False,
            )
            for url in target.management_urls
        ]

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            client.close()

    def work_queues(self) -> list[Queue]:
        """The queues in which work may be."""
        queues: Sequence[dict[str, Any]] = self._get(f"/api/queues/{contract.VHOST}")
        return [
            Queue(
                name=queue["name"],
                ready=queue.get("messages_ready", 0),
                unacknowledged=queue.get("messages_unacknowledged", 0),
                consumers=queue.get("consumers", 0),
            )
            for queue in queues
            if _WORK.fullmatch(queue["name"])
        ]

    def nodes_running(self) -> dict[str, bool]:
        """Node name to whether it runs."""
        return {node["name"]: bool(node.get("running")) for node in self._get("/api/nodes")}

    def version(self) -> str:
        """The broker and its version."""
        return f"RabbitMQ {self._get('/api/overview').get('rabbitmq_version', 'of unknown version')}"

    def _get(self, path: str) -> Any:
        problems: list[str] = []
        for client in self._clients:
            try:
                response = client.get(path)
                response.raise_for_status()
                return response.json()
            except (httpx.HTTPError, ValueError) as error:
                problems.append(f"{client.base_url}: {error}")
        message = "RabbitMQ's management API does not answer: " + "; ".join(problems)
        raise NotReadyError(message)
