"""The outputs that the main program reads through a StackReference: names and types, said once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import pulumi

from infra.aws.brokers import Built
from infra.aws.components.cache import Cache
from infra.aws.components.cluster import Cluster
from infra.aws.components.database import Database
from infra.aws.components.registry import Registry
from infra.aws.ground import Ground


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Each field is an output of that name. Passwords are secret, and encrypted in both states."""

    region: str
    cluster_name: pulumi.Output[str]
    cluster_endpoint: pulumi.Output[str]
    cluster_certificate_authority: pulumi.Output[str]
    #: By image.
    registries: Mapping[str, pulumi.Output[str]]
    database_host: pulumi.Output[str]
    #: Of the secret that holds the administrator's password.
    database_admin_secret_arn: pulumi.Output[str]
    cache_host: pulumi.Output[str]
    #: By user.
    cache_passwords: Mapping[str, pulumi.Output[str]]
    uploads_bucket: pulumi.Output[str]
    #: By queue; empty where the broker is not SQS. And of their dead letters.
    queue_urls: Mapping[str, pulumi.Output[str]]
    dead_letter_urls: Mapping[str, pulumi.Output[str]]
    #: Of Amazon MQ, where it is the broker.
    broker_endpoint: pulumi.Output[str] | None = None
    broker_admin_password: pulumi.Output[str] | None = None

    @classmethod
    def of(
        cls,
        region: str,
        base: Ground,
        database: Database,
        cache: Cache,
        broker: Built,
        registry: Registry,
        cluster: Cluster,
    ) -> Outputs:
        """From the parts of a stack."""
        return cls(
            region=region,
            cluster_name=cluster.name,
            cluster_endpoint=cluster.endpoint,
            cluster_certificate_authority=cluster.certificate_authority,
            registries=registry.url,
            database_host=database.host,
            database_admin_secret_arn=database.admin_secret_arn,
            cache_host=cache.host,
            cache_passwords=cache.passwords,
            uploads_bucket=base.uploads.id,
            queue_urls={name: queue.url for name, queue in broker.work.items()},
            dead_letter_urls={name: queue.url for name, queue in broker.dead.items()},
            broker_endpoint=broker.endpoint,
            broker_admin_password=broker.admin_password,
        )

    def export(self) -> None:
        """Make them the stack's."""
        for one in fields(self):
            pulumi.export(one.name, getattr(self, one.name))
