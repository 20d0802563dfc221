"""Redis as the broker of a stack: its settings, and the settings that it rules out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.servers import redis_conf
from infra.servers.capacity import redis_broker_clients
from infra.settings.backends import RedisBroker
from infra.settings.limits import MIB, fleet, largest

if TYPE_CHECKING:
    from infra.settings.stack import Stack

_OTHERS = "choose broker rabbitmq or amazonmq"


def broken(stack: Stack) -> Iterator[str]:
    """One sentence for each setting of the stack that Redis as the broker rules out."""
    if not isinstance(stack.broker, RedisBroker):
        return
    if stack.is_prod:
        yield f"broker redis is one server, and nothing is executed while its node is gone: {_OTHERS} in prod"
    for queue in stack.queues:
        if queue.producers:
            yield (
                f"queues: [{queue.name}] producers: Redis does not say who sent a message, so no other service may "
                f"publish: take them out, or {_OTHERS}"
            )
    for pool in stack.workloads.pools:
        if pool.application is not None:
            yield (
                f"workloads.pools.{pool.name}: plain Celery loses messages on Redis, so no other application may "
                f"consume: take it out, or {_OTHERS}"
            )
    clients, room = redis_broker_clients(fleet(stack)), redis_conf.clients_room(stack.broker.resources.memory_bytes)
    if clients > room:
        yield (
            f"broker.resources.memory {stack.broker.resources.memory}: {clients} clients at their largest number, and "
            f"room for {room} in a quarter of it: give it {redis_conf.memory_for(clients) // MIB}Mi, or a smaller "
            f"maxReplicas or concurrency in workloads.pools ({largest(stack)} has most)"
        )
