"""AMQP without Celery, for the relay, the archiver and `wait`: one way to connect, and messages that can be written."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import amqp
import tenacity
from amqp.exceptions import AMQPError

from app import contract
from app.brokers.rabbitmq.connection import Connection
from app.errors import UnwritableMessageError
from app.settings import Settings

_CONNECT_SECONDS = 4


def connect(settings: Settings, *, name: str, heartbeat_seconds: int = 0, **callbacks: Any) -> Any:
    """A connection to whichever node answers, over TLS, as this process's role.

    Every read and write is bounded by a socket timeout: `confirm_timeout` alone does not bound a publish
    (research/celery.md, finding 1). `callbacks` are `on_blocked` and `on_unblocked`.

    Raises:
        OSError, amqp.AMQPError: no node answers.
    """
    connection = Connection(
        host=f"{settings.rabbitmq_host}:{settings.rabbitmq_port}",
        userid=settings.rabbitmq_user,
        password=settings.rabbitmq_password.get_secret_value(),
        virtual_host=contract.VHOST,
        ssl=settings.rabbitmq_tls,
        heartbeat=heartbeat_seconds,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=settings.rabbitmq_socket_timeout_seconds,
        write_timeout=settings.rabbitmq_socket_timeout_seconds,
        client_properties={"connection_name": name},
        **callbacks,
    )
    connection.connect()
    return connection


def until_connected(connect: Callable[[], None], stop: threading.Event, *, on_failure: Callable[[str], None]) -> None:
    """Call `connect` until it succeeds or `stop` is set, which is no failure; `on_failure` is told why it did not."""
    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((OSError, AMQPError)),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=2.0),
        stop=tenacity.stop_when_event_set(stop),
        sleep=tenacity.sleep_using_event(stop),
        before_sleep=lambda state: on_failure(repr(state.outcome.exception() if state.outcome else "")),
        retry_error_callback=lambda _: None,
    )(connect)


class WritableMessage(amqp.Message):
    """A message whose properties are known to fit the wire before the first byte is sent."""

    def __init__(self, body: bytes, **properties: Any) -> None:
        """Serialize the properties, once.

        Raises:
            UnwritableMessageError: AMQP cannot say this: a number of more than 64 bits, a name of over 255 bytes, ...
        """
        super().__init__(body, **properties)
        try:
            self._serialized: bytes = super()._serialize_properties()  # type: ignore[misc]  # not in the stubs
        except Exception as error:  # struct.error, OverflowError, TypeError, FrameSyntaxError: whatever does not fit
            raise UnwritableMessageError(str(error)) from error

    def _serialize_properties(self) -> bytes:
        return self._serialized
