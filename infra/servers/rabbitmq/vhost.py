"""The vhost and its policies.

Queues are not here: only `python -m app topology` may declare them. Two exchanges are here, because outsiders have
topic permissions on them: RabbitMQ 4.3 drops a topic permission for an exchange that does not exist, with a warning in
its log, and then allows every routing key (measured). Whatever may change while messages are in a queue is a policy: a
queue that is declared again with other arguments is refused, and every worker fails.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from app import contract
from app.contract import Queue
from infra.servers.rabbitmq.cluster import CONSUMER_TIMEOUT_SECONDS

#: Fuses, far above what is needed: a client that leaks connections or queues stops before it stops the broker.
CONNECTIONS, QUEUES = 2000, 1000


def _policy(queue: str, definition: dict[str, Any]) -> dict[str, Any]:
    return {
        "vhost": contract.VHOST,
        "name": queue,
        "pattern": f"^{re.escape(queue)}$",
        "apply-to": "quorum_queues",
        "priority": 10,
        "definition": definition,
    }


def work_queue_policy(queue: Queue, consumer_timeout_seconds: int = CONSUMER_TIMEOUT_SECONDS) -> dict[str, Any]:
    """One policy a queue, because only one applies and the dead-letter routing key is the queue's own.

    The key is explicit: a message that came through the delay ladder carries one such as `0.0.1.interactive`.
    At-least-once dead-lettering needs `reject-publish`, or RabbitMQ falls back to at-most-once without a word.
    """
    return _policy(
        queue.name,
        {
            "delivery-limit": queue.delivery_limit,
            "dead-letter-exchange": contract.DEAD_LETTER_EXCHANGE,
            "dead-letter-routing-key": contract.dead_letter_queue(queue.name),
            "dead-letter-strategy": "at-least-once",
            "overflow": "reject-publish",
            "max-length-bytes": queue.max_length_bytes,
            "consumer-timeout": consumer_timeout_seconds * 1000,
        },
    )


def dead_letter_queue_policy(queue: Queue) -> dict[str, Any]:
    """No delivery limit: with the default of 20, looking at a dead letter 21 times destroys it."""
    return _policy(contract.dead_letter_queue(queue.name), {"delivery-limit": -1})


def _exchange(name: str) -> dict[str, Any]:
    """A durable topic exchange, with the same arguments as in `topology`: it declares the exchange again."""
    kind = {"type": "topic", "durable": True, "auto_delete": False, "internal": False, "arguments": {}}
    return {"vhost": contract.VHOST, "name": name, **kind}


def vhost_definitions(
    queues: Sequence[Queue],
    consumer_timeout_seconds: int = CONSUMER_TIMEOUT_SECONDS,
    *,
    connections: int = CONNECTIONS,
) -> dict[str, Any]:
    """The part of the definitions that is no secret.

    A durable queue declared without a type is a quorum queue; exclusive ones, such as Celery's control queues, are
    classic whatever the default says.
    """
    return {
        "vhosts": [
            {
                "name": contract.VHOST,
                "default_queue_type": "quorum",
                "metadata": {
                    "description": "Millrace: one vhost an environment",
                    "tags": [],
                    "default_queue_type": "quorum",
                },
            }
        ],
        "parameters": [
            {
                "vhost": contract.VHOST,
                "component": "vhost-limits",
                "name": "limits",
                "value": {"max-connections": connections, "max-queues": QUEUES},
            },
        ],
        "exchanges": [_exchange(contract.TASKS_EXCHANGE), _exchange(contract.DELAY_LADDER_EXCHANGE)],
        "policies": [
            *(work_queue_policy(queue, consumer_timeout_seconds) for queue in queues),
            *(dead_letter_queue_policy(queue) for queue in queues),
        ],
    }
