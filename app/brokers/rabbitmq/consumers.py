"""Asks the broker which queues have consumers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog
import tenacity
from amqp.exceptions import AMQPError, NotFound

from app.brokers import wire
from app.settings import Settings

log = structlog.get_logger(__name__)


class Consumers:
    """Keeps one connection and asks over it. If the broker does not answer, `among` gives up after half a minute."""

    def __init__(self, settings: Settings) -> None:
        """Keep the settings; the first question connects."""
        self._settings = settings
        self._connection: Any = None
        #: Whether the broker answered the last question.
        self.answered = True

    def among(self, queues: Iterable[str]) -> frozenset[str]:
        """Those of `queues` that have a consumer; an empty set while the broker does not answer."""
        # The connection may have died since the last question: then this asks once more, over a new one.
        again = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((OSError, AMQPError)),
            stop=tenacity.stop_after_attempt(2),
            before_sleep=lambda _: self._disconnect(),
            reraise=True,
        )
        try:
            found = again(self._ask, tuple(queues))
        except (OSError, AMQPError) as error:
            self._disconnect()
            self.answered = False
            log.warning("broker_does_not_answer", reason=f"{type(error).__name__}: {error}")
            return frozenset()
        self.answered = True
        return found

    def _ask(self, queues: tuple[str, ...]) -> frozenset[str]:
        if self._connection is None:
            self._connection = wire.connect(self._settings, name="beat")
        return frozenset(queue for queue in queues if self._is_consumed(queue))

    def _is_consumed(self, queue: str) -> bool:
        # A missing queue closes its channel, and must not hide the others.
        channel = self._connection.channel()
        try:
            return bool(channel.queue_declare(queue, passive=True).consumer_count)
        except NotFound:
            log.warning("queue_missing", queue=queue)
            return False
        finally:
            if channel.is_open:
                channel.close()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collect()
