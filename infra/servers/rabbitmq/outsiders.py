"""RabbitMQ users for outsiders, that is, programs that are not ours: which queues each may publish to and read from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app import contract
from app.contract import Queue
from infra import naming
from infra.servers import capacity
from infra.settings.workloads import Pool

#: Connections of a producer over all nodes, so that a leak in one program stops no other.
PRODUCER_MAX_CONNECTIONS = 100
#: A routing key of Celery's delay ladder begins with the delay as 28 binary digits; the final routing key follows.
_DELAY = r"([01]\.){28}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outsider:
    """A program that is not ours and logs in to RabbitMQ."""

    user: str
    #: Queues that it may publish to.
    publishes: tuple[str, ...]
    #: The queue that it works on; a producer has none.
    reads: str | None = None
    #: Over all nodes.
    max_connections: int = PRODUCER_MAX_CONNECTIONS


def producers(queues: Sequence[Queue]) -> tuple[Outsider, ...]:
    """One outsider for each producer that the queues name, however many queues name it."""
    names = dict.fromkeys(name for queue in queues for name in queue.producers)
    return tuple(
        Outsider(
            user=contract.producer_user(name),
            publishes=tuple(queue.name for queue in queues if name in queue.producers),
        )
        for name in names
    )


def foreign_pools(pools: Sequence[Pool]) -> tuple[Outsider, ...]:
    """One outsider for each foreign pool; it may publish to its own queue, for retries, and to those it names."""
    return tuple(
        Outsider(
            user=naming.worker(pool.name),
            publishes=tuple(dict.fromkeys((pool.queue, *pool.application.publishes))),
            reads=pool.queue,
            max_connections=capacity.foreign_limit(pool.workers),
        )
        for pool in pools
        if pool.application is not None
    )


def control_names(outsider: Outsider) -> str:
    """A pattern for Celery's exchanges and queues of remote control, if `control_exchange` is the user's name.

    Celery's default name is not allowed, because a program that may publish there can shut our workers down.
    """
    return rf"(.*\.)?{re.escape(outsider.user)}\.pidbox"


def routing_keys(outsider: Outsider) -> dict[str, str]:
    """Patterns of the routing keys an outsider may use, by exchange. Without a pattern RabbitMQ allows every key."""
    allowed = "|".join(re.escape(queue) for queue in outsider.publishes)
    return {
        contract.TASKS_EXCHANGE: f"^({allowed})$",
        contract.DELAY_LADDER_EXCHANGE: f"^{_DELAY}({allowed})$",
    }
