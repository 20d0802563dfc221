"""The consumer: what it cannot understand is rejected to the dead letters with a recorded reason, never dropped.

Celery acknowledges undecodable messages, and so loses them (research/celery.md, finding 7).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from celery.worker.consumer import Consumer
from celery.worker.consumer.delayed_delivery import DelayedDelivery
from celery.worker.consumer.gossip import Gossip
from celery.worker.consumer.mingle import Mingle

from app.brokers.chosen import able
from app.brokers.interface import Feature
from app.brokers.message_headers import flaw_in_body, flaw_in_headers
from app.brokers.senders import believed, overreach
from app.kinds import releases
from app.kinds.evidence import failure_of
from app.kinds.metrics import count_outcome
from app.kinds.retries import waits_for_release
from app.settings import load
from app.telemetry import heartbeat
from app.worker.burials import burials
from app.worker.heartbeat import Heartbeat
from app.worker.recorder import recorder

log = structlog.get_logger(__name__)

#: Seconds from one try to connect to the next.
_TRIES = {"interval_start": 0.2, "interval_step": 0.2, "interval_max": 2.0}


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

    def ensure_connected(self, conn: Any) -> Any:
        """Celery waits 2, 4, 6 s between two tries. Behind one name the next try may find a node that lives."""
        conn.ensure_connection = partial(conn.ensure_connection, **_TRIES)
        return super().ensure_connected(conn)

    def on_ready(self) -> None:
        """The broker has answered basic.consume: only now does this worker get messages."""
        super().on_ready()
        heartbeat.write(load().heartbeat_file, "consuming")

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        """Celery's handler, behind a check of the message's shape.

        Celery takes it for granted: a task message whose JSON body is an object, or which has no id, is a ValueError
        that ends the whole worker, one worker after the other, until the delivery limit. A message without the header
        `task` may be one of Celery's first protocol, which nobody sends any more and whose shape it takes for granted
        as well.
        """
        handle = super().create_task_handler(*args, **options)

        def on_task_received(message: Any) -> None:
            try:
                message.headers = believed(message.headers or {}, message.properties)
                flaw = flaw_of(message)
            except Exception as error:  # noqa: BLE001 - whatever a decoder raises over these bytes
                self.on_decode_error(message, error)
                return
            if flaw is not None:
                self._reject(message, "undecodable", ValueError(flaw))
            elif "task" not in (message.headers or {}):
                self.on_unknown_message(None, message)
            else:
                forget_past_delay(message)
                known = message.headers["task"] in self.app.tasks
                if not known and waits_for_release(message.headers, form_id=None):
                    releases.redirect(message.headers)
                handle(message)

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
        headers = message.headers if isinstance(message.headers, dict) else {}
        name = str(headers.get("task") or "")
        log.error("message_rejected", reason=reason, error=str(exc), task_id=headers.get("id"), task_name=name)
        known = reason == "undecodable" and name in self.app.tasks
        count_outcome(name if known else "unknown", "rejected")
        reject = partial(message.reject_log_error, log, self.connection_errors)  # type: ignore[attr-defined]  # Celery's
        failure = failure_of(headers, exc, reason=reason, worker=self.hostname)
        if not able(Feature.DEAD_LETTERING):
            archived = partial(message.ack_log_error, log, self.connection_errors)  # type: ignore[attr-defined]
            burials.bury(message, failure, archived=archived, refused=partial(reject, requeue=True))
        elif failure is None:
            reject()
        else:
            recorder.record_before(failure, reject)


def flaw_of(message: Any) -> str | None:
    """What keeps Celery from understanding a message that says it is a task; None when it has the right shape.

    Raises:
        Exception: the body does not decode. The message keeps what was decoded, so that it is done once.
    """
    body = message.payload
    if "task" not in (message.headers or {}):
        return None
    return (
        flaw_in_headers(message.headers)
        or flaw_in_body(body)
        or overreach(message.headers, body[2] or {}, message.properties)
    )


def forget_past_delay(message: Any) -> None:
    """Remove the eta from a message that the broker has delayed, because its sender wrote the eta by its own clock.

    If that clock is ahead, Celery would hold the message in this worker's memory for the difference. An eta of at most
    a second from now stays: the delay ladder knows only whole seconds, and plain Celery rounds down.
    """
    eta, key = message.headers.get("eta"), (message.delivery_info or {}).get("routing_key") or ""
    if not eta or "." not in key:  # the ladder's keys have a dot for each level, and ours have none
        return
    moment = datetime.fromisoformat(eta) if isinstance(eta, str) else eta
    if (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds() > 1:
        message.headers["eta"] = None
