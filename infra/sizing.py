"""How much a stack may use in all, and so its quotas. Derived from the settings, not said twice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from infra import naming
from infra.settings.backends import CloudNativePG, ObjectServer, SinglePostgreSQL
from infra.settings.scaling import most_replicas
from infra.settings.stack import Stack
from infra.settings.values import Resources, amount

#: Room for a rolling update's extra pods and for jobs, beside what runs.
HEADROOM = 1.25
#: A sentinel asks its Redis a question a second.
SENTINEL_RESOURCES = Resources(cpu="50m", cpu_limit="200m", memory="64Mi")


@dataclass(frozen=True)
class Size:
    """So many pods of a component at most, each of this size."""

    component: str
    pods: int
    resources: Resources


def sizes(stack: Stack, namespace: str) -> tuple[Size, ...]:
    """Every kind of pod of a namespace at its largest number."""
    every = (*_application(stack), *_servers(stack))
    return tuple(size for size in every if naming.namespace_of(size.component) == namespace)


def quota(stack: Stack, namespace: str) -> dict[str, str]:
    """The ResourceQuota of a namespace: all its pods at their largest number, and a quarter more."""
    ours = sizes(stack, namespace)
    pods = sum(size.pods for size in ours)
    cpu = sum(size.pods * amount(size.resources.cpu) for size in ours)
    cpu_limit = sum(size.pods * size.resources.cpu_limit_cores for size in ours)
    memory = sum(size.pods * size.resources.memory_bytes for size in ours)
    mebibytes = math.ceil(memory * HEADROOM / 2**20)
    return {
        "pods": str(math.ceil(pods * HEADROOM)),
        "requests.cpu": str(math.ceil(cpu * HEADROOM)),
        "limits.cpu": str(math.ceil(cpu_limit * HEADROOM)),
        "requests.memory": f"{mebibytes}Mi",
        "limits.memory": f"{mebibytes}Mi",
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }


def largest_container(stack: Stack, namespace: str) -> dict[str, str]:
    """The LimitRange's `max`: what the largest of our containers has."""
    ours = [size.resources for size in sizes(stack, namespace)]
    return {
        "cpu": f"{max(math.ceil(resources.cpu_limit_cores * 1000) for resources in ours)}m",
        "memory": f"{max(resources.memory_bytes for resources in ours) // 2**20}Mi",
    }


def _application(stack: Stack) -> Iterator[Size]:
    workloads = stack.workloads
    yield Size(naming.GATEWAY, most_replicas(workloads.gateway.scaling), workloads.gateway.resources)
    yield Size(naming.RELAY, workloads.relay.replicas, workloads.relay.resources)
    for pool in workloads.pools:
        yield Size(naming.worker(pool.name), most_replicas(pool.scaling), pool.resources)
    yield Size(naming.ARCHIVER, 1, workloads.archiver.resources)
    yield Size(naming.BEAT, 1, workloads.beat.resources)
    if stack.broker.sends_events:
        yield Size(naming.FLOWER, 1, workloads.flower.resources)
    for job in (naming.MIGRATE, naming.TOPOLOGY, naming.RETENTION, naming.OPERATOR):
        yield Size(job, 1, workloads.job.resources)


def _servers(stack: Stack) -> Iterator[Size]:
    if stack.broker.resources is not None:
        yield Size(stack.broker.component, stack.broker.nodes, stack.broker.resources)
    else:
        yield Size(naming.RABBITMQ_LOGINS, 1, stack.workloads.job.resources)
    if stack.result_backend.resources is not None:
        yield Size(naming.REDIS, stack.result_backend.replicas, stack.result_backend.resources)
    if stack.result_backend.topology == "sentinel":
        # The sentinel beside each Redis.
        yield Size(naming.REDIS, stack.result_backend.replicas, SENTINEL_RESOURCES)
    if isinstance(stack.uploads, ObjectServer):
        yield Size(naming.OBJECT_STORE, 1, stack.uploads.resources)
    yield Size(naming.PGBOUNCER, stack.pgbouncer.replicas, stack.pgbouncer.resources)
    if isinstance(stack.database, SinglePostgreSQL):
        yield Size(naming.POSTGRESQL, 1, stack.database.resources)
        yield Size(naming.POSTGRESQL_BACKUP, 1, stack.workloads.job.resources)
    elif isinstance(stack.database, CloudNativePG):
        yield Size(naming.POSTGRESQL, stack.database.instances, stack.database.resources)
    else:
        yield Size(naming.POSTGRESQL_LOGINS, 1, stack.workloads.job.resources)
