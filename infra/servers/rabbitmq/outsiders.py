"""RabbitMQ's users of programs that are not ours: what each may publish, and from which queue it may read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app import contract
from app.contract import Queue

#: Connections of one such user over all nodes: a leak of theirs stops nobody else.
MAX_CONNECTIONS = 100
#: Celery's delay ladder reads the delay as 28 binary digits; what follows them is the routing key that comes out.
_DELAY = r"([01]\.){28}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outsider:
    """A program that is not ours and logs in to RabbitMQ."""

    user: str
    #: Queues that it may publish to.
    publishes: tuple[str, ...]


def producers(queues: Sequence[Queue]) -> tuple[Outsider, ...]:
    """The producers that the queues name, each with all of its queues."""
    names = dict.fromkeys(name for queue in queues for name in queue.producers)
    return tuple(
        Outsider(
            user=contract.producer_user(name),
            publishes=tuple(queue.name for queue in queues if name in queue.producers),
        )
        for name in names
    )


def routing_keys(outsider: Outsider) -> dict[str, str]:
    """Exchange to the routing keys that an outsider may use there. RabbitMQ lets any pass where nothing is said."""
    allowed = "|".join(re.escape(queue) for queue in outsider.publishes)
    return {
        contract.TASKS_EXCHANGE: f"^({allowed})$",
        contract.DELAY_LADDER_EXCHANGE: f"^{_DELAY}({allowed})$",
    }
