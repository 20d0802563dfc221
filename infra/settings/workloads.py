"""The processes of the application: how many, how big, how they stop."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from infra.servers.capacity import Workers
from infra.settings.scaling import GatewayScaling, HpaCpu, Scaling, most_replicas
from infra.settings.values import Cidr, Host, Model, Name, Resources


class Ingress(Model):
    """The only way in: HTTPS, through the cluster's ingress controller."""

    class_name: str
    host: Host
    #: The issuer of the certificate that the world sees.
    issuer: str | None = Field(
        None, description="a ClusterIssuer of cert-manager; left out: our own authority, which no browser trusts"
    )
    controller_namespace: Name | None = Field(None, description="where the controller's pods are")
    controller_labels: dict[str, str] = Field({}, description="of the controller's pods")
    controller_cidrs: tuple[Cidr, ...] = Field(
        (), description="where requests come from if the controller is a load balancer outside the cluster"
    )
    annotations: dict[str, str] = Field({}, description="of the Ingress, for the controller")
    service_annotations: dict[str, str] = Field({}, description="of the gateway's Service, for the controller")

    @model_validator(mode="after")
    def _from_somewhere(self) -> Self:
        pods = self.controller_namespace is not None and bool(self.controller_labels)
        if pods == bool(self.controller_cidrs):
            raise ValueError(
                "name the controller's pods (controllerNamespace and controllerLabels), or the networks of a load "
                "balancer outside the cluster (controllerCidrs): nobody else may reach the gateway"
            )
        return self


class Gateway(Model):
    """The HTTP front."""

    scaling: GatewayScaling = HpaCpu()
    resources: Resources
    ingress: Ingress
    #: A pod stays in the load balancers' lists for some seconds after it was told to stop.
    drain_seconds: int = Field(10, ge=0, description="keeps answering so long after it was told to stop")
    request_seconds: int = Field(30, ge=1, description="the longest request")
    grace_period_seconds: int = Field(60, ge=5)


class Relay(Model):
    """Outbox to broker."""

    replicas: int = Field(2, ge=1, description="two: one publishes while the other's node is drained")
    resources: Resources
    grace_period_seconds: int = Field(40, ge=5)


#: Succeeds if there is a connection to the broker (0x1627 is port 5671, 01 an open one); asks no server, loads no code.
CONNECTED_TO_THE_BROKER = ("grep", "-qs", ":1627 01 ", "/proc/net/tcp", "/proc/net/tcp6")


class Application(Model):
    """A Celery application of somebody else, which consumes the queue (docs/foreign-apps.md)."""

    image: str = Field(min_length=1, description="with its version, in prod with its digest")
    command: tuple[str, ...] = Field((), description="what the image's entrypoint gets; its own when left out")
    environment: dict[str, str] = Field({}, description="no secrets: its broker's address and password are files")
    publishes: tuple[str, ...] = Field((), description="queues that it may publish to beside its own")
    probe: tuple[str, ...] = Field(
        CONNECTED_TO_THE_BROKER, min_length=1, description="exits with 0 if it is ready; default: is it connected"
    )


class FarSides(Model):
    """Systems of others, outside the cluster, that a pool's workers may call (docs/patterns)."""

    cidrs: tuple[Cidr, ...] = Field(min_length=1, description="where they are")
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = Field((443,), min_length=1)


class PoolSettings(Model):
    """What one may say of a pool; the table `pool` of a queue in `queues.toml` says no more."""

    concurrency: int = Field(2, ge=1, le=64, description="children a pod")
    prefetch_multiplier: int = Field(4, ge=1, le=256)
    mean_task_seconds: float = Field(0.2, gt=0, description="measured; the scaler's threshold is derived from it")
    soft_time_limit_seconds: int = Field(60, ge=1)
    time_limit_seconds: int = Field(90, ge=2)
    grace_period_seconds: int = Field(150, ge=5)
    scaling: Scaling = HpaCpu()
    resources: Resources = Resources(cpu="100m", cpu_limit="1", memory="512Mi")
    application: Application | None = Field(None, description="consumes the queue in place of our workers")
    far_sides: FarSides | None = Field(None, description="what it may call outside the cluster; nothing when left out")


class PoolEntry(PoolSettings):
    """What a stack says of a pool."""

    queue: str | None = Field(None, description="the queue it works on; the one of its name when left out")


class Pool(PoolSettings):
    """One pool of workers: one queue, one kind of work."""

    name: Name
    queue: str

    @property
    def workers(self) -> Workers:
        """Its pods at their largest number, and the one more that a roll-out starts."""
        return Workers(pods=most_replicas(self.scaling) + 1, children=self.concurrency)

    @classmethod
    def of(cls, name: str, settings: PoolSettings, queue: str) -> Pool:
        """The pool of these settings."""
        values: dict[str, Any] = dict(settings)
        return cls(**(values | {"name": name, "queue": queue}))


class Small(Model):
    """A process of which there is one, or that runs now and then."""

    resources: Resources


class Workloads(Model):
    """All of them."""

    gateway: Gateway
    relay: Relay
    entries: dict[Name, PoolEntry] = Field(
        {}, alias="pools", description="each queue has a pool of its name; here is what differs, and further pools"
    )
    archiver: Small
    beat: Small
    flower: Small
    #: Migrations, topology, retention and the operator's commands.
    job: Small

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Every pool, whole."""
        return tuple(Pool.of(name, entry, entry.queue or name) for name, entry in self.entries.items())

    @property
    def own_pools(self) -> tuple[Pool, ...]:
        """The pools with our own workers: they have metrics, and log in to all servers."""
        return tuple(pool for pool in self.pools if pool.application is None)
