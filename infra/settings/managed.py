"""Servers that AWS runs: infra/aws makes them and says how big they are, so little is left to say here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from cryptography import x509
from pydantic import Field, field_validator, model_validator

from app import contract
from infra import naming
from infra.servers.rabbitmq.cluster import VERSIONS, RabbitMQVersion
from infra.settings.archive import Subnet
from infra.settings.explain import JOINED
from infra.settings.scaling import KedaQueue
from infra.settings.values import Model

if TYPE_CHECKING:
    from infra.settings.stack import Stack

PORT_HTTPS = 443
#: Amazon MQ answers for the numbers of its queues once a minute.
AMAZON_MQ_POLLING_SECONDS = 60
#: And it takes so many consumers on a channel, where its configuration says nothing else.
AMAZON_MQ_CONSUMERS = 10


class Aws(Model):
    """The stack of infra/aws that made the servers, where they are, and whose certificates they show."""

    stack: str = Field(
        pattern=r"^[^/\s]+/[^/\s]+/[^/\s]+$",
        description="whose outputs are read: organization/millrace-aws/prod, where `organization` is that of Pulumi's "
        "backend; one in a bucket or in files has this very word",
    )
    cidrs: tuple[Subnet, ...] = Field(
        min_length=1, description="the subnets of its servers: ways out of the cluster, on their ports alone"
    )
    authorities: str = Field(
        description="who signs its servers' certificates, in PEM; docs/aws.md says where AWS publishes them"
    )

    @field_validator("authorities")
    @classmethod
    def _signers(cls, text: str) -> str:
        try:
            found = x509.load_pem_x509_certificates(text.encode())
        except ValueError as error:
            raise ValueError(f"no certificates in PEM ({error}): write AWS's bundle there (docs/aws.md)") from error
        for one in found:
            name = one.subject.rfc4514_string()
            try:
                constraints = one.extensions.get_extension_for_class(x509.BasicConstraints).value
            except x509.ExtensionNotFound:
                constraints = x509.BasicConstraints(ca=False, path_length=None)
            if not constraints.ca:
                raise ValueError(f"{name} is no authority: take the bundle, and not a server's own certificate")
        return text


class Managed(Model):
    """A server that AWS runs. The class variables answer what is asked of any server: it has no pods in the cluster."""

    #: Keys of the other kinds, and what infra/aws has in their place; empty: nothing.
    ELSEWHERE: ClassVar[Mapping[str, str]] = {}

    in_cluster: ClassVar[Literal[False]] = False
    resources: ClassVar[None] = None
    replicas: ClassVar[int] = 0
    nodes: ClassVar[int] = 0

    @model_validator(mode="before")
    @classmethod
    def _not_here(cls, values: Any) -> Any:
        given = values if isinstance(values, Mapping) else {}
        problems = [
            f"{key}: infra/aws makes this server: leave it out here" + (place and f", and write {place} there")
            for key, place in cls.ELSEWHERE.items()
            if key in given
        ]
        if problems:
            raise ValueError(JOINED.join(problems))
        return values


class Rds(Managed):
    """PostgreSQL on Amazon RDS. Its backups are its own."""

    ELSEWHERE: ClassVar[Mapping[str, str]] = {
        "resources": "database.instanceClass",
        "storage": "database.storageGib",
        "walStorage": "database.storageGib",
        "instances": "database.multiAz",
        "backup": "database.backupDays",
        "imageTag": "database.version",
        "image": "",
        "imageDigest": "",
        "apiServerCidrs": "",
        "archive": "",
        "recovery": "",
    }

    kind: Literal["rds"] = "rds"


class ElastiCache(Managed):
    """Valkey on Amazon ElastiCache, which fails over by itself behind one name."""

    ELSEWHERE: ClassVar[Mapping[str, str]] = {
        "resources": "cache.nodeType",
        "storage": "cache.nodeType",
        "topology": "cache.nodes",
    }

    kind: Literal["elasticache"] = "elasticache"
    topology: ClassVar[Literal["single"]] = "single"


class AmazonMQ(Managed):
    """RabbitMQ on Amazon MQ."""

    ELSEWHERE: ClassVar[Mapping[str, str]] = {
        "version": "broker.version",
        "nodes": "",
        "resources": "broker.instanceType",
        "storage": "",
        "quorumWaitSeconds": "",
        "drainSeconds": "",
        "gracePeriodSeconds": "",
    }

    kind: Literal["amazonmq"] = "amazonmq"
    #: Of our image, which such a stack does not run.
    version: ClassVar[RabbitMQVersion] = VERSIONS[0]
    component: ClassVar[str] = naming.RABBITMQ
    logins: ClassVar[str] = "rabbitmq"
    environment: ClassVar[Mapping[str, str]] = {}
    sends_events: ClassVar[bool] = True
    client_port: ClassVar[int] = contract.PORT_AMQPS
    management_port: ClassVar[int] = PORT_HTTPS


def broken(stack: Stack) -> Iterator[str]:
    """What does not go together in a stack on servers of AWS, a sentence each."""
    chosen = {"broker": stack.broker, "resultBackend": stack.result_backend, "database": stack.database}
    managed = [f"{name} {one.kind}" for name, one in chosen.items() if not one.in_cluster]
    if managed and stack.aws is None:
        yield (
            f"aws is missing, and AWS runs {', '.join(managed)}: name the stack of infra/aws that made it, its subnets "
            "and its authorities (aws: {stack: organization/millrace-aws/prod, ...})"
        )
    if not managed and stack.aws is not None:
        yield (
            "aws is set, and no server is AWS's: leave it out, or choose database rds, resultBackend elasticache or "
            "broker amazonmq"
        )
    if not isinstance(stack.broker, AmazonMQ):
        return
    if len(stack.queues) > AMAZON_MQ_CONSUMERS:
        yield (
            f"queues declares {len(stack.queues)}: the archiver consumes the dead letters of each on one channel, and "
            f"Amazon MQ takes {AMAZON_MQ_CONSUMERS} consumers on one: declare fewer, or choose broker rabbitmq"
        )
    for pool in stack.workloads.pools:
        scaling = pool.scaling
        if isinstance(scaling, KedaQueue) and scaling.polling_seconds < AMAZON_MQ_POLLING_SECONDS:
            yield (
                f"workloads.pools.{pool.name}.scaling.pollingSeconds {scaling.polling_seconds}: Amazon MQ counts what "
                f"is in a queue once a minute: write {AMAZON_MQ_POLLING_SECONDS} or more"
            )
