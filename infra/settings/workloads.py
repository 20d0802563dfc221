"""The processes of the application: how many, how big, how they stop."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from app.contract import QueueClass
from infra.settings.scaling import Fixed, GatewayScaling, HpaCpu, Scaling
from infra.settings.values import Host, Model, Name, Resources


class Ingress(Model):
    """The only way in: HTTPS, through the cluster's ingress controller."""

    class_name: str
    host: Host
    #: Who signs the certificate that the world sees.
    issuer: str = Field("millrace-ca", description="a ClusterIssuer of cert-manager")
    controller_namespace: Name
    controller_labels: dict[str, str] = Field(min_length=1, description="of the controller's pods")
    annotations: dict[str, str] = Field({}, description="for the controller")


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


class Pool(Model):
    """One pool of workers: one queue class, one kind of work."""

    name: Name
    queue: QueueClass
    concurrency: int = Field(2, ge=1, le=64, description="children a pod")
    prefetch_multiplier: int = Field(4, ge=1, le=256)
    mean_task_seconds: float = Field(gt=0, description="measured; the scaler's threshold is derived from it")
    soft_time_limit_seconds: int = Field(60, ge=1)
    time_limit_seconds: int = Field(90, ge=2)
    grace_period_seconds: int = Field(150, ge=5)
    scaling: Scaling = Fixed(replicas=2)
    resources: Resources


class Small(Model):
    """A process of which there is one, or that runs now and then."""

    resources: Resources


class Workloads(Model):
    """All of them."""

    gateway: Gateway
    relay: Relay
    pools: tuple[Pool, ...] = Field(min_length=1)
    archiver: Small
    beat: Small
    flower: Small
    #: Migrations, topology, retention and the operator's commands.
    job: Small

    @model_validator(mode="after")
    def _pools_fit(self) -> Self:
        names = [pool.name for pool in self.pools]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two pools are called {', '.join(twice)}: give each a name of its own")
        if missing := sorted(set(QueueClass) - {pool.queue for pool in self.pools}):
            raise ValueError(f"nobody works on the queue {', '.join(missing)}: add a pool with queue: {missing[0]}")
        return self
