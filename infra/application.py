"""A process of the application image as a pod: its role, its servers, its probes. Builders; no resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_kubernetes.core import v1 as core

from app import contract
from app.contract import Role
from infra import naming
from infra.endpoints import Backends, Server
from infra.probes import NO_PROBES, Probes, exec_probe
from infra.settings.stack import Stack
from infra.settings.values import Resources
from infra.volumes import CONFIG_PATH, Files, Volume, config, scratch, secrets
from infra.workloads import Container, fingerprint, pod

READY = ("python", "-S", "-m", "app.telemetry.probe", "ready")
LIVE = ("python", "-S", "-m", "app.telemetry.probe", "live")
#: How long an init container waits for migrations and topology before the pod is started anew.
WAIT_SECONDS = 600
#: In the folder of settings.
QUEUES_FILE = "queues.toml"
#: A process that ends within seconds has so many, because a kubelet may be late.
SHORT_GRACE_SECONDS = 30
METRICS_PORT: Mapping[str, int] = {"metrics": contract.PORT_METRICS}


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process, as far as it differs from the others."""

    component: str
    role: Role
    arguments: tuple[str, ...]
    resources: Resources
    grace_period_seconds: int
    #: "postgresql", "broker", "redis" (of results), "s3" (if the stack has one): where it logs in.
    servers: tuple[str, ...]
    #: Past PgBouncer.
    direct: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    #: Beside scratch, settings and secrets.
    volumes: tuple[Volume, ...] = ()
    #: A certificate of its own; without, it is a client only.
    certified: bool = True
    #: What it waits for before it starts: arguments of `python -m app wait`.
    waits_for: tuple[str, ...] = ()
    probes: Probes = NO_PROBES
    pre_stop: tuple[str, ...] = ()
    restart_policy: str = "Always"
    spread_hosts: str = "ScheduleAnyway"


def heartbeat_probes() -> Probes:
    """Of relay, worker, archiver and beat: the heartbeat file, which knows nothing of the broker's health.

    Liveness fails after a minute without a turn of the loop; a broker outage restarts nobody.
    """
    return Probes(
        startup=exec_probe(LIVE, every=5, failures=24, timeout=10),
        readiness=exec_probe(READY, every=10, failures=3, timeout=10),
        liveness=exec_probe(LIVE, every=20, failures=3, timeout=10),
    )


def servers_of(process: Process, backends: Backends) -> dict[str, Server]:
    """The servers that a process talks to, by their names."""
    known = {
        "postgresql": backends.database_direct if process.direct else backends.database,
        "broker": backends.broker,
        "redis": backends.result_backend,
        "s3": backends.uploads,
    }
    return {name: server for name in process.servers if (server := known[name]) is not None}


def ready_servers(process: Process, backends: Backends) -> list[pulumi.Resource]:
    """What must be there before a process is created."""
    return [resource for server in servers_of(process, backends).values() for resource in server.ready]


def environment_of(stack: Stack, process: Process, backends: Backends) -> dict[str, pulumi.Input[str]]:
    """Its whole environment, sorted: what is common, where its servers are, what is its own. Logins are files."""
    common: dict[str, pulumi.Input[str]] = {
        "MILLRACE_ENVIRONMENT": stack.environment,
        "MILLRACE_LOG_LEVEL": stack.log_level,
        "MILLRACE_RABBITMQ_HEARTBEAT_SECONDS": str(stack.timings.broker_heartbeat_seconds),
        contract.QUEUES_FILE_VARIABLE: f"{CONFIG_PATH}/{QUEUES_FILE}",
        # Told to everybody: the gateway refuses what the broker cannot do, and asks it nothing.
        **stack.broker.environment,
    }
    servers = servers_of(process, backends)
    hosts = {name: value for server in servers.values() for name, value in server.environment.items()}
    return dict(sorted((common | hosts | dict(process.environment)).items()))


def queues_config_map(stack: Stack) -> str:
    """The ConfigMap with the stack's file of queues. Another content is another name, so every pod and Job is anew."""
    return f"{naming.QUEUES}-{fingerprint(stack.queues_file.text)}"


def pod_of(stack: Stack, process: Process, backends: Backends) -> core.PodSpecArgs:
    """The pod of a process."""
    image = stack.images.reference("app")
    environment = environment_of(stack, process, backends)
    volumes = [scratch(), config(queues_config_map(stack), QUEUES_FILE), _secrets(process, backends)]
    first: Sequence[Container] = ()
    if process.waits_for:
        first = [
            Container(
                name="wait",
                image=image,
                arguments=("wait", *process.waits_for, "--timeout-seconds", str(WAIT_SECONDS)),
                environment=environment,
                resources=stack.workloads.job.resources,
                volumes=volumes,
            )
        ]
    return pod(
        stack,
        process.component,
        [
            Container(
                name=process.component,
                image=image,
                arguments=process.arguments,
                environment=environment,
                ports=process.ports,
                resources=process.resources,
                volumes=[*volumes, *process.volumes],
                probes=process.probes,
                pre_stop=process.pre_stop,
            )
        ],
        first=first,
        grace_period_seconds=process.grace_period_seconds,
        restart_policy=process.restart_policy,
        spread_hosts=process.spread_hosts,
    )


def _secrets(process: Process, backends: Backends) -> Volume:
    """The folder of secrets: certificate and passwords of the role."""
    servers = servers_of(process, backends).values()
    words = [Files(secret=naming.passwords_secret(process.role))]
    if any(not server.own_users for server in servers):
        words.append(Files(secret=naming.s3_secret(process.role)))
    words += dict.fromkeys(server.authorities for server in servers if server.authorities is not None)
    return secrets(*words, certified=process.component if process.certified else None)
