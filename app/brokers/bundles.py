"""Bundles: messages of one task in batches that leave the outbox together, as one message.

A bundle's list holds a part for each message: `{"headers": {…}, "items": […]}`. The headers of a part belong to its
message alone, such as the job; the bundle's own headers hold what all messages share. Bodies are joined as text,
because no item may change on its way (docs/adr/0021).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import orjson
from kombu import serialization

from app import contract
from app.brokers.message_body import Call
from app.storage.identifiers import new_id
from app.storage.outbox import ClaimedMessage

_HEADERS, _ITEMS = "headers", "items"
#: Headers that each part keeps.
_OF_ONE_MESSAGE = (
    contract.MESSAGE_JOB_ID, contract.MESSAGE_SCOPE, contract.MESSAGE_CORRELATION_ID, contract.MESSAGE_TRACEPARENT,
)  # fmt: skip
#: Headers that a bundle does not take over from its messages.
_ANEW = frozenset({
    "id", "root_id", "parent_id", "argsrepr", "kwargsrepr", "origin", contract.MESSAGE_ITEMS,
    contract.MESSAGE_PUBLISHED_AT, *_OF_ONE_MESSAGE,
})  # fmt: skip
#: Celery's body of a call with one empty list, cut where the items go.
_NOTHING_AFTERWARDS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
_BEGINNING, _, _END = (
    serialization.dumps(([["…"]], {}, _NOTHING_AFTERWARDS), "json")[2].encode().partition(b'"\\u2026"')
)


class Carried(NamedTuple):
    """An item as messages carry it, and the headers that belong to its message alone."""

    item: Any
    headers: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message to publish, and the rows of the outbox that it was made of."""

    message: ClaimedMessage
    rows: tuple[ClaimedMessage, ...]


def parcels(messages: Iterable[ClaimedMessage]) -> list[Parcel]:
    """Join messages that differ only in their items and in headers of their own, up to the size of one batch."""
    found: list[Parcel] = []
    alike: dict[bytes, list[ClaimedMessage]] = {}
    for message in messages:
        if _items(message) and message.body.startswith(_BEGINNING) and message.body.endswith(_END):
            alike.setdefault(_what_is_shared(message), []).append(message)
        else:
            found.append(parcel_of(message))
    return found + [_together(batch) for group in alike.values() for batch in _cut(group)]


def parcel_of(message: ClaimedMessage) -> Parcel:
    """The parcel of a message that leaves alone; it loses the header that is for the relay only."""
    if contract.MESSAGE_ITEMS not in _headers(message):
        return Parcel(message, (message,))
    headers = {name: value for name, value in _headers(message).items() if name != contract.MESSAGE_ITEMS}
    alone = replace(message, properties=message.properties | {"application_headers": headers})
    return Parcel(alone, (alone,))


def carried_of(batch: Sequence[Any], headers: Mapping[str, Any]) -> list[Carried]:
    """The items of a batch; `headers` are those of its message."""
    if headers.get(contract.MESSAGE_BUNDLE) is None:
        own = _own(headers)
        return [Carried(item, own) for item in batch]
    return [Carried(item, part[_HEADERS]) for part in batch for item in part[_ITEMS]]


def batch_of(carried: Sequence[Carried]) -> tuple[list[Any], dict[str, Any]]:
    """The reverse of `carried_of`: the batch and the headers of a new message with these items."""
    parts = [(dict(own), [one.item for one in items]) for own, items in groupby(carried, key=lambda one: one.headers)]
    if len(parts) == 1:
        [(own, items)] = parts
        return items, own
    return [{_HEADERS: own, _ITEMS: items} for own, items in parts], {contract.MESSAGE_BUNDLE: len(parts)}


def messages_in(headers: Mapping[str, Any], call: Call) -> Iterator[tuple[dict[str, Any], Call]]:
    """The messages of a bundle, each with an id of its own; any other message yields itself.

    The ids are made of the bundle's id, so a bundle that is taken apart twice gives the same messages.
    """
    if headers.get(contract.MESSAGE_BUNDLE) is None:
        yield dict(headers), call
        return
    shared = {name: value for name, value in headers.items() if name != contract.MESSAGE_BUNDLE}
    for index, part in enumerate(call.args[0]):
        identifier = str(uuid5(UUID(str(headers["id"])), str(index)))
        own = {"id": identifier, "root_id": identifier, **part[_HEADERS]}
        yield shared | own, replace(call, args=[part[_ITEMS]])


def _headers(message: ClaimedMessage) -> Mapping[str, Any]:
    return message.properties.get("application_headers") or {}


def _own(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the headers that belong to one message alone."""
    return {name: headers[name] for name in _OF_ONE_MESSAGE if headers.get(name) is not None}


def _items(message: ClaimedMessage) -> int:
    count = _headers(message).get(contract.MESSAGE_ITEMS)
    return count if isinstance(count, int) else 0


def _cut(messages: Iterable[ClaimedMessage]) -> Iterator[list[ClaimedMessage]]:
    batch: list[ClaimedMessage] = []
    items = size_bytes = 0
    for message in messages:
        items, size_bytes = items + _items(message), size_bytes + len(message.body)
        if batch and (items > contract.BATCH_MAX_ITEMS or size_bytes > contract.BATCH_MAX_BYTES):
            yield batch
            batch, items, size_bytes = [], _items(message), len(message.body)
        batch.append(message)
    yield batch


def _what_is_shared(message: ClaimedMessage) -> bytes:
    headers = {name: value for name, value in _headers(message).items() if name not in _ANEW}
    shared = {**message.properties, "application_headers": headers, "correlation_id": None}
    return orjson.dumps(shared, option=orjson.OPT_SORT_KEYS)


def _together(messages: Sequence[ClaimedMessage]) -> Parcel:
    if len(messages) == 1:
        return parcel_of(messages[0])
    first = messages[0]
    identifier = new_id()
    headers = {name: value for name, value in _headers(first).items() if name not in _ANEW} | {
        "id": str(identifier),
        "root_id": str(identifier),
        "parent_id": None,
        "argsrepr": f"({len(messages)} messages)",
        "kwargsrepr": "{}",
        "origin": _headers(first).get("origin"),
        contract.MESSAGE_BUNDLE: len(messages),
    }
    sent_at = [at for one in messages if (at := _headers(one).get(contract.MESSAGE_PUBLISHED_AT)) is not None]
    if sent_at:
        headers[contract.MESSAGE_PUBLISHED_AT] = min(sent_at)  # the longest wait counts
    properties = first.properties | {"application_headers": headers, "correlation_id": str(identifier)}
    body = _BEGINNING + b", ".join(map(_part, messages)) + _END
    message = replace(first, message_id=new_id(), task_id=identifier, job_id=None, properties=properties, body=body)
    return Parcel(message, tuple(messages))


def _part(message: ClaimedMessage) -> bytes:
    items = message.body[len(_BEGINNING) : -len(_END)]
    return b'{"%s": %s, "%s": [%s]}' % (
        _HEADERS.encode(),
        orjson.dumps(_own(_headers(message))),
        _ITEMS.encode(),
        items,
    )
