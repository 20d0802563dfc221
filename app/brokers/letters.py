"""From a message in a dead-letter queue to a dead letter with its reason. Pure.

Two witnesses are heard. The broker's newest `x-death` entry says how the message left its queue (the first entry, and
x-first-death-reason, name the delay ladder for a task that was retried). The last recorded failure of the task says
what went wrong. Where neither knows, the message itself is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from kombu import serialization

from app import contract
from app.brokers.bundles import messages_in
from app.brokers.message_body import Call, UnreadableBodyError, keys_of, read_call
from app.brokers.message_headers import flaw_in_headers
from app.brokers.plain_values import plain
from app.storage.dead_letters import DeadLetter
from app.storage.failures import storable
from app.storage.identifiers import task_uuid, uuid_or_none

#: Reasons of a recorded failure after which the worker rejects the message; others (retried, worker_lost) are steps.
_FINAL_REASONS = frozenset({"failed", "time_limit", "undecodable", "unknown_task", "not_a_task"})
_SMALLINT_MAX = 32_767
_NAME_CHARACTERS = 200
_MESSAGE_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedMessage:
    """A message as the broker delivered it from a dead-letter queue."""

    dead_letter_queue: str
    exchange: str
    routing_key: str
    properties: Mapping[str, Any]  # py-amqp's, `application_headers` included
    body: bytes
    #: What the broker says, if its headers do not.
    death_reason: str = ""

    @property
    def headers(self) -> Mapping[str, Any]:
        """The message's own headers, and the broker's."""
        return self.properties.get("application_headers") or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class LastFailure:
    """The last recorded failure of a task."""

    reason: str
    exception_type: str
    exception_message: str
    attempt: int
    job_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Why:
    reason: str
    exception_type: str | None
    exception_message: str | None


def taken_apart(message: ArrivedMessage) -> list[ArrivedMessage]:
    """The messages of a bundle, because they belong to different jobs; any other message stays whole."""
    call = _read(message) if message.headers.get(contract.MESSAGE_BUNDLE) is not None else None
    if not isinstance(call, Call):
        return [message]
    return [
        replace(
            message,
            properties={**message.properties, "application_headers": headers, "correlation_id": headers["id"]},
            body=serialization.dumps([part.args, part.kwargs, part.embed], "json")[2].encode(),
        )
        for headers, part in messages_in(message.headers, call)
    ]


def task_id_of(message: ArrivedMessage) -> UUID | None:
    """The task's id, which its failures are recorded under."""
    return task_uuid(message.headers.get("id"))


def letter_from(
    message: ArrivedMessage, last_failure: LastFailure | None, *, now: datetime | None = None
) -> DeadLetter:
    """Everything that is known about a dead message, in one row."""
    headers = message.headers
    death = newest_death(message)
    task_name = _text(headers.get("task"), _NAME_CHARACTERS)
    body = _read(message)
    why = _why(
        _text(death.get("reason")) or message.death_reason or "unknown", last_failure, headers=headers, body=body
    )
    return DeadLetter(
        queue=_text(death.get("queue"), _NAME_CHARACTERS) or _source(message),
        reason=why.reason,
        exchange=_text(death.get("exchange")) or message.exchange,
        routing_key=_text(next(iter(death.get("routing-keys") or ()), None)) or message.routing_key,
        properties=plain(message.properties),
        body=message.body,
        task_id=task_id_of(message),
        task_name=task_name,
        job_id=uuid_or_none(headers.get(contract.MESSAGE_JOB_ID)) or (last_failure.job_id if last_failure else None),
        keys=keys_of(headers, body if isinstance(body, Call) else None),
        exception_type=_text(why.exception_type, _NAME_CHARACTERS),
        exception_message=_text(why.exception_message, _MESSAGE_CHARACTERS),
        attempts=_attempts(headers, why.reason, last_failure, delivery_limit=_delivery_limit(message)),
        died_at=_moment(death.get("time")) or now or datetime.now(UTC),
    )


def newest_death(message: ArrivedMessage) -> Mapping[str, Any]:
    """The entry of the queue that this dead-letter queue belongs to; of several the newest; without one, nothing."""
    deaths = [death for death in message.headers.get("x-death") or () if isinstance(death, Mapping)]
    of_source = [death for death in deaths if death.get("queue") == _source(message)]
    # Whole seconds: of two in one second the broker's first is the newer.
    return max(of_source or deaths, key=lambda death: _moment(death.get("time")) or _BEGINNING, default={})


_BEGINNING = datetime.min.replace(tzinfo=UTC)


def _source(message: ArrivedMessage) -> str:
    return message.dead_letter_queue.removesuffix(".dead")


def _read(message: ArrivedMessage) -> Call | UnreadableBodyError | None:
    """The call, or why there is none; nothing of ours is compressed, so of such a body there is no opinion."""
    if message.headers.get("compression"):
        return None
    try:
        return read_call(
            message.body,
            content_type=message.properties.get("content_type"),
            content_encoding=message.properties.get("content_encoding"),
        )
    except UnreadableBodyError as error:
        return error


def _why(
    death_reason: str,
    failure: LastFailure | None,
    *,
    headers: Mapping[str, Any],
    body: Call | UnreadableBodyError | None,
) -> _Why:
    exception = (failure.exception_type, failure.exception_message) if failure else (None, None)
    if death_reason not in {"rejected", "unknown"}:  # delivery_limit, expired, maxlen: the broker's own decision
        return _Why(death_reason, *exception)
    if failure and failure.reason in _FINAL_REASONS:
        return _Why(failure.reason, *exception)
    # The order of the worker: it decodes first, then looks for a task, then at the other headers.
    has_task = headers.get("task") is not None
    if isinstance(body, UnreadableBodyError) and (has_task or not body.decoded):
        return _Why("undecodable", body.exception_type, str(body))
    if not has_task:
        return _Why("not_a_task", "ValueError", "the message has no `task` header")
    # The worker leaves no record of a message without an id.
    if failure is None and (flaw := flaw_in_headers(headers)) is not None:
        return _Why("undecodable", "ValueError", flaw)
    return _Why(death_reason, *exception)


def _delivery_limit(message: ArrivedMessage) -> int:
    limits = {queue.name: queue.delivery_limit for queue in contract.queues()}
    return limits.get(_source(message), 0)


def _attempts(headers: Mapping[str, Any], reason: str, failure: LastFailure | None, *, delivery_limit: int) -> int:
    counts = [_integer(headers.get("retries")) + 1, failure.attempt if failure else 0]
    if reason == "delivery_limit":
        # Only then: later deliveries, from the dead-letter queue to an archiver, are no attempts.
        counts.append(delivery_limit + 1)
    return max(0, min(max(counts), _SMALLINT_MAX))


def _integer(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _text(value: Any, most: int = _MESSAGE_CHARACTERS) -> str | None:
    if value is None or value == "":
        return None
    return storable(str(plain(value)))[:most]


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value
