"""The containers of a target by component and role, found by labels: their names depend on the version of Compose.

A service's name says both: `relay-1` is the component `relay` in the role `1`, and a worker's role is its queue. The
Redis that is the broker is a component of its own: a fault of `redis` means the Redis of results.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import docker
import docker.errors

from app import contract
from chaos.cluster import service_of
from chaos.errors import NotSupportedError, TargetMissingError
from chaos.management import Management

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
DEFAULT_PROJECT = "millrace"
#: What `contract.DRILLS_LABEL` says of a stack that may be broken on purpose; compose.yaml sets it.
DRILLS_OPEN = "open"


class Role(StrEnum):
    """Roles that are no part of a service's name."""

    ANY = "any"
    ALL = "all"
    #: Of RabbitMQ: the node that leads a queue, and one that follows it.
    LEADER = "leader"
    FOLLOWER = "follower"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A container, as Docker described it."""

    identifier: str
    service: str
    running: bool
    paused: bool
    #: `healthy`, `unhealthy`, `starting`; empty where the container has no check.
    health: str
    exit_code: int
    #: Whether the kernel ended one of its processes for want of memory since it was started.
    out_of_memory: bool
    started_at: str
    #: As `docker update --restart` wants it.
    restart_policy: str
    cpus: float
    #: Whether it may be broken: `open`, `confirm`, or something else.
    drills: str

    @property
    def component(self) -> str:
        """What it is."""
        return self.service if self.service == contract.REDIS_BROKER_SERVICE else self.service.partition("-")[0]

    @property
    def role(self) -> str:
        """Which of its component it is."""
        return self.service.removeprefix(self.component).removeprefix("-")


def project_name() -> str:
    """The compose project that may be touched: as `make up` has it, or as compose itself has it."""
    return os.environ.get("MILLRACE_PROJECT") or os.environ.get("COMPOSE_PROJECT_NAME") or DEFAULT_PROJECT


def members(project: str) -> tuple[Member, ...]:
    """Every container of a project, running or not, commands of a person left out.

    Raises:
        TargetMissingError: there is none, or Docker does not answer.
    """
    try:
        client = docker.from_env()
        try:
            found = client.containers.list(all=True, filters={"label": f"{PROJECT_LABEL}={project}"})
        finally:
            client.close()
    except docker.errors.DockerException as error:
        raise TargetMissingError(f"Docker does not answer: {error}") from error
    listed = [_member(container.attrs) for container in found if not _by_a_person(container.labels)]
    if not listed:
        raise TargetMissingError(f"There are no containers of project {project}.")
    return tuple(sorted(listed, key=lambda member: member.service))


def select(
    listed: Sequence[Member], component: str, role: str, management: Management, *, queue: str = contract.EVENT_QUEUE
) -> tuple[Member, ...]:
    """The running members of a component in a role; `leader` and `follower` are of a queue.

    Raises:
        TargetMissingError: there is none.
        NotSupportedError: only RabbitMQ has leaders.
    """
    able = [member for member in listed if member.component == component and member.running]
    if role in {Role.LEADER, Role.FOLLOWER}:
        if component != "rabbitmq":
            raise NotSupportedError(f"{component} has no role {role}; only rabbitmq has.")
        leader = service_of(management.queue(queue).leader)
        able = [member for member in able if (member.service == leader) is (role == Role.LEADER)]
    elif role not in {Role.ANY, Role.ALL}:
        able = [member for member in able if member.role == role]
    if not able:
        there = ", ".join(member.service for member in listed if member.running)
        raise TargetMissingError(f"No {component} in the role {role} runs; there run: {there}.")
    return tuple(able) if role == Role.ALL else (able[0],)


def _member(attributes: dict[str, Any]) -> Member:
    state, host = attributes["State"], attributes["HostConfig"]
    policy = host.get("RestartPolicy") or {}
    limit = policy.get("MaximumRetryCount") or 0
    labels = attributes["Config"]["Labels"]
    return Member(
        identifier=attributes["Id"][:12],
        service=labels.get(SERVICE_LABEL, ""),
        running=state["Running"],
        paused=state["Paused"],
        health=(state.get("Health") or {}).get("Status", ""),
        exit_code=state["ExitCode"],
        out_of_memory=state["OOMKilled"],
        started_at=state["StartedAt"],
        restart_policy=(policy.get("Name") or "no") + (f":{limit}" if limit else ""),
        cpus=host.get("NanoCpus", 0) / 1e9,
        drills=labels.get(contract.DRILLS_LABEL, ""),
    )


def _by_a_person(labels: dict[str, str]) -> bool:
    return labels.get("com.docker.compose.oneoff", "False").lower() == "true"
