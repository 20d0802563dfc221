"""Each role may do its work and nothing else; strangers may do nothing."""

from __future__ import annotations

from functools import partial

import amqp
import httpx
import pytest

from app import contract
from app.contract import Role, queue_names
from infra.servers.rabbitmq import users
from tests.harness.rabbitmq_nodes import Nodes
from tests.harness.waiting import eventually
from tests.proofs.rabbitmq.messages import drain, publish

_QUORUM = {"x-queue-type": "quorum"}
_REFUSED: list[tuple[Role, str]] = [
    (Role.WORKER, "declare interactive"),
    (Role.WORKER, "declare mine"),
    (Role.WORKER, "delete interactive"),
    (Role.WORKER, "get interactive.dead"),
    (Role.WORKER, "publish tasks.dead"),
    (Role.RELAY, "get interactive"),
    (Role.RELAY, "consume interactive"),
    (Role.RELAY, "declare mine"),
    (Role.RELAY, "publish tasks.dead"),
    (Role.BEAT, "get interactive"),
    (Role.BEAT, "consume interactive"),
    (Role.BEAT, "declare mine"),
    (Role.BEAT, "delete interactive"),
    (Role.BEAT, "purge interactive"),
    (Role.BEAT, "bind interactive"),
    (Role.BEAT, "publish celery_delayed_27"),
    (Role.BEAT, "publish tasks"),
    (Role.BEAT, "publish tasks.dead"),
    (Role.BEAT, "publish "),
    (Role.ARCHIVER, "get interactive"),
    (Role.ARCHIVER, "publish tasks"),
    (Role.FLOWER, "get interactive"),
    (Role.FLOWER, "publish tasks"),
    (Role.TOPOLOGY, "declare mine"),
]


@pytest.mark.parametrize(("role", "deed"), _REFUSED)
def test_roles_may_no_more_than_they_must(nodes: Nodes, role: Role, deed: str) -> None:
    """Each role is refused what is not its work."""
    verb, _, name = deed.partition(" ")
    with nodes.channel(role) as channel, pytest.raises(amqp.AccessRefused):  # noqa: PT012 - one of them runs
        match verb:
            case "declare":
                channel.queue_declare(name, durable=True, auto_delete=False, arguments=_QUORUM)
            case "delete":
                channel.queue_delete(name)
            case "purge":
                channel.queue_purge(name)
            case "bind":
                channel.queue_bind(name, contract.TASKS_EXCHANGE, "everything")
            case "get":
                channel.basic_get(name)
            case "consume":
                channel.basic_consume(name)
            case "publish":
                publish(channel, "x", exchange=name)


@pytest.mark.parametrize("role", [Role.RELAY, Role.WORKER])
def test_publishers_may_publish_tasks(nodes: Nodes, role: Role) -> None:
    """What they are for."""
    with nodes.channel(role) as channel:
        publish(channel, str(role))
    assert drain(nodes, nodes.cluster.hosts[1]) == [str(role)]


def test_a_worker_cannot_read_the_control_queue_of_another(nodes: Nodes) -> None:
    """Its name is permitted to the role; that it is exclusive keeps it to one connection."""
    name = "bulk@one.celery.pidbox.1"
    with nodes.channel(Role.WORKER) as mine, nodes.channel(Role.WORKER) as others:
        mine.queue_declare(name, durable=False, exclusive=True)
        with pytest.raises(amqp.ResourceLocked):
            others.basic_get(name)


@pytest.mark.parametrize("role", [Role.KEDA, Role.PROMETHEUS])
def test_who_asks_over_http_reads_counts_and_nothing_else(nodes: Nodes, role: Role) -> None:
    """KEDA's request is answered with the length of each work queue; no message, no change, and no AMQP at all."""
    with nodes.channel(Role.RELAY) as channel:
        publish(channel, "1", "2", "3", key="bulk")
    with nodes.http(role, host=nodes.cluster.hosts[1]) as client:

        def holds(queue: str, messages: int) -> bool:
            answer = client.get(f"/api/queues/{contract.VHOST}/{queue}").raise_for_status().json()
            return bool(answer.get("messages") == messages)

        for queue in queue_names():
            wanted = 3 if queue == "bulk" else 0
            eventually(
                partial(holds, queue, wanted), what=f"{role} reads {wanted} messages of {queue}", every=0.5,
            )  # fmt: skip
        url = f"/api/queues/{contract.VHOST}/bulk"
        taken = client.post(f"{url}/get", json={"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"})
        refused = (
            taken,
            client.delete(f"{url}/contents"),
            client.delete(url),
            client.put(f"/api/queues/{contract.VHOST}/mine", json={"durable": True}),
            client.post(
                f"/api/exchanges/{contract.VHOST}/{contract.TASKS_EXCHANGE}/publish",
                json={"properties": {}, "routing_key": "bulk", "payload": "x", "payload_encoding": "string"},
            ),
            client.get("/api/users"),
            client.get("/api/definitions"),
            client.put(f"/api/policies/{contract.VHOST}/mine", json={"pattern": ".*", "definition": {"expires": 1}}),
        )
        assert not [answer.request.url for answer in refused if answer.is_success]
    with pytest.raises(amqp.NotAllowed), nodes.channel(role):
        pass
    assert drain(nodes, nodes.cluster.hosts[0], "bulk") == ["1", "2", "3"]


def test_prometheus_reads_metrics(nodes: Nodes) -> None:
    """With its password, and nobody without. A queue is told of by the node that leads it."""

    def told() -> bool:
        parameters = {"family": "queue_coarse_metrics", "vhost": contract.VHOST}
        text = ""
        for host in nodes.cluster.hosts:
            with nodes.http(Role.PROMETHEUS, port=contract.PORT_RABBITMQ_METRICS, host=host) as client:
                text += client.get("/metrics/detailed", params=parameters).raise_for_status().text
        return all(f'queue="{queue}"' in text for queue in queue_names())

    eventually(told, what="the nodes tell of every work queue", every=0.5)
    for host in nodes.cluster.hosts:
        with nodes.http(None, port=contract.PORT_RABBITMQ_METRICS, host=host) as client:
            assert client.get("/metrics").status_code == httpx.codes.UNAUTHORIZED


def test_nobody_is_in_a_foreign_vhost(nodes: Nodes) -> None:
    """Another vhost is closed to every role, the operator's included, until somebody grants it."""
    with nodes.http(Role.OPERATOR) as client:
        client.put("/api/vhosts/foreign", json={}).raise_for_status()
        # RabbitMQ grants it to whoever made it.
        client.delete("/api/permissions/foreign/operator")
    try:
        for role in sorted(users.permissions(contract.queues())):
            with pytest.raises(amqp.NotAllowed), nodes.channel(role, vhost="foreign"):
                pass
    finally:
        with nodes.http(Role.OPERATOR) as client:
            client.delete("/api/vhosts/foreign").raise_for_status()


@pytest.mark.parametrize(
    ("user", "password"),
    [("guest", "guest"), ("worker", "wrong"), ("operator", ""), ("", ""), (contract.login(Role.WORKER, 2), "")],
)
def test_strangers_are_refused(nodes: Nodes, user: str, password: str) -> None:
    """No guest, no empty password, no name of nobody, no login that waits for a rotation: over AMQP and over HTTP."""
    with pytest.raises((amqp.AccessRefused, OSError)), nodes.channel(user, password=password):
        pass
    with nodes.http(None) as client:
        assert client.get("/api/overview", auth=(user, password)).status_code == httpx.codes.UNAUTHORIZED
