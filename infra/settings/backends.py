"""Which broker, result backend, database and object store a stack has, and how big each is.

Each is a union told apart by `kind`; `infra/backends.py` makes what was chosen. Those that AWS runs are in `managed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from app import contract
from infra import naming
from infra.servers.rabbitmq.cluster import VERSIONS, RabbitMQVersion
from infra.settings.archive import Identity, Recovery, Subnet
from infra.settings.managed import AmazonMQ, ElastiCache, Rds
from infra.settings.values import Cidr, Digest, Host, Model, Name, Quantity, Resources, quantity_bytes


class RabbitMQ(Model):
    """A cluster of RabbitMQ in Kubernetes."""

    in_cluster: ClassVar[Literal[True]] = True
    component: ClassVar[str] = naming.RABBITMQ
    logins: ClassVar[str] = "rabbitmq"
    environment: ClassVar[Mapping[str, str]] = {}
    sends_events: ClassVar[bool] = True
    client_port: ClassVar[int] = contract.PORT_AMQPS
    management_port: ClassVar[int] = contract.PORT_RABBITMQ_MANAGEMENT

    kind: Literal["rabbitmq"] = "rabbitmq"
    version: RabbitMQVersion = Field(VERSIONS[0], description=f"there are images of {' and '.join(VERSIONS)}")
    nodes: int = Field(
        3,
        description="odd, or half of them could not outvote the other half; fewer than before: docs/rabbitmq.md",
    )
    resources: Resources
    storage: Quantity
    quorum_wait_seconds: int = Field(
        120, ge=10, description="how long a stopping node waits for the others to be a quorum without it"
    )
    drain_seconds: int = Field(60, ge=10, description="how long it may take to hand its leaders over")
    grace_period_seconds: int = Field(240, ge=30)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.version not in VERSIONS:
            raise ValueError(
                f"version {self.version}: infra/images/rabbitmq builds {' and '.join(VERSIONS)} only: choose one"
            )
        if self.nodes % 2 == 0:
            raise ValueError(f"nodes {self.nodes} is even: a quorum needs an odd number, write {self.nodes + 1}")
        if not 3 <= self.nodes <= 7:
            raise ValueError(
                f"nodes {self.nodes}: a quorum that survives the loss of one needs 3; more than 7 only cost"
            )
        if quantity_bytes(self.storage) < 2 * self.resources.memory_bytes:
            raise ValueError(f"storage {self.storage} is less than twice memory {self.resources.memory}: raise storage")
        return self


class Redis(Model):
    """Redis in Kubernetes, for results of chords and for rate limits: one, or three with Sentinel."""

    in_cluster: ClassVar[Literal[True]] = True

    kind: Literal["redis"] = "redis"
    topology: Literal["single", "sentinel"] = "single"
    resources: Resources
    storage: Quantity

    @property
    def replicas(self) -> int:
        """Pods: Sentinel needs three for its vote."""
        return 3 if self.topology == "sentinel" else 1


class RedisBroker(Model):
    """Redis in Kubernetes as the broker: one, which has its append-only file on disk before it answers."""

    in_cluster: ClassVar[Literal[True]] = True
    component: ClassVar[str] = naming.REDIS_BROKER
    #: The server's name in `Passwords`, which is also how the files in a role's folder of secrets begin.
    logins: ClassVar[str] = "redis_broker"
    environment: ClassVar[Mapping[str, str]] = {"MILLRACE_BROKER": "redis"}
    #: Of workers, for Flower; and it does not say who consumes, so that beat need not ask.
    sends_events: ClassVar[bool] = False
    client_port: ClassVar[int] = contract.PORT_REDIS
    management_port: ClassVar[int] = contract.PORT_REDIS
    #: The broker's client asks no sentinels (docs/brokers.md).
    topology: ClassVar[Literal["single"]] = "single"
    replicas: ClassVar[int] = 1
    nodes: ClassVar[int] = 1
    #: Of an image that such a stack does not run.
    version: ClassVar[RabbitMQVersion] = VERSIONS[0]

    kind: Literal["redis"] = "redis"
    resources: Resources
    storage: Quantity

    @model_validator(mode="before")
    @classmethod
    def _one(cls, values: Any) -> Any:
        for key in ("topology", "nodes"):
            if isinstance(values, Mapping) and key in values:
                raise ValueError(
                    f"{key}: Redis as the broker is one server, its clients ask no sentinels: leave it out, or choose "
                    "broker rabbitmq (docs/brokers.md)"
                )
        return values

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if quantity_bytes(self.storage) < 2 * self.resources.memory_bytes:
            raise ValueError(
                f"storage {self.storage} is less than twice memory {self.resources.memory}, and the append-only file "
                "is there twice while it is rewritten: raise storage"
            )
        return self


class Backup(Model):
    """When the database is backed up, and for how long a backup is kept."""

    schedule: str = Field("17 2 * * *", pattern=r"^(\S+\s+){4}\S+$", description="cron, in UTC")
    keep: int = Field(14, ge=1, description="backups")


class SinglePostgreSQL(Model):
    """One PostgreSQL with a scheduled dump: survives a crash, not the loss of its disk."""

    in_cluster: ClassVar[Literal[True]] = True
    kind: Literal["single"] = "single"
    resources: Resources
    storage: Quantity
    backup: Backup = Backup()


class CloudNativePG(Model):
    """A replicated PostgreSQL, run by the CloudNativePG operator, which must be in the cluster."""

    in_cluster: ClassVar[Literal[True]] = True

    kind: Literal["cloudnative-pg"] = "cloudnative-pg"
    instances: int = Field(3, le=5)
    resources: Resources
    storage: Quantity
    wal_storage: Quantity
    backup: Backup = Backup()
    image: str = Field(description="the operand image without tag or digest")
    image_tag: str
    image_digest: Digest
    api_server_cidrs: tuple[Subnet, ...] = Field(
        min_length=1, description="instances ask the API server who is the primary; nothing else of ours may reach it"
    )
    archive: Name = Field("postgresql", description="the folder in the bucket; a restored cluster begins another one")
    recovery: Recovery | None = Field(None, description="restore this archive; left out: begin with an empty database")

    @model_validator(mode="after")
    def _archives_are_two(self) -> Self:
        if self.recovery is not None and self.recovery.archive == self.archive:
            raise ValueError(
                f"recovery.archive {self.archive} is also the cluster's own archive, and would be written over while "
                "it is read: name another archive (archive: ...)"
            )
        return self

    @model_validator(mode="after")
    def _survives(self) -> Self:
        if self.instances < 3:
            raise ValueError(
                f"instances {self.instances}: what is accepted is on two of them, so every write stops when one fails: "
                "choose 3"
            )
        return self


class VolumeStore(Model):
    """Backups on a volume of the cluster."""

    kind: Literal["volume"] = "volume"
    storage: Quantity


class S3Store(Model):
    """Backups in a bucket."""

    kind: Literal["s3"] = "s3"
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    endpoint: Host
    region: str = "eu-central-1"
    cidrs: tuple[Cidr, ...] = Field(min_length=1, description="where the endpoint is: a way out of the cluster")
    identity: Identity = Field(description="as whom the database's pods log in to the bucket")


class ObjectServer(Model):
    """Our own S3 server, one of it: survives a crash, not the loss of its disk."""

    kind: Literal["server"] = "server"
    resources: Resources
    storage: Quantity


class Bucket(Model):
    """A bucket of an S3 elsewhere; each role's keys are in a Secret of yours (docs/patterns/uploads.md)."""

    kind: Literal["s3"] = "s3"
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    endpoint: Host
    region: str = "eu-central-1"
    cidrs: tuple[Cidr, ...] = Field(min_length=1, description="where the endpoint is: a way out of the cluster")


class PgBouncer(Model):
    """The pool of connections in front of the database."""

    replicas: int = Field(2, ge=1)
    resources: Resources


def _on_kubernetes(value: Any) -> Any:
    """What the application also runs on, and this program does not make."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind == "sqs":
        raise ValueError(
            f"kind {kind}: the application runs on it (docs/brokers.md), but this program makes no such broker: write "
            f"rabbitmq, amazonmq or redis; `make up BROKER={kind}` runs it locally"
        )
    return value


BrokerChoice = Annotated[
    RabbitMQ | AmazonMQ | RedisBroker, Field(discriminator="kind"), BeforeValidator(_on_kubernetes)
]
ResultBackendChoice = Annotated[Redis | ElastiCache, Field(discriminator="kind")]
DatabaseChoice = Annotated[SinglePostgreSQL | CloudNativePG | Rds, Field(discriminator="kind")]
UploadsChoice = Annotated[ObjectServer | Bucket, Field(discriminator="kind")]
ObjectStoreChoice = Annotated[VolumeStore | S3Store, Field(discriminator="kind")]
