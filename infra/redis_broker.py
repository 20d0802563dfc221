"""Redis as the broker in the cluster: the server, its users, and KEDA's way in."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from app.contract import Role
from infra import naming
from infra.components.certificates import Certificates
from infra.components.component import Component
from infra.components.keda import redis_authentication
from infra.components.passwords import Passwords
from infra.components.redis import Redis
from infra.endpoints import Server
from infra.servers.capacity import redis_broker_max_clients
from infra.servers.redis_broker import users_acl
from infra.settings.backends import RedisBroker
from infra.settings.stack import Stack


def redis_broker(
    stack: Stack,
    settings: RedisBroker,
    certificates: Certificates,
    passwords: Passwords,
    *,
    scaled_in: str | None,
    after: Sequence[pulumi.Resource],
) -> Server:
    """One, with an append-only file that is on disk before it answers: its answer is a confirm."""
    queues = [queue.name for queue in stack.queues]
    redis = Redis(
        stack,
        settings,
        certificates,
        passwords.all_of(settings.logins),
        {Role.PROBE: passwords.of(Role.PROBE, settings.logins)},
        image=stack.images.reference("redis"),
        max_clients=redis_broker_max_clients(stack.fleet),
        access=lambda users: users_acl(users, queues),
        sync="always",
        name=settings.component,
        after=after,
    )
    if scaled_in is not None:
        QueueLengths(stack, scaled_in, redis.host, after=after)
    return Server({"MILLRACE_REDIS_BROKER_HOST": redis.host}, (redis,))


class QueueLengths(Component):
    """Lets KEDA ask how long the lists are."""

    def __init__(self, stack: Stack, namespace: str, host: str, *, after: Sequence[pulumi.Resource]) -> None:
        super().__init__("keda-redis-broker", stack, after=after)
        redis_authentication(self, naming.REDIS_BROKER, namespace, host)
        self.register_outputs({})
