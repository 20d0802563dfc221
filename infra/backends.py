"""The one place that knows which broker, result backend, database and object store a stack has.

It makes them, and hands the others only what they need to know: where, by which variables, and what to wait for.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from app.contract import Role
from infra import naming
from infra.components.certificates import Certificates
from infra.components.cloudnative_pg import CloudNativePGCluster
from infra.components.files import content_hash
from infra.components.object_server import S3Server
from infra.components.passwords import Passwords
from infra.components.pgbouncer import PgBouncer
from infra.components.postgresql import PostgreSQL
from infra.components.rabbitmq import RabbitMQ, queue_trigger
from infra.components.redis import Redis
from infra.endpoints import Backends, Server
from infra.servers.capacity import broker_limits, redis_max_clients
from infra.servers.rabbitmq.definitions import users_file
from infra.settings.backends import ObjectServer, SinglePostgreSQL
from infra.settings.limits import broker_connections
from infra.settings.scaling import KedaQueue
from infra.settings.stack import Stack


def build(
    stack: Stack, certificates: Certificates, passwords: Passwords, *, after: Sequence[pulumi.Resource]
) -> Backends:
    """Make the servers of a stack's choice."""
    broker = _broker(stack, certificates, passwords, after=after)
    redis = Redis(
        stack,
        stack.result_backend,
        certificates,
        passwords.all_of("redis"),
        {role: passwords.of(role, "redis") for role in (Role.PROBE, Role.REPLICA, Role.SENTINEL)},
        image=stack.images.reference("redis"),
        max_clients=redis_max_clients(stack.fleet),
        after=after,
    )
    database: PostgreSQL | CloudNativePGCluster
    if isinstance(stack.database, SinglePostgreSQL):
        database = PostgreSQL(stack, stack.database, certificates, passwords, after=after)
    else:
        database = CloudNativePGCluster(stack, stack.database, certificates, passwords, after=after)
    pool = PgBouncer(stack, database.host, certificates, passwords, after=[*after, database])
    return Backends(
        uploads=_uploads(stack, certificates, passwords, after=after),
        broker=Server(broker.environment, (broker,)),
        result_backend=Server(redis.environment, (redis,)),
        database=Server(pool.environment, (pool,)),
        database_direct=Server({"MILLRACE_POSTGRESQL_HOST": database.host}, (database,)),
        secrets_hash=lambda user: content_hash({"passwords": passwords.hash_of(user), "ca.crt": certificates.trust}),
        queue_trigger=queue_trigger,
    )


def _broker(
    stack: Stack, certificates: Certificates, passwords: Passwords, *, after: Sequence[pulumi.Resource]
) -> RabbitMQ:
    everyone = pulumi.Output.all(passwords.all_of("rabbitmq"), passwords.of_outsiders(stack.outsiders))
    scaled = any(isinstance(pool.scaling, KedaQueue) for pool in stack.workloads.pools)
    return RabbitMQ(
        stack,
        stack.broker,
        certificates,
        everyone.apply(
            lambda known: users_file(
                known[0],
                stack.queues,
                broker_limits(stack.fleet),
                dict(zip(stack.outsiders, known[1], strict=True)),
            )
        ),
        image=stack.images.reference("rabbitmq"),
        cookie=passwords.generate("erlang-cookie"),
        queues=stack.queues,
        timings=stack.timings,
        connections=broker_connections(stack),
        scaled_in=naming.NAMESPACE_APP if scaled else None,
        after=after,
    )


def _uploads(
    stack: Stack, certificates: Certificates, passwords: Passwords, *, after: Sequence[pulumi.Resource]
) -> Server | None:
    settings = stack.uploads
    if settings is None:
        return None
    if isinstance(settings, ObjectServer):
        server = S3Server(stack, settings, certificates, passwords, after=after)
        return Server(server.environment, (server,))
    environment = {
        "MILLRACE_S3_ENDPOINT": f"https://{settings.endpoint}",
        "MILLRACE_S3_BUCKET": settings.bucket,
        "MILLRACE_S3_REGION": settings.region,
        "MILLRACE_S3_PUBLIC_CA": "true",
    }
    return Server(environment, (), own_users=False)
