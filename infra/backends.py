"""The one place that knows which broker, result backend, database and object store a stack has.

It makes them, and hands the others only what they need to know: where, by which variables, and what to wait for.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

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
from infra.settings.backends import ObjectServer, SinglePostgreSQL
from infra.settings.stack import Stack


def build(
    stack: Stack, certificates: Certificates, passwords: Passwords, *, after: Sequence[pulumi.Resource]
) -> Backends:
    """Make the servers of a stack's choice."""
    broker = RabbitMQ(stack, certificates, passwords, after=after)
    redis = Redis(stack, certificates, passwords, after=after)
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
