"""Copies of messages that vanished, with the items that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

from kombu import serialization
from sqlalchemy.engine import Connection

from app import contract
from app.brokers.message_body import ITEM_KEY, Call, UnreadableBodyError, keys_of, read_call
from app.kinds import claims
from app.storage import vanished
from app.storage.inbox import dedupe_key
from app.storage.outbox import ClaimedMessage, OutboxMessage


def copies(connection: Connection, message: ClaimedMessage, keys: set[str]) -> Iterator[OutboxMessage]:
    """A copy of the message with those of its items that have these keys; nothing if it has none of them.

    Takes the keys out of `keys`: a message that was paused has a second row in the outbox, with the same item.
    """
    headers: dict[str, Any] = dict(message.properties.get("application_headers") or {})
    call = _call(message)
    carried = keys_of(headers, call)
    wanted = set(keys)
    if not wanted.intersection(carried):
        return
    keys -= set(carried)
    copy = OutboxMessage(
        task_id=message.task_id, task_name=message.task_name, queue=message.queue, job_id=message.job_id,
        properties=message.properties, body=message.body,
    )  # fmt: skip
    if len(carried) > 1 and call is not None:
        yield _with_items(copy, headers, call, wanted)
        return
    run_id = dedupe_key(message.task_name, str(headers.get(contract.MESSAGE_SCOPE) or ""), carried[0])
    slice_ = vanished.slice_of(connection, run_id)
    if slice_ is not None:  # a task in steps goes on where it was
        headers[contract.MESSAGE_SLICE] = slice_
    yield replace(copy, properties=message.properties | {"application_headers": headers})


def _with_items(copy: OutboxMessage, headers: dict[str, Any], call: Call, keys: set[str]) -> OutboxMessage:
    """A copy of a list under an id of its own: if the list was split, the inbox knows its old id."""
    [items] = [*call.args, *call.kwargs.values()]
    left = [item for item in items if item[ITEM_KEY] in keys]
    identifier = uuid4()
    headers.pop(contract.MESSAGE_ITEMS, None)
    headers |= {"id": str(identifier), "root_id": str(identifier)} | claims.joining(left)
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
