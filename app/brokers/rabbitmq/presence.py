"""Whether the exchanges and queues of a role are there, asked as that role, with its own permissions."""

from __future__ import annotations

from collections.abc import Mapping

from amqp.exceptions import AMQPError

from app import contract
from app.brokers import wire
from app.contract import Role
from app.settings import Settings

#: What each role may look at, and so waits for. The relay may see no queue: `topology` declares exchanges first and
#: queues a second later, and what has no route meanwhile the relay sends again.
_EXCHANGES: Mapping[str, tuple[str, ...]] = {
    Role.RELAY: (contract.DELAY_LADDER_EXCHANGE, contract.TASKS_EXCHANGE),
    Role.WORKER: (contract.DELAY_LADDER_EXCHANGE, contract.TASKS_EXCHANGE),
}


def missing(settings: Settings) -> str | None:
    """What RabbitMQ lacks, as far as this role may see it."""
    try:
        with wire.connect(settings, name="wait") as connection:
            for exchange in _EXCHANGES.get(contract.user_of(settings.rabbitmq_user), ()):
                connection.channel().exchange_declare(exchange, "topic", passive=True)
            for queue in _queues(settings):
                connection.channel().queue_declare(queue, passive=True)
    except (OSError, AMQPError) as error:
        return f"RabbitMQ: {error}"
    return None


def _queues(settings: Settings) -> tuple[str, ...]:
    match contract.user_of(settings.rabbitmq_user):
        case Role.WORKER:
            return (settings.worker_queue,)
        case Role.ARCHIVER:
            return tuple(contract.dead_letter_queue(queue) for queue in contract.queue_names())
        case Role.BEAT:
            return contract.queue_names()
    return ()
