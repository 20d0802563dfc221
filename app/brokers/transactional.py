"""`apply_async` inside a database transaction writes the outbox instead of talking to the broker.

    with engine.begin() as connection, in_transaction(connection):
        some_task.delay(42)          # published by a relay, if and only if this transaction commits

The message is built by Celery itself (signals included) and only its last step, the publish, is replaced: so it is the
message that a direct call would have sent, which a test compares byte by byte. Celery silently drops a misbuilt one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from operator import itemgetter
from types import SimpleNamespace
from typing import Any, Self
from uuid import UUID

from celery import Task
from celery.exceptions import Retry, TaskPredicate
from kombu import serialization
from sqlalchemy.engine import Connection

from app import contract
from app.brokers.senders import USER_ID
from app.errors import QueueNotDeclaredError
from app.storage import outbox
from app.storage.identifiers import new_id, task_uuid, uuid_or_none
from app.storage.outbox import OutboxMessage

#: Options of `publish` that are no AMQP properties of the message: they steer the publish, or are in the headers
#: already. The relay sets `user_id`, because the relay publishes.
_NOT_ON_THE_WIRE = (
    *("retry", "retry_policy", "declare", "compression", "mandatory", "timeout", "confirm_timeout"),
    *("argsrepr", "kwargsrepr", USER_ID),
)

_captured: ContextVar[list[OutboxMessage] | None] = ContextVar("captured_messages", default=None)


@dataclass(frozen=True, slots=True)
class _Open:
    """A transaction that is open, and what waits for its end."""

    connection: Connection
    waiting: list[tuple[tuple[str, ...], Callable[[Connection], None]]] = field(default_factory=list)


_open: ContextVar[_Open | None] = ContextVar("open_transaction", default=None)


@contextmanager
def captured() -> Iterator[list[OutboxMessage]]:
    """Collect what is sent in this block instead of publishing it; the caller writes it to the outbox."""
    messages: list[OutboxMessage] = []
    token = _captured.set(messages)
    try:
        yield messages
    finally:
        _captured.reset(token)


def capturing() -> bool:
    """Whether what is sent now goes to the outbox."""
    return _captured.get() is not None


@contextmanager
def _not_captured() -> Iterator[None]:
    tokens = _captured.set(None), _open.set(None)
    try:
        yield
    finally:
        _captured.reset(tokens[0])
        _open.reset(tokens[1])


@contextmanager
def in_transaction(connection: Connection, *, line: UUID | None = None) -> Iterator[None]:
    """Write what is sent in this block to the outbox, in the caller's transaction.

    `line` is the line whose item the caller ends afterwards: it is locked together with the lines of what is sent.
    """
    opened = _Open(connection)
    token = _open.set(opened)
    try:
        with captured() as messages:
            yield
            for _, lock in sorted(opened.waiting, key=itemgetter(0)):
                lock(connection)
    finally:
        _open.reset(token)
    outbox.enqueue(connection, messages, line=line)


def open_connection() -> Connection | None:
    """The connection of the transaction that is open here. Use it for questions: a second one may not be free."""
    opened = _open.get()
    return None if opened is None else opened.connection


def at_the_end(name: tuple[str, ...], lock: Callable[[Connection], None]) -> bool:
    """Let the open transaction call `lock` when its block ends; returns False if no transaction is open.

    What locks rows that others lock, too, does it there. All transactions call in the order of the names, so that no
    two can wait for each other, and hold the locks only for a moment.
    """
    opened = _open.get()
    if opened is not None:
        opened.waiting.append((name, lock))
    return opened is not None


class TransactionalTask(Task):  # type: ignore[type-arg]  # only the stubs' Task takes parameters
    """The base of every task: what takes the place of the running task leaves at once, also inside a transaction.

    `retry` and `replace` end the task by an exception, which rolls the transaction back. A message that left with the
    commit would never leave, and Celery would acknowledge the old one: the task would be lost (A3).
    """

    def retry(self, *args: Any, **options: Any) -> Retry:
        """Celery's, published at once."""
        try:
            with _not_captured():
                return super().retry(*args, **options)
        except TaskPredicate:
            raise
        except Exception as error:
            self.request.update(given_up=error)  # it was the last attempt: nobody above may try again
            raise

    def replace(self, sig: Any) -> Any:
        """Celery's, published at once."""
        with _not_captured():
            return super().replace(sig)


class TransactionalPublishing:
    """The part of the Celery app that diverts `send_task` while `captured()` is active."""

    def producer_or_acquire(self, producer: Any = None) -> Any:
        """Open no connection while messages are captured: a group would, and the broker may be away."""
        if _captured.get() is not None and producer is None:
            return nullcontext()
        return super().producer_or_acquire(producer)  # type: ignore[misc]

    def send_task(self, name: str, *args: Any, **options: Any) -> Any:
        """Publish, or capture."""
        messages = _captured.get()
        if messages is None:
            return super().send_task(name, *args, **options)  # type: ignore[misc]  # Celery's, next in line
        # The delay is kept by the outbox row, durably, and not by the broker: the relay may be late itself.
        delay = float(options.pop("countdown", None) or 0.0)
        options.pop("producer", None)  # `apply_async` and `delay` pass one, even when it is None
        producer = CapturingProducer(messages, task_name=name, delay_seconds=delay)
        return super().send_task(name, *args, producer=producer, **options)  # type: ignore[misc]


def queue_of(exchange: Any, routing_key: str) -> str:
    """The declared queue that a message goes to; the outbox, SQS and Redis know no other way.

    A task that came through Celery's delay ladder sends its retry with a key such as `0.0.1.bulk`.
    """
    name = getattr(exchange, "name", exchange)
    queue = routing_key.rpartition(".")[2]
    if name not in (contract.TASKS_EXCHANGE, "") or queue not in contract.queue_names():
        raise QueueNotDeclaredError(f"(exchange {name!r}, routing key {routing_key!r})")
    return queue


class CapturingProducer:
    """Takes the place of kombu's Producer for one message: serializes as it does, and keeps the result."""

    def __init__(self, messages: list[OutboxMessage], *, task_name: str, delay_seconds: float) -> None:
        """Remember where the message goes."""
        self._messages = messages
        self._task_name = task_name
        self._delay_seconds = delay_seconds
        # Celery translates the connection's errors around a publish; here there is none to translate.
        self.connection = SimpleNamespace(_reraise_as_library_errors=nullcontext)

    def __enter__(self) -> Self:
        """Celery acquires producers as context managers."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to give back."""

    def publish(
        self,
        body: Any,
        *,
        exchange: Any,
        routing_key: str,
        headers: dict[str, Any],
        serializer: str,
        delivery_mode: int | str,
        expiration: float | None = None,
        **properties: Any,
    ) -> None:
        """Keep the message as `kombu.messaging.Producer.publish` would have sent it."""
        content_type, content_encoding, encoded = serialization.dumps(body, serializer)
        if expiration is not None:
            properties["expiration"] = str(int(expiration * 1000))
        for option in _NOT_ON_THE_WIRE:
            properties.pop(option, None)
        self._messages.append(
            OutboxMessage(
                task_id=task_uuid(headers["id"]) or new_id(),
                task_name=self._task_name,
                job_id=uuid_or_none(headers.get(contract.MESSAGE_JOB_ID)),
                order_id=uuid_or_none(headers.get(contract.MESSAGE_ORDER)),
                queue=queue_of(exchange, routing_key),
                properties={
                    **{key: value for key, value in properties.items() if value is not None},
                    "application_headers": headers,
                    "content_type": content_type,
                    "content_encoding": content_encoding,
                    "delivery_mode": delivery_mode,
                    "priority": properties.get("priority") or 0,
                },
                body=encoded.encode() if isinstance(encoded, str) else encoded,
                delay_seconds=self._delay_seconds,
            )
        )
