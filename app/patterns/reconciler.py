"""Puts back what was accepted, has not ended, and has no message any more (docs/patterns/reconciler.md).

A message that vanished from the broker is sent again from the outbox, which keeps it for seven days. If it exists in
truth and is only slow, the inbox lets one of the two act.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from kombu import serialization
from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from app import contract
from app.brokers.message_body import ITEM_KEY, Call, UnreadableBodyError, keys_of, read_call
from app.brokers.transactional import captured
from app.kinds import registry
from app.kinds.declared import Kind
from app.patterns import counted_batches
from app.storage import outbox, vanished
from app.storage.identifiers import created_at, first_id_at
from app.storage.inbox import dedupe_key
from app.storage.outbox import ClaimedMessage, OutboxMessage
from app.storage.vanished import Unfinished

log = structlog.get_logger(__name__)

#: Jobs are read by the hour of their acceptance, so that no statement grows with the table.
_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When something counts as vanished."""

    #: Queues of which the broker holds nothing: what these are missing is gone.
    empty: frozenset[str]
    #: The youngest job that is looked at.
    older_than_seconds: float = 60.0
    #: From this age also what a queue with messages is missing, unless its task could run twice.
    busy_older_than_seconds: float = 24 * 3600.0
    #: Older jobs have lost their messages from the outbox, too.
    kept_days: int = 7

    def apply(self, found: Unfinished, now: datetime) -> bool:
        """Whether the messages of this job or batch count as vanished."""
        batch = counted_batches.declared().get(found.task_name)
        if batch is not None and (not found.queue or found.queue == batch.queue):
            return batch.queue in self.empty or self._old(found, now)
        declaration = registry.declarations().get(found.task_name)
        if found.queue in self.empty:
            return True
        return declaration is not None and declaration.kind is not Kind.AT_LEAST_ONCE and self._old(found, now)

    def _old(self, found: Unfinished, now: datetime) -> bool:
        return (now - created_at(found.job_id)).total_seconds() >= self.busy_older_than_seconds


def find(database: Engine, rules: Rules) -> list[Unfinished]:
    """Jobs and batches whose messages count as vanished, by what PostgreSQL says now."""
    now = datetime.now(UTC)
    end = now - timedelta(seconds=rules.older_than_seconds)
    begin = end - timedelta(days=rules.kept_days)
    found: list[Unfinished] = []
    while begin < end:
        until = min(begin + _WINDOW, end)
        with database.connect() as connection:
            found += vanished.unfinished(
                connection, first=first_id_at(begin), end=first_id_at(until), lately_seconds=rules.older_than_seconds
            )
        begin = until
    return [one for one in found if rules.apply(one, now)]


def put_back(database: Engine, found: Sequence[Unfinished], rules: Rules, *, by: str) -> dict[UUID, int]:
    """Put the messages back, each job in one transaction with its record. Returns the number of messages by job.

    It looks at each job again under a lock, so of two reconcilers one puts a message back.
    """
    done: dict[UUID, int] = {}
    for one in found:
        with database.begin() as connection:
            if not vanished.lock(connection):
                log.warning("another_reconciler_runs")
                return done
            after = UUID(int=one.job_id.int + 1)
            still = vanished.unfinished(
                connection, first=one.job_id, end=after, lately_seconds=rules.older_than_seconds
            )
            for job in vanished.in_both([one], still):
                done[job.job_id] = _put_back(connection, job, by)
                log.warning("messages_put_back", job_id=str(job.job_id), messages=done[job.job_id])
    return done


def _put_back(connection: Connection, job: Unfinished, by: str) -> int:
    batch = counted_batches.declared().get(job.task_name)
    if batch is not None and not job.queue:
        with captured() as messages:
            for key in job.keys:
                _, _, number = key.partition("/")
                batch.send_chunk(job.job_id, int(number)) if number else batch.send_aggregate(job.job_id)
    else:
        kept = vanished.messages_of(connection, job.job_id)
        messages = [again for message in kept for again in _again(connection, message, set(job.keys))]
    outbox.enqueue(connection, messages)
    vanished.record(connection, [(message.message_id, job.job_id) for message in messages], by=by)
    return len(messages)


def _again(connection: Connection, message: ClaimedMessage, keys: set[str]) -> Iterator[OutboxMessage]:
    """A copy of the message with those of its items that have these keys; nothing if it has none of them."""
    headers: dict[str, Any] = dict(message.properties.get("application_headers") or {})
    call = _call(message)
    carried = keys_of(headers, call)
    if not keys.intersection(carried):
        return
    copy = OutboxMessage(
        task_id=message.task_id, task_name=message.task_name, queue=message.queue, job_id=message.job_id,
        properties=message.properties, body=message.body,
    )  # fmt: skip
    if len(carried) > 1 and call is not None:
        yield _with_items(copy, headers, call, keys)
        return
    run_id = dedupe_key(message.task_name, str(headers.get(contract.MESSAGE_SCOPE) or ""), carried[0])
    slice_ = vanished.slice_of(connection, run_id)
    if slice_ is not None:  # a task in steps goes on where it was
        headers[contract.MESSAGE_SLICE] = slice_
    yield replace(copy, properties=message.properties | {"application_headers": headers})


def _with_items(copy: OutboxMessage, headers: dict[str, Any], call: Call, keys: set[str]) -> OutboxMessage:
    """A list of items under an id of its own: the inbox may know the list, because it was split."""
    [items] = [*call.args, *call.kwargs.values()]
    left = [item for item in items if item[ITEM_KEY] in keys]
    identifier = uuid4()
    headers |= {"id": str(identifier), "root_id": str(identifier), contract.MESSAGE_ITEMS: len(left)}
    properties = copy.properties | {"application_headers": headers, "correlation_id": str(identifier)}
    args, kwargs = ([left], {}) if call.args else ([], dict.fromkeys(call.kwargs, left))
    body = serialization.dumps((args, kwargs, call.embed), "json")[2].encode()
    return replace(copy, task_id=identifier, properties=properties, body=body)


def _call(message: ClaimedMessage) -> Call | None:
    content = {name: message.properties.get(name) for name in ("content_type", "content_encoding")}
    try:
        return read_call(message.body, **content)
    except UnreadableBodyError:
        return None
