"""`python -m app wait`: what a pod does before its process starts, when everything is applied at once.

It asks as the role that will do the work, with that role's own permissions, and ends when all is there or time is up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import structlog
import tenacity
from amqp.exceptions import AMQPError
from sqlalchemy.exc import SQLAlchemyError

from app import contract
from app.brokers import wire
from app.contract import Role
from app.errors import NotReadyError
from app.settings import Settings, load
from app.storage.engine import engine
from app.storage.migrate import outstanding

log = structlog.get_logger(__name__)

_POLL_SECONDS = 1.0

#: What each role may look at, and so waits for. The relay may see no queue: `topology` declares exchanges first and
#: queues a second later, and what has no route meanwhile the relay sends again.
_EXCHANGES: Mapping[str, tuple[str, ...]] = {
    Role.RELAY: (contract.DELAY_LADDER_EXCHANGE, contract.TASKS_EXCHANGE),
    Role.WORKER: (contract.DELAY_LADDER_EXCHANGE, contract.TASKS_EXCHANGE),
}


def wait(*, migrations: bool, topology: bool, timeout_seconds: float) -> None:
    """Return when what is asked for is there.

    Raises:
        NotReadyError: it was not in time; the message says what was missing last.
    """
    checks: list[Callable[[], str | None]] = []
    if migrations:
        checks.append(missing_in_postgresql)
    if topology:
        checks.append(missing_in_rabbitmq)
    deadline = time.monotonic() + timeout_seconds
    for check in checks:
        left_seconds = max(0.0, deadline - time.monotonic())
        missing = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda missing: missing is not None),
            stop=tenacity.stop_after_delay(left_seconds),
            wait=tenacity.wait_fixed(_POLL_SECONDS),
            before_sleep=_say,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else "",
        )(check)
        if missing is not None:
            raise NotReadyError(f"Not within {timeout_seconds:g} s: {missing}.")


def missing_in_postgresql() -> str | None:
    """What PostgreSQL lacks."""
    try:
        with engine().connect() as connection:
            return outstanding(connection)
    except SQLAlchemyError as error:
        return f"PostgreSQL: {str(getattr(error, 'orig', error)).splitlines()[0]}"


def missing_in_rabbitmq() -> str | None:
    """What RabbitMQ lacks, as far as this role may see it."""
    settings = load()
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


def _say(state: tenacity.RetryCallState) -> None:
    log.info("waiting", missing=state.outcome.result() if state.outcome else "")
