"""Every password, generated once and kept: one a role, server and generation. State holds them encrypted.

While a password is rotated its server accepts two generations (`Stack.rotation`). A role's Secret has the login beside
the password: a container of the old release that starts again meanwhile reads both, and they belong together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_random
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from app import contract
from app.contract import Role
from infra import naming
from infra.components.component import Component
from infra.components.files import content_hash
from infra.endpoints import Given
from infra.servers.logins import Accepted
from infra.servers.rabbitmq.outsiders import Outsider
from infra.settings.backends import ObjectServer
from infra.settings.rotation import AUTHORITY
from infra.settings.stack import Stack

#: 43 letters and digits are 256 bits; no signs, because a password travels in URLs and in configuration files.
LENGTH = 43

#: The servers that each role logs in to. A role that is not in a server's list does not exist there.
SERVERS: Mapping[Role, tuple[str, ...]] = {
    Role.OWNER: ("postgresql", "s3"),
    Role.TOPOLOGY: ("rabbitmq", "redis_broker"),
    Role.GATEWAY: ("postgresql", "redis", "s3"),
    Role.RELAY: ("postgresql", "rabbitmq", "redis_broker"),
    Role.WORKER: ("postgresql", "rabbitmq", "redis_broker", "redis", "s3"),
    Role.ARCHIVER: ("postgresql", "rabbitmq", "redis_broker"),
    Role.BEAT: ("postgresql", "rabbitmq"),
    Role.OPERATOR: ("postgresql", "rabbitmq", "redis_broker", "redis"),
    Role.AUDITOR: ("postgresql",),
    Role.BACKUP: ("postgresql",),
    Role.REPLICA: ("redis",),
    Role.SENTINEL: ("redis",),
    Role.PROBE: ("redis", "redis_broker"),
    Role.FLOWER: ("rabbitmq", "flower"),
    Role.KEDA: ("rabbitmq", "redis_broker"),
    Role.PROMETHEUS: ("rabbitmq",),
}

#: Servers that know a user by one name, and accept several passwords of it.
_BY_ONE_NAME = frozenset({"redis", "redis_broker"})

#: Roles of processes of the application, KEDA's, which is read beside its ScaledObjects, and the auditor's, which a
#: person reads (`make connect`): each has a Secret.
APPLICATION = (
    Role.OWNER,
    Role.TOPOLOGY,
    Role.GATEWAY,
    Role.RELAY,
    Role.WORKER,
    Role.ARCHIVER,
    Role.BEAT,
    Role.OPERATOR,
    Role.AUDITOR,
    Role.FLOWER,
    Role.KEDA,
)


class Passwords(Component):
    """The values, as secret outputs; and for each role of the application a Secret of one file a server."""

    def __init__(
        self, stack: Stack, outsiders: Sequence[Outsider], given: Given, *, after: Sequence[pulumi.Resource]
    ) -> None:
        """Generate the passwords of all roles and outsiders, but for those that are given."""
        super().__init__("passwords", stack, after=after)
        self._given = given
        self._servers: dict[str, tuple[str, ...]] = {
            **{
                str(role): tuple(name for name in servers if self._is_ours(role, name))
                for role, servers in SERVERS.items()
            },
            **{outsider.user: ("rabbitmq",) for outsider in outsiders},
        }
        self._values = {
            (user, server): self._generations(user, naming.password(user, server))
            for user, servers in self._servers.items()
            for server in servers
            if (user, server) not in given.passwords
        }
        for role in APPLICATION:
            if self._servers[role]:
                self._secret(role)
        for outsider in outsiders:
            self._secret(outsider.user, broker_url=self._broker_url(outsider.user))
        self.register_outputs({})

    def of(self, user: str, server: str) -> pulumi.Output[str]:
        """The password with which a role, or an outsider, logs in to a server."""
        if (user, server) in self._given.passwords:
            return self._given.passwords[user, server]
        return self._values[user, server][self.stack.generations(user)[0]]

    def login(self, user: str) -> str:
        """The name with which it does so; Redis alone knows users by their own names."""
        return contract.login(user, self.stack.generations(user)[0])

    def accepted(self, user: str, server: str) -> pulumi.Output[Accepted]:
        """The passwords of a role, or of an outsider, that a server accepts, whichever of them is used."""
        wanted = sorted(self.stack.generations(user))
        values = {contract.login(user, number): self._values[user, server][number] for number in wanted}
        return pulumi.Output.all(**values).apply(dict)

    def hash_of(self, user: str) -> pulumi.Output[str]:
        """A hash that changes with any password that the user logs in with, and reveals none."""
        return content_hash(self._files(user))

    def all_of(self, server: str) -> pulumi.Output[Mapping[Role, Accepted]]:
        """Every role's passwords on a server: what its list of users is made from."""
        values = {str(role): self.accepted(role, server) for role, servers in SERVERS.items() if server in servers}
        return pulumi.Output.all(**values).apply(lambda found: {Role(role): value for role, value in found.items()})

    def of_outsiders(self, outsiders: Sequence[Outsider]) -> pulumi.Output[Sequence[Accepted]]:
        """The passwords of `outsiders` on RabbitMQ, in the same order."""
        return pulumi.Output.all(*(self.accepted(outsider.user, "rabbitmq") for outsider in outsiders))

    def authority_seeds(self) -> list[pulumi.Output[str]]:
        """What the certificate authorities that are trusted are made from; the first one signs."""
        seeds = self._generations(AUTHORITY, AUTHORITY)
        return [seeds[generation] for generation in self.stack.generations(AUTHORITY)]

    def generate(self, name: str) -> pulumi.Output[str]:
        """One more secret value that belongs to no role, such as a cluster's cookie."""
        return self._generate(name)

    def _is_ours(self, role: Role, server: str) -> bool:
        """Whether the role has a login there: a server may be elsewhere, with users of its own, or missing."""
        if server == "redis" and not self.stack.result_backend.in_cluster:
            return (role, server) in self._given.passwords
        if server in {"rabbitmq", "redis_broker"}:
            return server == self.stack.broker.logins
        if server == "flower":
            return self.stack.broker.sends_events
        return server != "s3" or isinstance(self.stack.uploads, ObjectServer)

    def _secret(self, user: str, **more: pulumi.Output[str]) -> None:
        name = naming.passwords_secret(user)
        core.Secret(
            name,
            metadata=meta.ObjectMetaArgs(
                name=name, namespace=naming.NAMESPACE_APP, labels=naming.labels(user, self.stack.environment)
            ),
            string_data=self._files(user) | more,
            opts=self.child(),
        )

    def _files(self, user: str) -> dict[str, pulumi.Input[str]]:
        files: dict[str, pulumi.Input[str]] = {}
        for server in self._servers[user]:
            if server == "flower":
                # Flower is the server: it accepts what stands here, a password a line.
                files["flower_password"] = self.accepted(user, server).apply(lambda found: "\n".join(found.values()))
                continue
            files[f"{server}_user"] = user if server in _BY_ONE_NAME else self.login(user)
            files[f"{server}_password"] = self.of(user, server)
        return files

    def _generations(self, user: str, name: str) -> dict[int, pulumi.Output[str]]:
        """All generations so far: in prod a password is protected, and the engine refuses to remove it."""
        newest = max(self.stack.generations(user))
        return {number: self._generate(name if number == 1 else f"{name}-{number}") for number in range(1, newest + 1)}

    def _broker_url(self, user: str) -> pulumi.Output[str]:
        login = self.login(user)
        known = pulumi.Output.all(self.of(user, "rabbitmq"), self._given.broker_host)
        return known.apply(lambda values: contract.broker_url(login, *values))

    def _generate(self, name: str) -> pulumi.Output[str]:
        # Kept also in staging: a password that is generated anew locks everybody out of a volume that was kept.
        password = pulumi_random.RandomPassword(
            name, length=LENGTH, special=False, opts=pulumi.ResourceOptions(parent=self, protect=self.stack.is_prod)
        )
        return pulumi.Output.secret(password.result)
