"""The whole of a stack's settings, and what its parts ask of each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from app.contract import Queue, Role
from infra import naming
from infra.servers.capacity import Fleet
from infra.servers.rabbitmq.outsiders import Outsider, foreign_pools, producers
from infra.settings import limits, managed, redis_broker, shutdown
from infra.settings.backends import (
    BrokerChoice,
    CloudNativePG,
    DatabaseChoice,
    ObjectServer,
    ObjectStoreChoice,
    PgBouncer,
    RabbitMQ,
    RedisBroker,
    ResultBackendChoice,
    S3Store,
    SinglePostgreSQL,
    UploadsChoice,
    VolumeStore,
)
from infra.settings.explain import JOINED
from infra.settings.images import ImageName, Images
from infra.settings.managed import Aws, Rds
from infra.settings.pools import completed, misplaced
from infra.settings.queues import DEFAULT, QueuesFile, QueuesPath
from infra.settings.rotation import AUTHORITY, FIRST, Generations
from infra.settings.scaling import KedaQueue
from infra.settings.shutdown import Timings
from infra.settings.values import Cidr, Model, Name, RunbooksUrl, is_narrow
from infra.settings.workloads import Workloads


class Dns(Model):
    """Whom every pod may ask for names."""

    namespace: Name = "kube-system"
    pods: tuple[dict[str, str], ...] = Field(
        ({"k8s-app": "kube-dns"},), description="labels of its pods, of each kind; empty where DNS is no pod"
    )
    cidrs: tuple[Cidr, ...] = Field((), description="its addresses, where it is no pod: a cache on each node")

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if any(not labels for labels in self.pods):
            raise ValueError("pods: labels that are empty mean every pod: name the labels of the DNS pods")
        if not self.pods and not self.cidrs:
            raise ValueError("neither pods nor cidrs: no pod could find another; name who answers (docs/deployment.md)")
        if wide := [cidr for cidr in self.cidrs if not is_narrow(cidr)]:
            raise ValueError(f"cidrs: {wide[0]} is not the address of a DNS server: write it with /32, or /128")
        return self


class Neighbours(Model):
    """What the cluster has that is not ours, and where."""

    context: str | None = Field(
        None, description="the kubeconfig's context of this cluster; `pulumi up` is refused while another is current"
    )
    storage_class: str | None = Field(None, description="the cluster's default when left out")
    zones: int = Field(
        1, ge=1, description="availability zones; pods spread over them. With three, one may be lost; with two, not"
    )
    hosts: int = Field(3, ge=1, description="nodes for our pods; brokers never share one in prod")
    dns: Dns = Dns()
    keda_namespace: Name | None = Field(None, description="where KEDA is; left out: not there")
    keda_labels: dict[str, str] = Field({"app": "keda-operator"}, description="of its operator's pods")
    monitoring_namespace: Name | None = Field(None, description="where Prometheus (operator) is; left out: not there")
    monitoring_labels: dict[str, str] = Field({"app.kubernetes.io/name": "prometheus"}, description="of its pods")
    monitoring_object_labels: dict[str, str] = Field(
        {}, description="added to PodMonitors and rules, for an operator that selects them by label"
    )
    runbooks_url: RunbooksUrl | None = Field(
        None, description="where people read the pages of runbooks/; alerts link to them"
    )
    cert_manager_namespace: Name = "cert-manager"
    cnpg_namespace: Name = "cnpg-system"


class Producer(Model):
    """Where a producer's pods run, if in this cluster: the network policies let them reach RabbitMQ."""

    namespace: Name
    labels: dict[str, str] = Field(min_length=1, description="of its pods")


class Stack(Model):
    """One environment, whole."""

    environment: Literal["staging", "prod"]
    images: Images
    cluster: Neighbours
    broker: BrokerChoice
    result_backend: ResultBackendChoice
    database: DatabaseChoice
    object_store: ObjectStoreChoice | None = Field(
        None, description="where the database's backups go; left out with rds, which keeps its own"
    )
    aws: Aws | None = Field(None, description="the stack of infra/aws; left out where no server of AWS is chosen")
    uploads: UploadsChoice | None = Field(
        None, description="S3 for uploads and long items; left out: the gateway takes neither"
    )
    pgbouncer: PgBouncer
    queues_file: QueuesPath = Field(
        DEFAULT, alias="queues", validate_default=True, description="the file that declares them, from the repository"
    )
    workloads: Workloads
    producers: dict[Name, Producer] = Field(
        {}, description="where producers of the queues run; the pods of one that is left out cannot reach the broker"
    )
    rotation: dict[str, Generations] = Field(
        {}, description="generations of a role's passwords: the first is used, a second one accepted as well"
    )
    timings: Timings = Timings()
    log_level: Literal["DEBUG", "INFO", "WARNING"] = "INFO"
    drills: bool = Field(default=False, description="tasks that misbehave on purpose; never in prod")

    @property
    def is_prod(self) -> bool:
        """Whether people depend on it."""
        return self.environment == "prod"

    @property
    def zones(self) -> int:
        """Over how many zones pods spread."""
        return self.cluster.zones

    @property
    def storage_class(self) -> str | None:
        """Of volumes; None: the cluster's default."""
        return self.cluster.storage_class

    def namespace_of(self, component: str) -> str:
        """Servers live apart from the application."""
        return naming.namespace_of(component)

    def priority_class_of(self, component: str) -> str | None:
        """Pods that hold data find room before workers."""
        return naming.PRIORITY_DATA if self.namespace_of(component) == naming.NAMESPACE_DATA else None

    @property
    def own_images(self) -> tuple[ImageName, ...]:
        """The images of ours that it runs."""
        single = isinstance(self.database, SinglePostgreSQL)
        server = isinstance(self.uploads, ObjectServer)
        return (
            "app",
            *(("rabbitmq",) if isinstance(self.broker, RabbitMQ) else ()),
            *(("redis",) if self.result_backend.in_cluster or isinstance(self.broker, RedisBroker) else ()),
            "pgbouncer",
            *(("postgresql",) if single else ()),
            *(("objectstore",) if server else ()),
        )

    @property
    def queues(self) -> tuple[Queue, ...]:
        """Every queue, in its order of service."""
        return self.queues_file.queues

    def generations(self, user: str) -> Generations:
        """The generations of a user's passwords, or of the authority: the first is used, all are accepted."""
        return self.rotation.get(user, FIRST)

    @property
    def credentials(self) -> tuple[str, ...]:
        """Whatever can be rotated: the passwords of each role and outsider, and the authority."""
        return tuple(sorted({AUTHORITY, *Role, *(outsider.user for outsider in self.outsiders)}))

    @property
    def outsiders(self) -> tuple[Outsider, ...]:
        """The producers and foreign pools, which log in to RabbitMQ with users of their own."""
        return (*producers(self.queues), *foreign_pools(self.workloads.pools))

    @property
    def fleet(self) -> Fleet:
        """Its processes at their largest number: what the servers must hold."""
        return limits.fleet(self)

    @model_validator(mode="before")
    @classmethod
    def _named_file(cls, values: Any) -> Any:
        """A default that is wrong would be reported by the field's name, which stands in nobody's file.

        The kinds that were the only ones may be left out.
        """
        if not isinstance(values, Mapping):
            return values
        first = {"broker": "rabbitmq", "resultBackend": "redis"}
        kinds = {
            key: {"kind": kind, **given} for key, kind in first.items() if isinstance(given := values.get(key), Mapping)
        }
        return {"queues": DEFAULT, **values, **kinds}

    @field_validator("workloads", mode="before")
    @classmethod
    def _pools_of_queues(cls, value: Any, info: ValidationInfo) -> Any:
        """Every pool whole; a file that is wrong is reported by itself."""
        file: QueuesFile | None = info.data.get("queues_file")
        if not isinstance(value, Mapping) or not isinstance(entries := value.get("pools", {}), Mapping):
            return value
        return {**value, "pools": completed(file.queues if file else (), entries)}

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        problems = [*self._workers(), *self._producers(), *self._rotated(), *self._choices(), *self._of_prod()]
        problems += [f"workloads.pools.{line}" for line in misplaced(self.queues, self.workloads.pools)]
        problems += self.images.broken(self.own_images, self.broker.version, by_digest=self.is_prod)
        problems += [*shutdown.broken(self), *limits.broken(self), *redis_broker.broken(self)]
        if problems:
            raise ValueError(JOINED.join(problems))
        return self

    def _workers(self) -> list[str]:
        declared = [queue.name for queue in self.queues]
        pools = self.workloads.pools
        return [
            f"workloads.pools.{pool.name}: there is no queue {pool.queue}; declared are {', '.join(declared)}: "
            "say which of them it works on (queue: ...), or declare it"
            for pool in pools
            if pool.queue not in declared
        ] + [
            f"nobody works on the queue {queue}: a pool of this name works on another; add a pool with queue: {queue}"
            for queue in declared
            if queue not in {pool.queue for pool in pools}
        ]

    def _producers(self) -> list[str]:
        declared = sorted({name for queue in self.queues for name in queue.producers})
        return [
            f"producers.{name}: no queue names it; named are {', '.join(declared) or 'none'}: add it to the producers "
            "of a queue, or take it out here"
            for name in self.producers
            if name not in declared
        ]

    def _rotated(self) -> list[str]:
        return [
            f"rotation.{name}: nobody of this name logs in; there are {', '.join(self.credentials)}"
            for name in self.rotation
            if name not in self.credentials
        ]

    def _choices(self) -> list[str]:
        problems = []
        if self.cluster.keda_namespace is None:
            problems += [
                f"workloads.pools: {pool.name} scales by keda-queue and cluster.kedaNamespace is not set: "
                "install KEDA and name its namespace, or choose hpa-cpu"
                for pool in self.workloads.pools
                if isinstance(pool.scaling, KedaQueue)
            ]
        if self.cluster.monitoring_namespace is not None and self.cluster.runbooks_url is None:
            problems.append(
                "cluster.monitoringNamespace is set and cluster.runbooksUrl is not: alerts link to their runbooks: say "
                "where people read the folder runbooks/ (https://...)"
            )
        problems += managed.broken(self)
        replicated = isinstance(self.database, CloudNativePG)
        if replicated and not isinstance(self.object_store, S3Store):
            problems.append("database cloudnative-pg archives into a bucket: choose objectStore kind s3")
        if isinstance(self.database, Rds):
            if self.object_store is not None:
                problems.append(
                    f"objectStore {self.object_store.kind}: RDS keeps its backups itself: leave it out, and write "
                    "database.backupDays in the stack of infra/aws"
                )
        elif not replicated and not isinstance(self.object_store, VolumeStore):
            problems.append("database single dumps to a volume: choose objectStore kind volume")
        return problems

    def _of_prod(self) -> list[str]:
        if not self.is_prod:
            return []
        problems = []
        if isinstance(self.database, SinglePostgreSQL):
            problems.append("database single loses what was accepted with its disk: choose cloudnative-pg in prod")
        if self.result_backend.in_cluster and self.result_backend.topology != "sentinel":
            problems.append("resultBackend.topology single: choose sentinel in prod")
        if self.cluster.hosts < self.broker.nodes:
            problems.append(f"cluster.hosts {self.cluster.hosts} is less than broker.nodes {self.broker.nodes}")
        if self.cluster.context is None:
            problems.append(
                "cluster.context is missing: without it `pulumi up` would change whichever cluster is current; "
                "`kubectl config get-contexts` lists the names"
            )
        if self.drills:
            problems.append("drills true: tasks that misbehave on purpose are not for prod")
        return problems
