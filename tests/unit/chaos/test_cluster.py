"""Which node is the victim, decided from what the management API says."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.cluster import (
    Consumer,
    Queue,
    better_leader,
    busiest,
    choose,
    read_consumers,
    read_queues,
    service_of,
    worker_consumers,
)


def queue(name: str, leader: str = "n1", rate: float = 0.0, messages: int = 0, online: str = "n1 n2 n3") -> Queue:
    """A queue of three members."""
    return Queue(
        name=name,
        leader=leader,
        members=("n1", "n2", "n3"),
        online=tuple(online.split()),
        messages=messages,
        publish_rate=rate,
    )


def consumer(queue: str, node: str, user: str = "worker") -> Consumer:
    """A consumer over a connection of its own."""
    return Consumer(queue=queue, connection=f"{queue}@{node}", node=node, user=user, peer="10.0.0.1")


def test_the_api_is_read() -> None:
    """Leader, members, counts and rates come from where the API has them; queues without load have no rate."""
    listed: list[dict[str, Any]] = [
        {
            "name": "bulk",
            "leader": "n2",
            "node": "n2",
            "members": ["n1", "n2"],
            "online": ["n1"],
            "messages": 4,
            "message_stats": {"publish_details": {"rate": 1.5}},
        },
        {"name": "external", "leader": "n1"},
        {"name": "celeryev.1", "node": "n1"},
    ]

    bulk, external = read_queues(listed, ["bulk", "external"])

    assert (bulk.leader, bulk.members, bulk.online, bulk.messages, bulk.publish_rate) == (
        "n2", ("n1", "n2"), ("n1",), 4, 1.5
    )  # fmt: skip
    assert (external.publish_rate, external.messages) == (0.0, 0)


def test_consumers_are_read_with_their_connections() -> None:
    """A consumer whose channel is closing has no details and is left out."""
    details = {"connection_name": "c", "node": "n1", "user": "worker", "peer_host": "10.0.0.1"}

    (read,) = read_consumers([{"queue": {"name": "bulk"}, "channel_details": details}, {"channel_details": []}])

    assert read == Consumer(queue="bulk", connection="c", node="n1", user="worker", peer="10.0.0.1")


def test_the_busiest_queue_has_the_highest_rate_then_the_most_messages() -> None:
    """What is published decides; where nothing is, what waits."""
    assert busiest([queue("a", rate=1, messages=99), queue("b", rate=2)]) == queue("b", rate=2)
    assert busiest([queue("a", messages=1), queue("b", messages=2)]) == queue("b", messages=2)
    assert busiest([]) is None


def test_only_workers_of_work_queues_count() -> None:
    """Neither Flower nor a worker's control queue proves that work is taken."""
    work = consumer("bulk", "n1")

    found = worker_consumers(
        [work, consumer("bulk@host.celery.pidbox", "n1"), consumer("bulk", "n1", user="flower")],
        "worker",
        [queue("bulk")],
    )

    assert found == [work]


def test_the_victim_is_the_leader_with_the_workers_on_it() -> None:
    """Connections to other nodes are not the victim's."""
    on_leader = consumer("interactive", "n2")

    victim = choose([queue("bulk", "n2", rate=5), queue("interactive")], [on_leader, consumer("bulk", "n1")], "worker")

    assert victim is not None
    assert (victim.node, victim.connections) == ("n2", (on_leader,))
    assert not victim.qualifies
    own = choose([queue("bulk", "n2", rate=5), queue("interactive")], [on_leader, consumer("bulk", "n2")], "worker")
    assert own is not None
    assert own.qualifies
    assert own.connections[0].queue == "bulk"


def test_a_queue_without_a_leader_has_no_victim() -> None:
    """In the middle of an election there is nobody to kill."""
    assert choose([queue("bulk", "")], [], "worker") is None


@pytest.mark.parametrize(
    ("consumers", "online", "wanted"),
    [
        ([consumer("bulk", "n3"), consumer("interactive", "n2"), consumer("external", "n2")], "n1 n2 n3", "n3"),
        ([consumer("bulk", "n2"), consumer("bulk", "n3"), consumer("external", "n3")], "n1 n2 n3", "n3"),
        ([consumer("bulk", "n3"), consumer("interactive", "n2")], "n1 n2", None),
        ([consumer("interactive", "n2")], "n1 n2 n3", None),
        ([], "n1 n2 n3", None),
    ],
)
def test_the_better_leader_has_the_queues_own_workers(
    consumers: list[Consumer], online: str, wanted: str | None
) -> None:
    """Only a node with workers of the queue will do, and with a replica; between equals the one with most workers."""
    queues = [queue("bulk", "n1", rate=5, online=online), queue("interactive"), queue("external")]
    victim = choose(queues, [], "worker")
    assert victim is not None

    assert better_leader(victim, queues, consumers, "worker") == wanted


def test_a_node_is_its_compose_service() -> None:
    """RabbitMQ's node name holds the host's, which is the service's."""
    assert service_of("rabbit@rabbitmq-2") == "rabbitmq-2"
