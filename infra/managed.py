"""Servers that AWS runs, as our processes see them: where, whom to trust, and the Jobs that make our logins there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from app.contract import Role
from infra import below as below_us, naming
from infra.below import Below
from infra.components.authorities import FILE, AwsAuthorities
from infra.components.component import Component
from infra.components.keda import trigger_authentication
from infra.components.logins import Administered, Logins
from infra.endpoints import Server
from infra.servers.capacity import session_limits
from infra.servers.logins import Accepted
from infra.servers.postgresql import managed_roles_sql
from infra.servers.rabbitmq.definitions import FOLDER, USERS_FILE, VHOST_FILE, vhost_file
from infra.settings.limits import broker_connections
from infra.settings.stack import Stack

#: In the folder of secrets, where `python -m app logins` looks.
ROLES_FILE = "roles.sql"


@dataclass(frozen=True)
class Managed:
    """What there is of AWS."""

    below: Below
    authorities: AwsAuthorities

    @classmethod
    def of(cls, stack: Stack, below: Below | None, *, after: Sequence[pulumi.Resource]) -> Managed | None:
        """None where no server is AWS's."""
        if below is None or stack.aws is None:
            return None
        return cls(below, AwsAuthorities(stack, stack.aws, after=after))


def needed(aws: Managed | None) -> Managed:
    """What a choice of AWS's needs; the settings refuse one without the other."""
    if aws is None:
        raise LookupError("a server of AWS is chosen, and no stack of infra/aws is named: set millrace:aws")
    return aws


def rds(
    stack: Stack, aws: Managed, passwords: pulumi.Output[Mapping[Role, Accepted]], *, after: Sequence[pulumi.Resource]
) -> Server:
    """PostgreSQL, past the pool of connections; there when its roles are."""
    environment: dict[str, pulumi.Input[str]] = {
        "MILLRACE_POSTGRESQL_HOST": aws.below.database_host,
        "MILLRACE_POSTGRESQL_CA": FILE,
    }
    limits = session_limits(stack.fleet)
    administered = Administered(
        component=naming.POSTGRESQL_LOGINS,
        server="postgresql",
        environment=environment,
        user=below_us.DATABASE_ADMIN,
        password=aws.below.database_admin_password,
        authorities=aws.authorities.files,
    )
    roles = passwords.apply(lambda known: managed_roles_sql(known, limits))
    logins = Logins(stack, administered, {ROLES_FILE: roles}, after=[*after, aws.authorities])
    return Server(environment, (logins,), authorities=aws.authorities.files)


def elasticache(aws: Managed) -> Server:
    """Valkey; infra/aws made its users."""
    environment: dict[str, pulumi.Input[str]] = {
        "MILLRACE_REDIS_HOST": aws.below.cache_host,
        "MILLRACE_REDIS_CA": FILE,
    }
    return Server(environment, (aws.authorities,), authorities=aws.authorities.files)


def amazon_mq(
    stack: Stack,
    aws: Managed,
    users: pulumi.Input[str],
    *,
    scaled_in: str | None,
    after: Sequence[pulumi.Resource],
) -> Server:
    """RabbitMQ; there when its vhost, policies and users are: the same definitions as on a broker of our own."""
    port = stack.broker.management_port
    environment: dict[str, pulumi.Input[str]] = {
        "MILLRACE_RABBITMQ_HOST": aws.below.broker_host,
        "MILLRACE_RABBITMQ_MANAGEMENT_PORT": str(port),
        "MILLRACE_RABBITMQ_CA": FILE,
    }
    administered = Administered(
        component=naming.RABBITMQ_LOGINS,
        server="rabbitmq",
        environment=environment,
        user=below_us.BROKER_ADMIN,
        password=aws.below.broker_admin_password,
        authorities=aws.authorities.files,
    )
    timeout = stack.timings.consumer_timeout_seconds
    contents: dict[str, Any] = {
        VHOST_FILE: vhost_file(stack.queues, timeout, connections=broker_connections(stack)),
        USERS_FILE: users,
    }
    logins = Logins(stack, administered, contents, folder=f"{FOLDER}/", after=[*after, aws.authorities])
    if scaled_in is not None:
        address = aws.below.broker_host.apply(lambda host: f"https://{host}:{port}/")
        QueueLengths(stack, scaled_in, address, aws.authorities)
    return Server(environment, (logins,), authorities=aws.authorities.files)


class QueueLengths(Component):
    """Lets KEDA ask Amazon MQ how long its queues are."""

    def __init__(self, stack: Stack, namespace: str, address: pulumi.Input[str], authorities: AwsAuthorities) -> None:
        super().__init__("keda-amazon-mq", stack, after=[authorities])
        trigger_authentication(self, naming.RABBITMQ, namespace, address, authorities.files)
        self.register_outputs({})
