"""Every fault by its verb, and the question whether it is asked for with what it needs.

A verb and a component make a fault; a new pair of the two needs no code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app import contract
from chaos import container_faults, memory_faults, network_faults, node_faults, operator_faults, queue_faults
from chaos.components import Member
from chaos.errors import ExperimentError
from chaos.plan import Plan, Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """How a fault is planned, on which component it can be brought about, and what it must be told besides."""

    plan: Callable[..., Plan]
    #: None: on each.
    only: str | None = None
    options: tuple[str, ...] = ()


VERBS: Mapping[str, Verb] = {
    "kill": Verb(plan=container_faults.kill),
    "pause": Verb(plan=container_faults.pause),
    "restart": Verb(plan=container_faults.restart),
    "starve": Verb(plan=container_faults.starve, options=("cpus",)),
    "out_of_memory": Verb(plan=memory_faults.out_of_memory, options=("victim",)),
    "memory_alarm": Verb(plan=node_faults.memory_alarm, only="rabbitmq"),
    "disk_alarm": Verb(plan=node_faults.disk_alarm, only="rabbitmq"),
    "partition": Verb(plan=node_faults.partition, only="rabbitmq"),
    "drop_policy": Verb(plan=operator_faults.drop_policy, only="rabbitmq", options=("name",)),
    "purge": Verb(plan=queue_faults.purge, only="rabbitmq", options=("name",)),
    "delete_queue": Verb(plan=queue_faults.delete_queue, only="rabbitmq", options=("name",)),
    "revoke": Verb(plan=operator_faults.revoke, only="rabbitmq", options=("name",)),
    "refuse_login": Verb(plan=operator_faults.refuse_login, only="postgresql", options=("name",)),
    "delay": Verb(plan=network_faults.delay, options=("to", "milliseconds")),
    "lose": Verb(plan=network_faults.lose, options=("to", "share")),
    "cut": Verb(plan=network_faults.cut, options=("to", "direction")),
    "half_open": Verb(plan=network_faults.half_open, options=("to",)),
}
COMPONENTS = (
    "gateway", "relay", "worker", "archiver", "beat", "rabbitmq", "postgresql", "redis", contract.REDIS_BROKER_SERVICE,
    "objectstore", "prometheus",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A fault as an experiment names it."""

    verb: str
    component: str
    role: str
    options: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Refuse what nobody can bring about.

        Raises:
            ExperimentError: says which word is wrong, and which are right.
        """
        if self.verb not in VERBS:
            raise ExperimentError(f"verb {self.verb}: there are {', '.join(VERBS)}.")
        if self.component not in COMPONENTS:
            raise ExperimentError(f"component {self.component}: there are {', '.join(COMPONENTS)}.")
        verb = VERBS[self.verb]
        if verb.only not in {None, self.component}:
            raise ExperimentError(f"{self.verb} is a fault of {verb.only}, not of {self.component}.")
        if set(self.options) != set(verb.options):
            wanted = " and ".join(verb.options) or "nothing"
            raise ExperimentError(f"{self.verb} must be told {wanted}, and was told {dict(self.options)}.")
        if (to := self.options.get("to")) not in {None, network_faults.DNS, *COMPONENTS}:
            raise ExperimentError(f"to {to}: there are {', '.join(COMPONENTS)}, and {network_faults.DNS}.")

    def plan(self, member: Member, scene: Scene) -> Plan:
        """Plan the fault for one member."""
        return VERBS[self.verb].plan(member, scene, **self.options)

    def __str__(self) -> str:
        """For people."""
        told = "".join(f" {value}" for value in self.options.values())
        return f"{self.verb} {self.component}/{self.role}{told}"
