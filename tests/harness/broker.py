"""RabbitMQ as the operator sees it from outside: counts, connections, purges."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from app import contract
from app.contract import Role
from tests.harness.waiting import eventually

#: Exact counts at once; with statistics they are up to ten seconds old.
_EXACT = {"disable_stats": "true", "enable_queue_totals": "true"}
_WORK = re.compile(
    "|".join(
        [
            *contract.queue_names(),
            *(re.escape(contract.dead_letter_queue(queue)) for queue in contract.queue_names()),
            r"celery_delayed_\d+",
        ]
    )
)


class Broker:
    """The management API of whichever node answers."""

    def __init__(self, ports: list[int], ca_file: Path, password: str) -> None:
        """Connect to nothing yet."""
        self._clients = [
            httpx.Client(
                base_url=f"https://127.0.0.1:{port}",
                auth=(str(Role.OPERATOR), password),
                verify=ssl.create_default_context(cafile=str(ca_file)),
                timeout=httpx.Timeout(60, connect=10),
                trust_env=False,
            )
            for port in ports
        ]

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            client.close()

    def messages(self) -> dict[str, int]:
        """Messages in each queue where work may be, ready and unacknowledged together; empty queues left out."""
        queues = self.ask("GET", f"/api/queues/{contract.VHOST}", params=_EXACT)
        return {q["name"]: q["messages"] for q in queues if _WORK.fullmatch(q["name"]) and q.get("messages")}

    def purge(self) -> None:
        """Throw away whatever an earlier test left, also what a queue has not reported yet."""
        queues = self.ask("GET", f"/api/queues/{contract.VHOST}", params=_EXACT)
        for name in (queue["name"] for queue in queues if _WORK.fullmatch(queue["name"])):
            self.ask("DELETE", f"/api/queues/{contract.VHOST}/{quote(name, safe='')}/contents")

    def lose_messages(self) -> None:
        """Purge, and wait until the queues report it, which takes five seconds: `reconcile` reads these counts."""
        self.purge()
        eventually(lambda: not self.messages(), what="the queues report that they are empty")

    def nodes_running(self) -> int:
        """How many nodes see themselves in the cluster."""
        return sum(bool(node.get("running")) for node in self.ask("GET", "/api/nodes"))

    @property
    def alarmed(self) -> bool:
        """Whether publishers are blocked; statistics would say so up to ten seconds later."""
        answer = self._clients[0].get("/api/health/checks/alarms")
        return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE

    def set_policy(self, name: str, policy: dict[str, Any]) -> None:
        """Replace a policy."""
        self.ask("PUT", f"/api/policies/{contract.VHOST}/{name}", json=policy)

    def node_of_consumer(self, queue: str) -> str | None:
        """The node that carries the connection of the queue's first consumer: `rabbit@rabbitmq-2`."""
        for consumer in self.ask("GET", f"/api/consumers/{contract.VHOST}"):
            if consumer["queue"]["name"] == queue:
                return str(consumer["channel_details"].get("node") or "") or None
        return None

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Call the API of the first node that answers.

        Raises:
            httpx.HTTPError: none did.
        """
        failure: httpx.HTTPError | None = None
        for client in self._clients:
            try:
                response = client.request(method, path, **options)
                response.raise_for_status()
                return response.json() if response.content else None
            except httpx.HTTPError as error:
                failure = error
        raise failure or httpx.HTTPError("no node")
