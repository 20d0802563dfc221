"""The main program's demands on the servers below it: whether they are these, and whether its processes fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.aws.settings.servers import AmazonMQ
from infra.servers import capacity
from infra.settings.limits import broker_clients

if TYPE_CHECKING:
    from infra.aws.settings.stack import AwsStack

#: RDS' own: a session for so much memory, and this many at most. A tenth of the memory is not the instance's.
BYTES_A_SESSION, MOST_SESSIONS, SHARE = 9_531_392, 5000, 0.9
#: Amazon MQ's default limit of connections to a node of mq.m7g.large, and so no less than a smaller one has.
CONNECTIONS_OF_A_NODE, NODES, LIMITED = 1500, 3, (".medium", ".large")


def broken(stack: AwsStack) -> Iterator[str]:
    """What does not fit, a sentence each."""
    asks = stack.application
    if asks.aws is not None and sorted(asks.aws.cidrs) != sorted(stack.network.subnets.values()):
        subnets = ", ".join(stack.network.subnets.values())
        yield (
            f"network.cidr {stack.network.cidr} has the subnets {subnets}, and the application's policies let it "
            f"out to {', '.join(asks.aws.cidrs)}: write the subnets into its aws.cidrs"
        )
    if not asks.database.in_cluster:
        yield from _sessions(stack)
    if not asks.broker.in_cluster:
        yield from _connections(stack)


def _sessions(stack: AwsStack) -> Iterator[str]:
    memory_gib = stack.database.memory_gib
    if memory_gib is None:
        return
    needed = capacity.max_connections(capacity.session_limits(stack.application.fleet))
    room = min(int(memory_gib * 2**30 * SHARE / BYTES_A_SESSION), MOST_SESSIONS)
    if needed > room:
        yield (
            f"database.instanceClass {stack.database.instance_class}: {needed} sessions of all processes at their "
            f"largest number, and room for {room}: choose a larger one, or a smaller maxReplicas or concurrency in the "
            "application's workloads.pools"
        )


def _connections(stack: AwsStack) -> Iterator[str]:
    if not isinstance(stack.broker, AmazonMQ):
        yield f"broker.kind {stack.broker.kind}: the application speaks to amazonmq: choose the same in both"
        return
    # With one node down, the others have all of them.
    of_a_node = -(-broker_clients(stack.application) // (NODES - 1))
    if stack.broker.instance_type.endswith(LIMITED) and of_a_node > CONNECTIONS_OF_A_NODE:
        yield (
            f"broker.instanceType {stack.broker.instance_type}: {of_a_node} connections of a node while another is "
            f"down, and Amazon MQ takes {CONNECTIONS_OF_A_NODE}: choose a larger one, or a smaller maxReplicas or "
            "concurrency in the application's workloads.pools"
        )
