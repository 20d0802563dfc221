"""Queues are isolated in the relay: one that gives no confirm delays no other (A7)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import amqp

from app import contract
from app.contract import Role
from tests.harness import here
from tests.harness.messages import event
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

#: A relay that served the queues one after the other would never come to the second: it waits for the first.
SILENT, AFTER = "bulk", "external"


@contextmanager
def _silent(stack: Stack, queue: str) -> Iterator[None]:
    """The queue's only member is on the last node, which is dead: what is published to it is never confirmed."""
    node = stack.nodes[-1]
    stack.remove(f"worker-{queue}")
    stack.broker.ask("DELETE", f"/api/queues/{contract.VHOST}/{queue}")
    connection = amqp.Connection(
        host=f"127.0.0.1:{stack.port(node, contract.PORT_AMQPS)}",
        userid=str(Role.TOPOLOGY), password=stack.password(Role.TOPOLOGY, "rabbitmq"), virtual_host=contract.VHOST,
        ssl={"ca_certs": str(stack.ca_file), "server_hostname": "localhost"}, connect_timeout=30,
    )  # fmt: skip
    try:
        connection.connect()
        channel = connection.channel()
        where = {"x-queue-type": "quorum", "x-quorum-initial-group-size": 1, "x-queue-leader-locator": "client-local"}
        channel.queue_declare(queue, durable=True, auto_delete=False, arguments=where)
        channel.queue_bind(queue, contract.TASKS_EXCHANGE, queue)
    finally:
        connection.collect()
    stack.machines[node].kill()
    try:
        yield
    finally:
        stack.machines[node].start_again()
        stack.wait(node)


def test_a_queue_that_gives_no_confirm_delays_no_other(cluster: Stack) -> None:
    """Its messages wait; those of the queues after it go out, and its own when it is back."""
    listed, one = event(), event()
    try:
        with _silent(cluster, SILENT):
            with cluster.http() as client:
                assert client.post("/v1/events", json=[listed]).status_code == 202
            eventually(
                lambda: cluster.query("SELECT 1 FROM outbox_pending WHERE queue = %s", SILENT), what="a list waits"
            )
            here.inject(cluster, AFTER, contract.TASK_CANARY, [])
            eventually(lambda: cluster.broker.messages().get(AFTER) == 1, what=f"the message for {AFTER} is sent")
            with cluster.http() as client:
                assert client.post("/v1/events", json=one).status_code == 202
            _executed(cluster, one["event_id"])
            assert cluster.query("SELECT 1 FROM outbox_pending WHERE queue = %s", SILENT), "the list was confirmed"
        cluster.ensure(f"worker-{SILENT}")
        _executed(cluster, listed["event_id"])
    finally:
        cluster.broker.ask("DELETE", f"/api/queues/{contract.VHOST}/{SILENT}")
        cluster.run("topology")
        cluster.broker.purge()


def _executed(stack: Stack, event_id: str) -> None:
    eventually(lambda: stack.query("SELECT 1 FROM events WHERE event_id = %s", event_id), what="the event is executed")
