"""The broker of a target, as an outsider asks it: how much is in it, and whether it is whole."""

from __future__ import annotations

from typing import Protocol

from loadtests.queues import Management, Queue
from loadtests.redis_queues import RedisQueues
from loadtests.sqs_queues import SqsQueues
from loadtests.target import REDIS, SQS, Target


class AnyBroker(Protocol):
    """What a run asks of it."""

    def close(self) -> None:
        """Close the connections."""

    def work_queues(self) -> list[Queue]:
        """The queues in which work may be."""

    def nodes_running(self) -> dict[str, bool]:
        """Node name to whether it runs."""

    def version(self) -> str:
        """The broker and its version, and whether it is an emulator."""


def opened(target: Target) -> AnyBroker:
    """The target's; nothing is asked yet."""
    if target.broker == SQS:
        return SqsQueues(target)
    return RedisQueues(target) if target.broker == REDIS else Management(target)
