"""The managed servers: PostgreSQL on RDS, Valkey on ElastiCache, and the broker that a stack chose."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.settings.values import Model, Name

#: A time of the week, in UTC, as AWS writes it.
Window = Annotated[str, Field(pattern=r"^(mon|tue|wed|thu|fri|sat|sun):([01]\d|2[0-3]):[0-5]\d$")]


class Database(Model):
    """PostgreSQL on RDS."""

    instance_class: str = Field(pattern=r"^db\.[a-z0-9-]+\.[a-z0-9]+$")
    version: str = Field(pattern=r"^1[5-8]\.\d+$", description="with the minor version, which RDS then leaves alone")
    storage_gib: int = Field(ge=20, le=65536)
    max_storage_gib: int = Field(ge=20, le=65536, description="to which it grows by itself")
    backup_days: int = Field(ge=1, le=35)
    multi_az: bool = True
    monitoring_seconds: Literal[1, 5, 10, 15, 30, 60] = 60

    @property
    def memory_gib(self) -> int | None:
        """Of an instance, where its name tells: general ones have 4 GiB a core, those for memory 8."""
        _, family, size = self.instance_class.split(".")
        if family.startswith("t"):
            return {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}.get(size)
        per_core = {"m": 4, "r": 8}.get(family[0])
        cores = {"medium": 1, "large": 2, "xlarge": 4}.get(size)
        if cores is None and size.removesuffix("xlarge").isdigit():
            cores = 4 * int(size.removesuffix("xlarge"))
        return per_core * cores if per_core and cores else None

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.max_storage_gib * 10 < self.storage_gib * 11:
            least = -(-self.storage_gib * 11 // 10)
            raise ValueError(
                f"maxStorageGib {self.max_storage_gib} leaves storageGib {self.storage_gib} no room: RDS grows by a "
                f"tenth at least: write {least} or more"
            )
        return self


class Cache(Model):
    """Valkey on ElastiCache, one primary with replicas: kombu and Celery know no cluster mode."""

    node_type: str = Field(pattern=r"^cache\.[a-z0-9]+\.[a-z0-9]+$")
    version: Literal["7.2", "8.0", "8.1"] = "8.1"
    nodes: int = Field(ge=2, le=6, description="one primary, the others replicas; one a zone is three")
    snapshot_days: int = Field(7, ge=1, le=35)


class Sqs(Model):
    """Two queues of SQS for each queue of the application: itself, and what it gave up."""

    kind: Literal["sqs"] = "sqs"
    keda_namespace: Name = Field(description="where KEDA runs, which reads the lengths of queues")
    max_receive_count: int = Field(10, ge=2, le=1000, description="deliveries before a message is a dead letter")
    retention_days: int = Field(14, ge=1, le=14)


class AmazonMQ(Model):
    """A cluster of RabbitMQ that AWS runs."""

    kind: Literal["amazonmq"] = "amazonmq"
    version: Literal["4.2", "4.3"]
    instance_type: str = Field(pattern=r"^mq\.m7g\.(medium|large|[248]?xlarge|1[26]xlarge)$")
    heartbeat_seconds: int = Field(60, ge=60, le=3600, description="Amazon MQ takes no shorter one")
    consumer_timeout_seconds: int = Field(1800, ge=60)
    maintenance: Window = "sun:03:00"


BrokerChoice = Annotated[Sqs | AmazonMQ, Field(discriminator="kind")]
