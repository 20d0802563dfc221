"""RabbitMQ's users of programs that are not ours: what each may publish, and from which queue it may read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app import contract
from app.contract import Queue
from infra import naming
from infra.settings.workloads import Pool

#: Connections of one such user over all nodes: a leak of theirs stops nobody else.
PRODUCER_MAX_CONNECTIONS = 100
POOL_MAX_CONNECTIONS = 300
#: Celery's delay ladder reads the delay as 28 binary digits; what follows them is the routing key that comes out.
_DELAY = r"([01]\.){28}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outsider:
    """A program that is not ours and logs in to RabbitMQ."""

    user: str
    #: Queues that it may publish to.
    publishes: tuple[str, ...]
    #: The queue that it works on; a producer has none.
    reads: str | None = None

    @property
    def max_connections(self) -> int:
        """Over all nodes."""
        return PRODUCER_MAX_CONNECTIONS if self.reads is None else POOL_MAX_CONNECTIONS


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


def foreign_pools(pools: Sequence[Pool]) -> tuple[Outsider, ...]:
    """The pools whose application is not ours; each publishes to its own queue, for retries, and to those it names."""
    return tuple(
        Outsider(
            user=naming.worker(pool.name),
            publishes=tuple(dict.fromkeys((pool.queue, *pool.application.publishes))),
            reads=pool.queue,
        )
        for pool in pools
        if pool.application is not None
    )


def control_names(outsider: Outsider) -> str:
    """Celery's exchanges and queues of remote control, where `control_exchange` is the user's name.

    Not Celery's default name: whoever may publish there shuts our workers down.
    """
    return rf"(.*\.)?{re.escape(outsider.user)}\.pidbox"


def routing_keys(outsider: Outsider) -> dict[str, str]:
    """Exchange to the routing keys that an outsider may use there. RabbitMQ lets any pass where nothing is said."""
    allowed = "|".join(re.escape(queue) for queue in outsider.publishes)
    return {
        contract.TASKS_EXCHANGE: f"^({allowed})$",
        contract.DELAY_LADDER_EXCHANGE: f"^{_DELAY}({allowed})$",
    }
