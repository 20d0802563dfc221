"""Whether a stack's processes fit the servers they talk to: connections at their largest number, memory of children."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from app.contract import Role
from infra.servers.pgbouncer import MAX_CLIENTS, POOLED_ROLES, pool_size
from infra.servers.rabbitmq.outsiders import POOL_MAX_CONNECTIONS
from infra.servers.rabbitmq.users import MAX_CONNECTIONS
from infra.settings.scaling import most_replicas
from infra.settings.values import amount

if TYPE_CHECKING:
    from infra.settings.stack import Stack
    from infra.settings.workloads import Pool

MIB = 1024 * 1024
#: What a worker's parent process needs beside its children (measured: 85 MiB).
WORKER_PARENT_BYTES = 128 * MIB
#: A child below this would be replaced before it has done anything (measured: 20 MiB beyond the parent when idle).
CHILD_LEAST_BYTES = 64 * MIB
#: Of a gateway or a relay (app/settings.py: postgresql_pool_size).
POOL_CONNECTIONS = 8
#: A worker's parent: one consumes, one sends events, one answers remote control. Each child publishes on its own.
PARENT_CONNECTIONS = 3
#: Nodes and pods being replaced are there twice for a while.
ROLL_OUT_EXTRA = 1


def broken(stack: Stack) -> tuple[str, ...]:
    """What does not fit, a sentence each."""
    pools = (broken_of_pool(pool, f"workloads.pools.{pool.name}.") for pool in stack.workloads.pools)
    return (
        *(sentence for pool in pools for sentence in pool),
        *_database(stack),
        *_broker(stack),
        *_broker_in_prod(stack),
        *_context_in_prod(stack),
    )


def child_bytes(pool: Pool) -> int:
    """Memory that each child of a pool may grow to."""
    return (pool.resources.memory_bytes - WORKER_PARENT_BYTES) // pool.concurrency


def broken_of_pool(pool: Pool, where: str) -> Iterator[str]:
    """What does not fit in a pool by itself; `where` stands before its keys."""
    if child_bytes(pool) < CHILD_LEAST_BYTES:
        least = (WORKER_PARENT_BYTES + pool.concurrency * CHILD_LEAST_BYTES) // MIB
        yield (
            f"{where}resources.memory {pool.resources.memory} is too little for concurrency "
            f"{pool.concurrency}: give it {least}Mi or fewer children"
        )


def _database(stack: Stack) -> Iterator[str]:
    try:
        for role in POOLED_ROLES:
            pool_size(role, stack.pgbouncer.replicas)
    except ValueError as error:
        yield f"pgbouncer.replicas {stack.pgbouncer.replicas}: {error}: fewer replicas"
    workloads = stack.workloads
    clients = (most_replicas(workloads.gateway.scaling) + workloads.relay.replicas) * POOL_CONNECTIONS
    clients += sum((pool.concurrency + 1) * most_replicas(pool.scaling) for pool in workloads.own_pools)
    # With one PgBouncer down, the others have all of them.
    room = max(1, stack.pgbouncer.replicas - 1) * MAX_CLIENTS
    if clients > room:
        yield (
            f"pgbouncer.replicas {stack.pgbouncer.replicas}: {clients} connections of all processes at their largest "
            f"number and room for {room}, with one PgBouncer down: more of them, or a smaller maxReplicas"
        )


def _broker(stack: Stack) -> Iterator[str]:
    for pool in stack.workloads.pools:
        if pool.application is not None and (wanted := _broker_connections(pool)) > POOL_MAX_CONNECTIONS:
            yield (
                f"workloads.pools.{pool.name}: {wanted} connections of its pods at their largest number, and the "
                f"broker's limit for its user is {POOL_MAX_CONNECTIONS}: a smaller maxReplicas or concurrency"
            )
    wanted = sum(map(_broker_connections, stack.workloads.own_pools))
    if wanted > MAX_CONNECTIONS[Role.WORKER]:
        yield (
            f"workloads.pools: {wanted} connections of all workers at their largest number, and the broker's limit "
            f"for their role is {MAX_CONNECTIONS[Role.WORKER]}: a smaller maxReplicas or concurrency"
        )


def _broker_connections(pool: Pool) -> int:
    return (pool.concurrency + PARENT_CONNECTIONS) * (most_replicas(pool.scaling) + ROLL_OUT_EXTRA)


def _context_in_prod(stack: Stack) -> Iterator[str]:
    if stack.is_prod and stack.cluster.context is None:
        yield (
            "cluster.context is missing: without it `pulumi up` would change whichever cluster is current; "
            "`kubectl config get-contexts` lists the names"
        )


def _broker_in_prod(stack: Stack) -> Iterator[str]:
    if stack.is_prod and amount(stack.broker.resources.cpu) < 2:
        yield f"broker.resources.cpu {stack.broker.resources.cpu}: a node of prod needs 2 cores of its own"
