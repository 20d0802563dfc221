"""Declares every exchange and queue before anything else runs: `python -m app topology`, safe to repeat.

Celery declares its delay ladder only when a worker starts, so a producer that came first got 404 (finding 4); and who
declares needs permission to configure, which here only this command's role has.
"""

from __future__ import annotations

from collections.abc import Iterator

import structlog
from kombu import Connection, Exchange, Queue
from kombu.transport.native_delayed_delivery import (
    bind_queue_to_native_delayed_delivery_exchange,
    declare_native_delayed_delivery_exchanges_and_queues,
)

from app import contract

log = structlog.get_logger(__name__)

_QUORUM = {"x-queue-type": "quorum"}


def exchanges() -> tuple[Exchange, Exchange]:
    """The exchange of the work and the exchange of the dead."""
    return (
        Exchange(contract.TASKS_EXCHANGE, type="topic", durable=True),
        Exchange(contract.DEAD_LETTER_EXCHANGE, type="topic", durable=True),
    )


def queues() -> Iterator[Queue]:
    """Each work queue with its dead-letter queue. What they may hold and where they reject to are policies."""
    tasks, dead = exchanges()
    for queue in contract.queue_names():
        yield Queue(queue, tasks, routing_key=queue, queue_arguments=_QUORUM)
        name = contract.dead_letter_queue(queue)
        yield Queue(name, dead, routing_key=name, queue_arguments=_QUORUM)


def declare(connection: Connection) -> int:
    """Declare all of it; returns the number of queues of ours (the ladder has 28 more).

    Raises:
        amqp.exceptions.PreconditionFailed: something of that name exists with other arguments.
    """
    declare_native_delayed_delivery_exchanges_and_queues(connection, "quorum")
    declared = 0
    with connection.channel() as channel:
        for exchange in exchanges():
            exchange(channel).declare()
        for queue in queues():
            bound = queue(channel)
            bound.declare()
            if queue.exchange.name == contract.TASKS_EXCHANGE:
                # Where a message leaves the ladder: by its suffix `#.<queue>` to the exchange of the work.
                bind_queue_to_native_delayed_delivery_exchange(connection, bound)
            declared += 1
            log.info("queue_declared", queue=queue.name)
    return declared
