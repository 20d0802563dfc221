"""The consumer: what it cannot understand is rejected to the dead letters with a recorded reason, never dropped.

Celery acknowledges undecodable messages, and so loses them (research/celery.md, finding 7).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog
from celery.worker.consumer import Consumer
from celery.worker.consumer.delayed_delivery import DelayedDelivery
from celery.worker.consumer.gossip import Gossip
from celery.worker.consumer.mingle import Mingle

from app.settings import load
from app.storage.failures import TaskFailure
from app.tasks.base import record_quietly
from app.tasks.metrics import count_outcome
from app.telemetry import heartbeat
from app.worker.heartbeat import Heartbeat

log = structlog.get_logger(__name__)


class MillraceConsumer(Consumer):
    """Celery's consumer, less what a worker has no business doing, plus a reason for every reject."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc, valid-type]  # to the stubs, an attribute
        """The steps of each connection."""

        # DelayedDelivery declares 28 queues at every reconnect: the topology command has done it, with the permission
        # to. Mingle costs a second at every reconnect, gossip grows with the square of the workers.
        _left_out = (DelayedDelivery, Gossip, Mingle)

        def claim_steps(self) -> dict[str, Any]:
            """All of Celery's steps but those, and the heartbeat file."""
            steps = super().claim_steps()
            kept = {name: step for name, step in steps.items() if step not in self._left_out}
            return kept | {Heartbeat.name: Heartbeat}

    def connection_for_write(self, *args: Any, **options: Any) -> Any:
        """The connection for events (nothing else uses it), without confirms.

        Events go to Flower's queue, which lives on one node. When that node dies its confirms never come, and a worker
        that waits for one takes no work until the node is back: all of them stood still for 35 s (measured, 4.3).
        """
        connection = self.app.connection_for_write(*args, **options)
        connection.transport_options = {**(connection.transport_options or {}), "confirm_publish": False}
        return self.ensure_connected(connection)

    def on_ready(self) -> None:
        """The broker has answered basic.consume: only now does this worker get messages."""
        super().on_ready()
        heartbeat.write(load().heartbeat_file, "consuming")

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        """Celery's handler, behind a check of the message's shape.

        Celery takes it for granted: a task message whose JSON body is an object, or which has no id, is a ValueError
        that ends the whole worker, one worker after the other, until the delivery limit.
        """
        handle = super().create_task_handler(*args, **options)

        def on_task_received(message: Any) -> None:
            try:
                flaw = flaw_of(message)
            except Exception as error:  # noqa: BLE001 - whatever a decoder raises over these bytes
                self.on_decode_error(message, error)
                return
            if flaw is None:
                handle(message)
            else:
                self._reject(message, "undecodable", ValueError(flaw))

        return on_task_received

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """The body is not what its content type says."""
        self._reject(message, "undecodable", exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Not a task message at all."""
        self._reject(message, "not_a_task", ValueError("the message has no `task` header"))

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """No task of this name is registered in this image."""
        self._reject(message, "unknown_task", exc)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """A task message with a wrong body, or of a content type that is not accepted."""
        self._reject(message, "undecodable", exc)

    def _reject(self, message: Any, reason: str, exc: Exception) -> None:
        headers = message.headers or {}
        settings = load()
        name = str(headers.get("task") or "")
        log.error("message_rejected", reason=reason, error=str(exc), task_id=headers.get("id"), task_name=name)
        count_outcome(name if reason == "undecodable" else "unknown", "rejected")
        if (task_id := _uuid(headers.get("id"))) is not None:
            failure = TaskFailure(
                task_id=task_id,
                task_name=name,
                queue=settings.worker_queue.value,
                attempt=_attempt(headers.get("retries")),
                reason=reason,
                exception_type=type(exc).__name__,
                exception_message=str(exc),
                worker=self.hostname,
                version=settings.version,
            )
            record_quietly([failure])
        message.reject_log_error(log, self.connection_errors)  # type: ignore[attr-defined]  # set by Celery


def flaw_of(message: Any) -> str | None:
    """What keeps Celery from understanding a message that says it is a task; None when it has the right shape.

    Raises:
        Exception: the body does not decode. The message keeps what was decoded, so that it is done once.
    """
    headers = message.headers
    if not isinstance(headers, dict) or "task" not in headers:
        return None  # no task message, or one of the first protocol: Celery's own path tells them apart
    if not isinstance(headers["task"], str) or not isinstance(headers.get("id"), str):
        return "the headers `task` and `id` are not both strings"
    match message.payload:
        case [list(), dict(), dict() | None]:
            return None
    return "the body is not [args, kwargs, embed]"


def _attempt(retries: Any) -> int:
    return retries + 1 if isinstance(retries, int) else 1


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
