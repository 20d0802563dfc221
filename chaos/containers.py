"""The stack of this checkout as the fault of `make demo` needs it; it kills and starts a node as the experiments do."""

from __future__ import annotations

import time

from app import contract
from chaos.components import Member, Role, members, select
from chaos.errors import NotHealedError
from chaos.faults import Wanted
from chaos.injections import held
from chaos.management import Management, local_access
from chaos.steps import docker, perform

_RABBITMQ, _WORKER = "rabbitmq", "worker"
#: Longer than any drill keeps a node dead.
_DEADLINE_SECONDS = 900.0


class ComposeTarget:
    """The stack of this checkout."""

    def management(self) -> Management:
        """By the ports that compose publishes."""
        return Management(local_access())

    def broker(self, host: str) -> ComposeNode:
        """The service of the node's name.

        Raises:
            TargetMissingError: it does not run.
        """
        role = host.removeprefix(f"{_RABBITMQ}-")
        return self._node(_RABBITMQ, role)

    def worker(self, queue: str) -> ComposeNode:
        """The worker of a queue.

        Raises:
            TargetMissingError: it does not run.
        """
        return self._node(_WORKER, queue)

    def redis_broker(self) -> ComposeNode:
        """The Redis that is the broker.

        Raises:
            TargetMissingError: it does not run.
        """
        return self._node(contract.REDIS_BROKER_SERVICE, Role.ANY)

    def _node(self, component: str, role: str) -> ComposeNode:
        return ComposeNode(select(members(held().project), component, role, held().management)[0])


class ComposeNode:
    """The container of one RabbitMQ node, Redis or worker, while a drill has it in hand."""

    def __init__(self, member: Member) -> None:
        """As it is before the fault."""
        self._member = member

    @property
    def name(self) -> str:
        """Its service."""
        return self._member.service

    @property
    def still_dead(self) -> bool:
        """Whether it is down and was not up in between, however short."""
        return not held().lacks()

    @property
    def healthy(self) -> bool:
        """Whether its own check is content."""
        return held().look(self._member).health == "healthy"

    @property
    def exit_code(self) -> int:
        """How it ended: 137 is SIGKILL."""
        return held().look(self._member).exit_code

    def run(self, command: list[str]) -> str:
        """Run a command inside and return what it said.

        Raises:
            StepFailedError: it failed.
        """
        return perform(docker("exec", self._member.identifier, *command))

    def kill(self) -> float:
        """SIGKILL every process in it, dead until `start` or the deadline; returns when (Unix time).

        Raises:
            NotConfirmedError: it is still running.
        """
        wanted = Wanted(verb="kill", component=self._member.component, role=self._member.role, options={})
        return float(held().inject(wanted, deadline_seconds=_DEADLINE_SECONDS)["injected_at"])

    def start(self) -> float:
        """Start it again with the policy it had, and return when.

        Raises:
            NotHealedError: it could not be.
        """
        if wrong := held().take_back():
            raise NotHealedError("; ".join(wrong))
        return time.time()
