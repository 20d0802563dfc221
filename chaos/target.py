"""What a drill may ask of the place where Millrace runs. The local stack has experiments for more than a kill."""

from __future__ import annotations

from typing import Protocol

from chaos.management import Management


class MortalNode(Protocol):
    """One RabbitMQ node that can be killed and started again."""

    @property
    def name(self) -> str:
        """As its place calls it: a container, a pod."""
        ...

    @property
    def still_dead(self) -> bool:
        """Whether it is down and was not up in between, however short."""
        ...

    @property
    def exit_code(self) -> int | None:
        """How it ended: 137 is SIGKILL. None where its place does not say."""
        ...

    def run(self, command: list[str]) -> str:
        """Run a command beside it and return what it said."""
        ...

    def kill(self) -> float:
        """SIGKILL, and keep it dead; returns when (Unix time)."""
        ...

    def start(self) -> float:
        """Let it live again; returns when."""
        ...


class BrokerNode(MortalNode, Protocol):
    """One RabbitMQ node with every fault of `broker_faults`; each verb has its way back."""

    def pause(self) -> float:
        """Stop its processes where they stand, sockets open: to the others it hangs. Returns when."""
        ...

    def resume(self) -> float:
        """Let them go on; returns when."""
        ...

    def cut_off(self) -> float:
        """Part it from the other nodes, but not from clients; returns when.

        Raises:
            NotSupportedError: it cannot be done in this place.
        """
        ...

    def join(self) -> float:
        """Let it reach the others again; returns when."""
        ...


class Target(Protocol):
    """Where Millrace runs."""

    def management(self) -> Management:
        """RabbitMQ's management API, as the operator."""
        ...

    def broker(self, host: str) -> BrokerNode:
        """The node whose host name begins so: rabbitmq-1.

        Raises:
            TargetMissingError: it does not run.
        """
        ...
