"""The cluster as the management API shows it: plain values, and the choices made from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: RabbitMQ's node names are rabbit@<host>, and the host is the compose service.
NODE_PREFIX = "rabbit@"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A quorum queue."""

    name: str
    leader: str
    members: tuple[str, ...]
    online: tuple[str, ...]
    messages: int
    #: Messages published into it a second, as the broker last counted.
    publish_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A consumer's channel: which queue, over which connection, to which node."""

    queue: str
    connection: str
    node: str
    user: str
    #: The client's address: it stays the same when the client connects again.
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """The node to kill, and why it is this one."""

    queue: Queue
    node: str
    #: Workers' connections to the node, those of the queue's own workers first.
    connections: tuple[Consumer, ...]

    @property
    def qualifies(self) -> bool:
        """Whether a worker of the busiest queue itself is connected to it; an idle class's would prove little."""
        return any(consumer.queue == self.queue.name for consumer in self.connections)


def service_of(node: str) -> str:
    """The compose service that runs a node."""
    return node.removeprefix(NODE_PREFIX)


def read_queues(listed: Iterable[Mapping[str, Any]], names: Iterable[str]) -> list[Queue]:
    """The work queues out of `/api/queues/<vhost>`."""
    wanted = set(names)
    return [
        Queue(
            name=queue["name"],
            leader=queue.get("leader") or queue.get("node", ""),
            members=tuple(queue.get("members", ())),
            online=tuple(queue.get("online", ())),
            messages=queue.get("messages", 0),
            publish_rate=float(queue.get("message_stats", {}).get("publish_details", {}).get("rate", 0.0)),
        )
        for queue in listed
        if queue["name"] in wanted
    ]


def read_consumers(listed: Iterable[Mapping[str, Any]]) -> list[Consumer]:
    """The consumers out of `/api/consumers/<vhost>`."""
    consumers = []
    for consumer in listed:
        channel = consumer.get("channel_details")
        if not channel:  # its channel is closing
            continue
        consumers.append(
            Consumer(
                queue=consumer["queue"]["name"],
                connection=channel["connection_name"],
                node=channel["node"],
                user=channel["user"],
                peer=channel["peer_host"],
            )
        )
    return consumers


def busiest(queues: Sequence[Queue]) -> Queue | None:
    """The queue that most is published into; between equals the fuller one."""
    return max(queues, key=lambda queue: (queue.publish_rate, queue.messages), default=None)


def worker_consumers(consumers: Iterable[Consumer], user: str, queues: Iterable[Queue]) -> list[Consumer]:
    """Those of the workers that take work; their control queues are consumed from too, and prove nothing."""
    names = {queue.name for queue in queues}
    return [consumer for consumer in consumers if consumer.user == user and consumer.queue in names]


def choose(queues: Sequence[Queue], consumers: Sequence[Consumer], user: str) -> Victim | None:
    """The busiest queue's leader, with the workers' connections on it, if any."""
    queue = busiest(queues)
    if queue is None or not queue.leader:
        return None
    workers = worker_consumers(consumers, user, queues)
    on_leader = [consumer for consumer in workers if consumer.node == queue.leader]
    on_leader.sort(key=lambda consumer: consumer.queue != queue.name)
    return Victim(queue=queue, node=queue.leader, connections=tuple(on_leader))


def better_leader(victim: Victim, queues: Sequence[Queue], consumers: Sequence[Consumer], user: str) -> str | None:
    """The node that would be the victim asked for, if it led the queue: it carries most of the queue's own workers.

    Between equals the one with most workers of any queue; only a node whose replica is there can lead.
    """
    workers = worker_consumers(consumers, user, queues)

    def weight(node: str) -> tuple[int, int]:
        here = [consumer for consumer in workers if consumer.node == node]
        return sum(consumer.queue == victim.queue.name for consumer in here), len(here)

    able = [node for node in sorted(victim.queue.online) if weight(node)[0] and node != victim.node]
    return max(able, key=weight, default=None)
