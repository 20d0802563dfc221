"""Whether a stack's processes fit the servers they talk to: connections at their largest number, memory of children."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.servers import capacity, postgresql_conf, redis_conf
from infra.servers.capacity import Fleet
from infra.servers.rabbitmq import vhost
from infra.settings.backends import RabbitMQ
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
#: Pods being replaced are there twice for a while.
ROLL_OUT_EXTRA = 1
#: RabbitMQ's: a connection over TLS with its channels, and the share of a node's memory that connections may have.
BROKER_CONNECTION_BYTES = 200 * 1024
BROKER_CONNECTIONS_SHARE = 0.25
#: PgBouncer's: a client over TLS, and what it needs without any.
POOLER_CLIENT_BYTES = 40 * 1024
POOLER_BYTES = 16 * MIB


def broken(stack: Stack) -> tuple[str, ...]:
    """What does not fit, a sentence each."""
    pools = (broken_of_pool(pool, f"workloads.pools.{pool.name}.") for pool in stack.workloads.pools)
    return (
        *(sentence for pool in pools for sentence in pool),
        *_database(stack),
        *_pooler(stack),
        *_redis(stack),
        *_broker(stack),
        *_broker_in_prod(stack),
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


def fleet(stack: Stack) -> Fleet:
    """Its processes at their largest number, and while each kind is being replaced."""
    workloads = stack.workloads
    return Fleet(
        gateways=most_replicas(workloads.gateway.scaling) + ROLL_OUT_EXTRA,
        relays=workloads.relay.replicas + ROLL_OUT_EXTRA,
        queues=len(stack.queues),
        workers=tuple(pool.workers for pool in workloads.own_pools),
        poolers=stack.pgbouncer.replicas,
    )


def _database(stack: Stack) -> Iterator[str]:
    if stack.database.resources is None:
        return
    sessions = capacity.max_connections(capacity.session_limits(fleet(stack)))
    memory = stack.database.resources.memory
    room = postgresql_conf.sessions_room(stack.database.resources.memory_bytes)
    if sessions > room:
        least = postgresql_conf.memory_for(sessions) // MIB
        yield (
            f"database.resources.memory {memory}: {sessions} sessions of all processes at their largest number, and "
            f"room for {room}: give it {least}Mi, or a smaller maxReplicas or concurrency in workloads.pools "
            f"({largest(stack)} has most)"
        )


def _pooler(stack: Stack) -> Iterator[str]:
    clients = capacity.pooler_clients(fleet(stack))
    room = (stack.pgbouncer.resources.memory_bytes - POOLER_BYTES) // POOLER_CLIENT_BYTES
    if clients > room:
        least = (POOLER_BYTES + clients * POOLER_CLIENT_BYTES) // MIB + 1
        yield (
            f"pgbouncer.resources.memory {stack.pgbouncer.resources.memory}: {clients} clients of each of "
            f"{stack.pgbouncer.replicas} while one is down, and room for {room}: give it {least}Mi, or more replicas"
        )


def _redis(stack: Stack) -> Iterator[str]:
    if stack.result_backend.resources is None:
        return
    clients = fleet(stack).redis_clients
    memory = stack.result_backend.resources.memory
    room = redis_conf.clients_room(stack.result_backend.resources.memory_bytes)
    if clients > room:
        yield (
            f"resultBackend.resources.memory {memory}: {clients} clients at their largest number, and room for {room} "
            f"in a quarter of it: give it {redis_conf.memory_for(clients) // MIB}Mi, or a smaller maxReplicas or "
            f"concurrency in workloads.pools ({largest(stack)} has most)"
        )


def _broker(stack: Stack) -> Iterator[str]:
    if not isinstance(stack.broker, RabbitMQ):
        return
    all_of = broker_clients(stack)
    # With one node down, the others have all of them.
    of_a_node = -(-all_of // (stack.broker.nodes - 1))
    room = int(stack.broker.resources.memory_bytes * BROKER_CONNECTIONS_SHARE) // BROKER_CONNECTION_BYTES
    if of_a_node > room:
        least = -(-int(of_a_node * BROKER_CONNECTION_BYTES / BROKER_CONNECTIONS_SHARE) // MIB)
        yield (
            f"broker.resources.memory {stack.broker.resources.memory}: {of_a_node} connections of a node while another "
            f"is down, and room for {room} in a quarter of it: give it {least}Mi, or a smaller maxReplicas or "
            f"concurrency in workloads.pools ({largest(stack)} has most)"
        )


def broker_clients(stack: Stack) -> int:
    """Connections of workers and relays at their largest number."""
    return sum(pool.workers.broker_connections for pool in stack.workloads.pools) + fleet(stack).relay_connections


def broker_connections(stack: Stack) -> int:
    """The vhost's fuse: what all users together may hold."""
    limits = capacity.broker_limits(fleet(stack))
    return max(vhost.CONNECTIONS, 2 * (sum(limits.values()) + sum(one.max_connections for one in stack.outsiders)))


def largest(stack: Stack) -> str:
    """The pool with the most children."""
    return max(stack.workloads.pools, key=lambda pool: pool.workers.pods * pool.concurrency).name


def _broker_in_prod(stack: Stack) -> Iterator[str]:
    if stack.is_prod and isinstance(stack.broker, RabbitMQ) and amount(stack.broker.resources.cpu) < 2:
        yield f"broker.resources.cpu {stack.broker.resources.cpu}: a node of prod needs 2 cores of its own"
