"""How many connections the servers must hold, computed from how many processes there may be at once.

A deployment on Kubernetes and the local stack describe themselves as a `Fleet`. Every limit of a server and every pool
of PgBouncer follows from it, so a pool that scales out finds room. Numbers grow in steps, because PostgreSQL and
RabbitMQ restart for another one: a pod more is no reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from app import contract
from app.contract import Role

#: PostgreSQL's own default: the superuser comes in when everything else is full.
SUPERUSER_CONNECTIONS = 3
#: The roles that connect through PgBouncer. Migration, retention, ledger and dump connect to PostgreSQL directly.
POOLED_ROLES = (Role.GATEWAY, Role.RELAY, Role.WORKER, Role.ARCHIVER, Role.BEAT, Role.OPERATOR)
#: PostgreSQL sessions that a role has in the smallest deployment. A vanished client's counts for half a minute.
_LEAST_SESSIONS: Mapping[Role, int] = {
    Role.OWNER: 5,
    Role.GATEWAY: 24,
    Role.RELAY: 12,
    Role.WORKER: 36,
    Role.ARCHIVER: 4,
    Role.BEAT: 4,
    Role.OPERATOR: 6,
    Role.AUDITOR: 8,
    Role.BACKUP: 2,
}
#: Connections that a gateway may hold (app/settings.py: postgresql_pool_size). Through PgBouncer one is enough:
#: requests that come together share a statement, and it takes milliseconds.
_GATEWAY_CLIENTS, _GATEWAY_SESSIONS = 8, 1
#: Of a gateway, to Redis: four for limits, four for results. Of a worker's process: results, and notices of a chord.
_GATEWAY_REDIS, _WORKER_REDIS = 8, 2
#: A worker's parent: one consumes, one sends events, one answers remote control. Each child publishes on its own.
PARENT_CONNECTIONS = 3
#: Sessions are added by so many, clients and connections by a hundred.
_STEP_SESSIONS, _STEP_CLIENTS = 24, 100
#: RabbitMQ's connections of workers, and of relays, in the smallest deployment. Fuses: a leak stops its role alone.
_LEAST_WORKER_CONNECTIONS, _LEAST_RELAY_CONNECTIONS, _LEAST_FOREIGN_CONNECTIONS = 1000, 100, 300
_LEAST_CLIENTS = 1000


@dataclass(frozen=True, kw_only=True)
class Workers:
    """The pods of one pool, those of a roll-out included, and the children of each."""

    pods: int
    children: int

    @property
    def broker_connections(self) -> int:
        """To RabbitMQ."""
        return self.pods * (self.children + PARENT_CONNECTIONS)


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The processes that there may be at once, at their largest number and while they are being replaced."""

    gateways: int
    relays: int
    queues: int
    #: Pools of our own workers; a foreign one reaches RabbitMQ only, as a user of its own.
    workers: tuple[Workers, ...]
    #: PgBouncers; without any, processes have sessions with PostgreSQL.
    poolers: int = 0

    @property
    def children(self) -> int:
        """Of all workers: each has one transaction at most."""
        return sum(pool.pods * pool.children for pool in self.workers)

    @property
    def parents(self) -> int:
        """Of all workers: a parent records what its children could not."""
        return sum(pool.pods for pool in self.workers)

    @property
    def database_clients(self) -> int:
        """Connections to PgBouncer, or to PostgreSQL where there is none."""
        lanes = self.relays * (self.queues + 1)
        fixed = sum(_LEAST_SESSIONS[role] for role in (Role.ARCHIVER, Role.BEAT, Role.OPERATOR))
        return self.gateways * _GATEWAY_CLIENTS + lanes + self.children + self.parents + fixed

    @property
    def redis_clients(self) -> int:
        """Connections to Redis."""
        return self.gateways * _GATEWAY_REDIS + (self.children + self.parents) * _WORKER_REDIS

    @property
    def worker_connections(self) -> int:
        """Connections of our workers to RabbitMQ."""
        return sum(pool.broker_connections for pool in self.workers)

    @property
    def relay_connections(self) -> int:
        """A lane has one, and a second while it leaves one that is dead."""
        return self.relays * self.queues * 2


def pool_size(fleet: Fleet, role: Role) -> int:
    """Server connections of a role that one PgBouncer holds; all of them together are what the role needs."""
    return math.ceil(_wanted(fleet)[role] / fleet.poolers)


def session_limits(fleet: Fleet) -> dict[Role, int]:
    """Sessions with PostgreSQL that each role may have; with room for one PgBouncer more, which a roll-out starts."""
    wanted = _wanted(fleet)
    if not fleet.poolers:
        return wanted
    pooled = {role: pool_size(fleet, role) * (fleet.poolers + 1) for role in POOLED_ROLES}
    return wanted | pooled


def max_connections(limits: Mapping[Role, int]) -> int:
    """PostgreSQL's own bound: the last role to come must not find the server full, nor the superuser."""
    return sum(limits.values()) + SUPERUSER_CONNECTIONS


def pooler_clients(fleet: Fleet) -> int:
    """Clients that one PgBouncer takes: with one of them down, the others have all."""
    return max(_LEAST_CLIENTS, _stepped(fleet.database_clients / max(1, fleet.poolers - 1), _STEP_CLIENTS))


def redis_max_clients(fleet: Fleet) -> int:
    """Redis' bound: a quarter more than needed, for clients that are gone and not yet noticed."""
    return max(_LEAST_CLIENTS, _stepped(fleet.redis_clients * 1.25, _STEP_CLIENTS))


def redis_broker_clients(fleet: Fleet) -> int:
    """Connections to the Redis that is the broker: as many as RabbitMQ would have."""
    return fleet.worker_connections + fleet.relay_connections


def redis_broker_max_clients(fleet: Fleet) -> int:
    """Its bound, with the same room as the other Redis."""
    return max(_LEAST_CLIENTS, _stepped(redis_broker_clients(fleet) * 1.25, _STEP_CLIENTS))


def broker_limits(fleet: Fleet) -> dict[Role, int]:
    """Connections to RabbitMQ that the roles which scale may hold over all nodes."""
    return {
        Role.RELAY: max(_LEAST_RELAY_CONNECTIONS, _stepped(fleet.relay_connections, _STEP_CLIENTS)),
        Role.WORKER: max(_LEAST_WORKER_CONNECTIONS, _stepped(fleet.worker_connections, _STEP_CLIENTS)),
    }


def foreign_limit(pool: Workers) -> int:
    """Connections to RabbitMQ that the user of a foreign pool may hold over all nodes."""
    return max(_LEAST_FOREIGN_CONNECTIONS, _stepped(pool.broker_connections, _STEP_CLIENTS))


def _wanted(fleet: Fleet) -> dict[Role, int]:
    gateway = _GATEWAY_SESSIONS if fleet.poolers else _GATEWAY_CLIENTS
    needed = {
        Role.GATEWAY: fleet.gateways * gateway,
        Role.RELAY: fleet.relays * (fleet.queues + 1),
        # Through PgBouncer a parent waits for one of its children's.
        Role.WORKER: fleet.children + (0 if fleet.poolers else fleet.parents),
    }
    grown = {role: _stepped(count, _STEP_SESSIONS) for role, count in needed.items() if count > _LEAST_SESSIONS[role]}
    return {role: grown.get(role, _LEAST_SESSIONS[role]) for role in contract.POSTGRESQL_ROLES}


def _stepped(number: float, step: int) -> int:
    return math.ceil(number / step) * step
