"""The table of connections: who may talk to whom, on which port, and why. Policies, documentation and tests read it.

What is not in the table is denied, in both directions, the internet included. Every pod may ask the cluster's DNS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app import contract
from infra import naming
from infra.settings.archive import Identity, Irsa, PodIdentity
from infra.settings.backends import CloudNativePG, ObjectServer, RabbitMQ, S3Store, SinglePostgreSQL
from infra.settings.managed import PORT_HTTPS, Rds
from infra.settings.scaling import KedaQueue
from infra.settings.stack import Stack

#: Where an API server listens behind its service; policies see the port after the translation.
PORT_API_SERVER = 6443
#: CloudNativePG's instance manager, asked by the operator, and its exporter.
PORT_CNPG_STATUS = 8000
PORT_CNPG_METRICS = 9187
PORT_DNS = 53
#: EKS' agent, at the same address on every node. Plain HTTP, which stays on the node.
POD_IDENTITY_CIDRS, PORT_POD_IDENTITY = ("169.254.170.23/32",), 80


@dataclass(frozen=True, order=True)
class Pods:
    """Pods of ours, all those of one component."""

    component: str

    @property
    def namespace(self) -> str:
        """Where they run."""
        return naming.namespace_of(self.component)

    @property
    def name(self) -> str:
        """As the table says it."""
        return self.component


@dataclass(frozen=True, order=True)
class Neighbour:
    """Pods of somebody else in the same cluster."""

    name: str
    namespace: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, order=True)
class Network:
    """Addresses outside the pods."""

    name: str
    cidrs: tuple[str, ...]


Party = Pods | Neighbour | Network


@dataclass(frozen=True)
class Connection:
    """One arrow: who opens it, to whom, on which TCP ports."""

    source: Party
    destination: Party
    ports: tuple[int, ...]
    why: str


def database(stack: Stack) -> Party:
    """PostgreSQL itself, behind the pool of connections."""
    return _server(stack, naming.POSTGRESQL, in_cluster=stack.database.in_cluster)


def result_backend(stack: Stack) -> Party:
    """Of limits and results."""
    return _server(stack, naming.REDIS, in_cluster=stack.result_backend.in_cluster)


def broker(stack: Stack) -> Party:
    """Of tasks."""
    return _server(stack, stack.broker.component, in_cluster=stack.broker.in_cluster)


def _server(stack: Stack, component: str, *, in_cluster: bool) -> Party:
    if in_cluster:
        return Pods(component)
    return Network(f"{component} of AWS", stack.aws.cidrs if stack.aws else ())


def connections(stack: Stack) -> tuple[Connection, ...]:
    """The table of a stack."""
    inside = (*_of_application(stack), *_of_uploads(stack), *_of_broker(stack), *_of_data(stack))
    return (*_into(stack), *inside, *_watched(stack))


def components(stack: Stack) -> tuple[Pods, ...]:
    """Every kind of pod that a stack has."""
    ours = [
        naming.GATEWAY,
        naming.RELAY,
        *(naming.worker(pool.name) for pool in stack.workloads.pools),
        naming.ARCHIVER,
        naming.BEAT,
        *([naming.FLOWER] if stack.broker.sends_events else []),
        naming.MIGRATE,
        naming.TOPOLOGY,
        naming.RETENTION,
        naming.OPERATOR,
        stack.broker.component if stack.broker.in_cluster else naming.RABBITMQ_LOGINS,
        *([naming.REDIS] if stack.result_backend.in_cluster else []),
        naming.POSTGRESQL if stack.database.in_cluster else naming.POSTGRESQL_LOGINS,
        naming.PGBOUNCER,
    ]
    if isinstance(stack.database, SinglePostgreSQL):
        ours.append(naming.POSTGRESQL_BACKUP)
    if isinstance(stack.uploads, ObjectServer):
        ours.append(naming.OBJECT_STORE)
    return tuple(Pods(name) for name in ours)


def _into(stack: Stack) -> Iterator[Connection]:
    ingress = stack.workloads.gateway.ingress
    controller: Party = Network("load balancer", ingress.controller_cidrs)
    if ingress.controller_namespace is not None:
        labels = tuple(sorted(ingress.controller_labels.items()))
        controller = Neighbour("ingress controller", ingress.controller_namespace, labels)
    yield Connection(controller, Pods(naming.GATEWAY), (contract.PORT_GATEWAY,), "requests of the world")


def _of_application(stack: Stack) -> Iterator[Connection]:
    pgbouncer, postgresql = Pods(naming.PGBOUNCER), database(stack)
    tasks, redis = broker(stack), result_backend(stack)
    port, both = stack.broker.client_port, _broker_ports(stack)
    # They ask the broker who consumes, and for events.
    listeners = (Pods(naming.BEAT), Pods(naming.FLOWER)) if stack.broker.sends_events else ()
    workers = [Pods(naming.worker(pool.name)) for pool in stack.workloads.own_pools]
    foreign = [Pods(naming.worker(pool.name)) for pool in stack.workloads.pools if pool.application is not None]
    operator = Pods(naming.OPERATOR)
    redis_ports = _redis_ports(stack)
    for source in (Pods(naming.GATEWAY), Pods(naming.RELAY), *workers, Pods(naming.ARCHIVER), Pods(naming.BEAT)):
        yield Connection(source, pgbouncer, (contract.PORT_POSTGRESQL,), "jobs, outbox, effects")
    for source in (Pods(naming.RELAY), *workers, Pods(naming.ARCHIVER), *listeners):
        yield Connection(source, tasks, (port,), "tasks, dead letters, events")
    for source in foreign:
        yield Connection(source, tasks, (port,), "its tasks, and nothing else of ours")
    for pool in stack.workloads.pools:
        if pool.far_sides is not None:
            far_sides = Network(f"far sides of {pool.name}", pool.far_sides.cidrs)
            yield Connection(Pods(naming.worker(pool.name)), far_sides, pool.far_sides.ports, "calls of other systems")
    yield Connection(Pods(naming.GATEWAY), redis, redis_ports, "rate limits, results that callers poll")
    for source in workers:
        yield Connection(source, redis, redis_ports, "results, parts of chords, limits and warm caches")
    yield Connection(Pods(naming.MIGRATE), postgresql, (contract.PORT_POSTGRESQL,), "a migration needs one session")
    yield Connection(Pods(naming.RETENTION), postgresql, (contract.PORT_POSTGRESQL,), "partitions, as the owner")
    yield Connection(
        Pods(naming.TOPOLOGY),
        tasks,
        both,
        "declares exchanges and queues, and looks for what is left of earlier ones",
    )
    yield Connection(operator, postgresql, (contract.PORT_POSTGRESQL,), "the runbook: dead letters, API keys")
    yield Connection(operator, tasks, both, "the runbook: queues")
    yield Connection(operator, redis, redis_ports, "the runbook: limits")


def _of_uploads(stack: Stack) -> Iterator[Connection]:
    if stack.uploads is None:
        return
    store: Party = Pods(naming.OBJECT_STORE)
    port = contract.PORT_OBJECT_STORE
    if not isinstance(stack.uploads, ObjectServer):
        store, port = Network("uploads", stack.uploads.cidrs), PORT_HTTPS
    workers = [naming.worker(pool.name) for pool in stack.workloads.own_pools]
    for component in (naming.GATEWAY, *workers):
        yield Connection(Pods(component), store, (port,), "uploads and long items")
    yield Connection(Pods(naming.RETENTION), store, (port,), "removes what nobody refers to any more")


def _of_broker(stack: Stack) -> Iterator[Connection]:
    tasks, management = broker(stack), stack.broker.management_port
    if isinstance(stack.broker, RabbitMQ):
        yield Connection(tasks, tasks, (contract.PORT_EPMD, contract.PORT_ERLANG_DISTRIBUTION), "the cluster")
    elif not stack.broker.in_cluster:
        yield Connection(Pods(naming.RABBITMQ_LOGINS), tasks, (management,), "vhost, users, policies")
    if any(isinstance(pool.scaling, KedaQueue) for pool in stack.workloads.pools):
        keda = Neighbour("KEDA", stack.cluster.keda_namespace or "", tuple(sorted(stack.cluster.keda_labels.items())))
        yield Connection(keda, tasks, (management,), "lengths of queues")
    for name, producer in stack.producers.items():
        service = Neighbour(contract.producer_user(name), producer.namespace, tuple(sorted(producer.labels.items())))
        yield Connection(service, tasks, (stack.broker.client_port,), "publishes to its queues")


def _of_data(stack: Stack) -> Iterator[Connection]:
    postgresql, redis = database(stack), result_backend(stack)
    yield Connection(Pods(naming.PGBOUNCER), postgresql, (contract.PORT_POSTGRESQL,), "the pool's own connections")
    if stack.result_backend.topology == "sentinel":
        yield Connection(redis, redis, _redis_ports(stack), "replication and the sentinels' vote")
    if isinstance(stack.database, Rds):
        yield Connection(Pods(naming.POSTGRESQL_LOGINS), postgresql, (contract.PORT_POSTGRESQL,), "the roles")
        return
    if isinstance(stack.database, SinglePostgreSQL):
        yield Connection(Pods(naming.POSTGRESQL_BACKUP), postgresql, (contract.PORT_POSTGRESQL,), "the nightly dump")
        return
    postgresql = Pods(naming.POSTGRESQL)
    operator = Neighbour("CloudNativePG", stack.cluster.cnpg_namespace, ((naming.LABEL_NAME, "cloudnative-pg"),))
    ports = (contract.PORT_POSTGRESQL, PORT_CNPG_STATUS)
    yield Connection(postgresql, postgresql, ports, "replication")
    yield Connection(operator, postgresql, ports, "the operator watches and fails over")
    api_server = Network("API server", stack.database.api_server_cidrs)
    yield Connection(postgresql, api_server, (PORT_HTTPS, PORT_API_SERVER), "who is the primary")
    if isinstance(stack.object_store, S3Store):
        bucket = Network("object store", stack.object_store.cidrs)
        yield Connection(postgresql, bucket, (PORT_HTTPS,), "base backups and write-ahead log")
        yield from _identity(postgresql, stack.object_store.identity)


def _identity(postgresql: Pods, identity: Identity) -> Iterator[Connection]:
    """Where the database's pods get the keys for the bucket."""
    if isinstance(identity, Irsa):
        yield Connection(postgresql, Network("STS", identity.sts_cidrs), (PORT_HTTPS,), "keys for the bucket")
    elif isinstance(identity, PodIdentity):
        agent = Network("Pod Identity agent", POD_IDENTITY_CIDRS)
        yield Connection(postgresql, agent, (PORT_POD_IDENTITY,), "keys for the bucket")


def _watched(stack: Stack) -> Iterator[Connection]:
    if stack.cluster.monitoring_namespace is None:
        return
    prometheus = Neighbour(
        "Prometheus", stack.cluster.monitoring_namespace, tuple(sorted(stack.cluster.monitoring_labels.items()))
    )
    yield Connection(prometheus, Pods(naming.GATEWAY), (contract.PORT_GATEWAY,), "metrics")
    workers = [naming.worker(pool.name) for pool in stack.workloads.own_pools]
    for component in (naming.RELAY, *workers, naming.ARCHIVER, naming.BEAT):
        yield Connection(prometheus, Pods(component), (contract.PORT_METRICS,), "metrics")
    if isinstance(stack.broker, RabbitMQ):
        yield Connection(prometheus, Pods(naming.RABBITMQ), (contract.PORT_RABBITMQ_METRICS,), "metrics")
    if isinstance(stack.database, CloudNativePG):
        yield Connection(prometheus, Pods(naming.POSTGRESQL), (PORT_CNPG_METRICS,), "metrics")


def _broker_ports(stack: Stack) -> tuple[int, ...]:
    """Of whoever looks after queues."""
    return tuple(dict.fromkeys((stack.broker.client_port, stack.broker.management_port)))


def _redis_ports(stack: Stack) -> tuple[int, ...]:
    if stack.result_backend.topology == "sentinel":
        return (contract.PORT_REDIS, contract.PORT_SENTINEL)
    return (contract.PORT_REDIS,)
