"""Makes the broker, result backend, database and object store that a stack chose; infra.managed connects those of AWS.

It hands the others only what they need to know: where, by which variables, whom to trust, and what to wait for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi

from app.contract import Role
from infra import managed, naming
from infra.below import Below
from infra.components.certificates import Certificates
from infra.components.cloudnative_pg import CloudNativePGCluster
from infra.components.files import content_hash
from infra.components.keda import queue_trigger, redis_trigger
from infra.components.object_server import S3Server
from infra.components.passwords import Passwords
from infra.components.pgbouncer import PgBouncer
from infra.components.postgresql import PostgreSQL
from infra.components.rabbitmq import RabbitMQ
from infra.components.redis import Redis
from infra.endpoints import Backends, Given, Server
from infra.managed import Managed
from infra.redis_broker import redis_broker
from infra.servers.capacity import broker_limits, redis_max_clients
from infra.servers.rabbitmq.definitions import users_file
from infra.servers.redis import CLIENTS
from infra.settings import backends as chosen
from infra.settings.backends import ObjectServer
from infra.settings.limits import broker_connections
from infra.settings.scaling import KedaQueue
from infra.settings.stack import Stack


def given(stack: Stack, below: Below | None) -> Given:
    """What is known before anything is made."""
    passwords: Mapping[tuple[str, str], pulumi.Output[str]] = {}
    if below and not stack.result_backend.in_cluster:
        passwords = {(user, "redis"): below.cache_password(user) for user in CLIENTS}
    host = below.broker_host if below and not stack.broker.in_cluster else naming.service_host(naming.RABBITMQ)
    return Given(host, passwords)


def build(
    stack: Stack,
    certificates: Certificates,
    passwords: Passwords,
    below: Below | None,
    *,
    after: Sequence[pulumi.Resource],
) -> Backends:
    """Make the servers of a stack's choice; `below` knows those that are there already."""
    aws = Managed.of(stack, below, after=after)
    broker = _broker(stack, certificates, passwords, aws, after=after)
    results = _result_backend(stack, certificates, passwords, aws, after=after)
    direct = _database(stack, certificates, passwords, aws, after=after)
    pool = PgBouncer(
        stack,
        direct.environment["MILLRACE_POSTGRESQL_HOST"],
        certificates,
        passwords,
        authorities=direct.authorities,
        after=[*after, *direct.ready],
    )
    return Backends(
        uploads=_uploads(stack, certificates, passwords, after=after),
        broker=broker,
        result_backend=results,
        database=Server(pool.environment, (pool,)),
        database_direct=direct,
        secrets_hash=lambda user: content_hash({"passwords": passwords.hash_of(user), "ca.crt": certificates.trust}),
        queue_trigger=redis_trigger if isinstance(stack.broker, chosen.RedisBroker) else queue_trigger,
    )


def _broker(
    stack: Stack,
    certificates: Certificates,
    passwords: Passwords,
    aws: Managed | None,
    *,
    after: Sequence[pulumi.Resource],
) -> Server:
    scaled = any(isinstance(pool.scaling, KedaQueue) for pool in stack.workloads.pools)
    scaled_in = naming.NAMESPACE_APP if scaled else None
    if isinstance(stack.broker, chosen.RedisBroker):
        return redis_broker(stack, stack.broker, certificates, passwords, scaled_in=scaled_in, after=after)
    everyone = pulumi.Output.all(passwords.all_of("rabbitmq"), passwords.of_outsiders(stack.outsiders))
    users = everyone.apply(
        lambda known: users_file(
            known[0],
            stack.queues,
            broker_limits(stack.fleet),
            dict(zip(stack.outsiders, known[1], strict=True)),
        )
    )
    if not isinstance(stack.broker, chosen.RabbitMQ):
        return managed.amazon_mq(stack, managed.needed(aws), users, scaled_in=scaled_in, after=after)
    broker = RabbitMQ(
        stack,
        stack.broker,
        certificates,
        users,
        image=stack.images.reference("rabbitmq"),
        cookie=passwords.generate("erlang-cookie"),
        queues=stack.queues,
        timings=stack.timings,
        connections=broker_connections(stack),
        scaled_in=scaled_in,
        after=after,
    )
    return Server(broker.environment, (broker,))


def _result_backend(
    stack: Stack,
    certificates: Certificates,
    passwords: Passwords,
    aws: Managed | None,
    *,
    after: Sequence[pulumi.Resource],
) -> Server:
    if not isinstance(stack.result_backend, chosen.Redis):
        return managed.elasticache(managed.needed(aws))
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
    return Server(redis.environment, (redis,))


def _database(
    stack: Stack,
    certificates: Certificates,
    passwords: Passwords,
    aws: Managed | None,
    *,
    after: Sequence[pulumi.Resource],
) -> Server:
    database: PostgreSQL | CloudNativePGCluster
    match stack.database:
        case chosen.SinglePostgreSQL() as settings:
            database = PostgreSQL(stack, settings, certificates, passwords, after=after)
        case chosen.CloudNativePG() as settings:
            database = CloudNativePGCluster(stack, settings, certificates, passwords, after=after)
        case chosen.Rds():
            return managed.rds(stack, managed.needed(aws), passwords.all_of("postgresql"), after=after)
    return Server({"MILLRACE_POSTGRESQL_HOST": database.host}, (database,))


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
