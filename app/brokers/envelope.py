"""How a Celery message is written as text, for SQS and Redis: kombu's form, so that any Celery worker reads it."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app import contract
from app.brokers.interface import PublishResult
from app.brokers.letters import ArrivedMessage
from app.brokers.senders import USER_ID, believed
from app.contract import Role
from app.errors import UnwritableMessageError
from app.storage.outbox import ClaimedMessage

#: Properties that tell of one delivery, or that stand elsewhere in the text.
_OF_A_DELIVERY = ("delivery_info", "delivery_tag", "body_encoding")
#: AMQP's properties that kombu writes beside the others.
_BESIDE = ("application_headers", "content_type", "content_encoding", "delivery_mode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message as its sender wrote it."""

    body: bytes
    content_type: str | None = None
    content_encoding: str | None = None
    headers: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)

    def payload(self, delivery_tag: str, delivery_info: Mapping[str, Any]) -> dict[str, Any]:
        """As kombu's virtual transports take it."""
        return {
            "body": b64encode(self.body).decode(),
            "content-type": self.content_type,
            "content-encoding": self.content_encoding,
            "headers": dict(self.headers),
            "properties": {
                **self.properties,
                "body_encoding": "base64",
                "delivery_tag": delivery_tag,
                "delivery_info": dict(delivery_info),
            },
        }

    def arrived(self, queue: str, *, death_reason: str) -> ArrivedMessage:
        """As a dead letter of this queue."""
        properties = {
            **self.properties,
            "content_type": self.content_type,
            "content_encoding": self.content_encoding,
            "application_headers": believed(self.headers, self.properties),
        }
        return ArrivedMessage(
            dead_letter_queue=contract.dead_letter_queue(queue),
            exchange=contract.TASKS_EXCHANGE,
            routing_key=queue,
            properties=properties,
            body=self.body,
            death_reason=death_reason,
        )


def sealed(message: ClaimedMessage, *, user: str, most_bytes: int) -> str:
    """The text of a message from the outbox.

    Raises:
        UnwritableMessageError: it is too long for the broker, or JSON cannot say it.
    """
    properties = {name: value for name, value in message.properties.items() if name not in _BESIDE}
    delivery = {"delivery_info": {"exchange": contract.TASKS_EXCHANGE, "routing_key": message.queue}}
    return written({
        "body": b64encode(message.body).decode(),
        "content-type": message.properties.get("content_type"),
        "content-encoding": message.properties.get("content_encoding"),
        "headers": message.properties.get("application_headers") or {},
        "properties": {
            **properties, **delivery, "body_encoding": "base64", "delivery_tag": str(message.message_id),
            "message_id": str(message.message_id), USER_ID: user,
        },
    }, most_bytes=most_bytes)  # fmt: skip


def sealed_all(
    messages: Sequence[ClaimedMessage], result: PublishResult, *, most_bytes: int
) -> Iterator[tuple[UUID, str]]:
    """Each message's id and text. A message that cannot be written is marked as refused in `result`."""
    for message in messages:
        try:
            yield message.message_id, sealed(message, user=Role.RELAY, most_bytes=most_bytes)
        except UnwritableMessageError as error:
            result.refused[message.message_id] = str(error)


def written(payload: Mapping[str, Any], *, most_bytes: int) -> str:
    """The text of a message that kombu has made.

    Raises:
        UnwritableMessageError: it is too long for the broker, or JSON cannot say it.
    """
    try:
        text = json.dumps(payload, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise UnwritableMessageError(str(error)) from error
    if len(text) > most_bytes:
        raise UnwritableMessageError(f"its text has {len(text)} bytes, and this broker takes {most_bytes}")
    return text


def opened(text: str | bytes) -> Envelope:
    """What a text says. One that is no envelope becomes a message without headers, which a worker rejects."""
    try:
        document = json.loads(text)
        properties, headers = document["properties"], document.get("headers") or {}
        if not isinstance(properties, dict) or not isinstance(headers, dict):
            raise TypeError("not an envelope")
        encoded = properties.get("body_encoding") == "base64"
        body = b64decode(document["body"], validate=True) if encoded else str(document["body"]).encode()
    except (ValueError, TypeError, KeyError, AttributeError):
        return Envelope(body=text if isinstance(text, bytes) else text.encode())
    return Envelope(
        body=body,
        content_type=_text(document.get("content-type")),
        content_encoding=_text(document.get("content-encoding")),
        headers=headers,
        properties={name: value for name, value in properties.items() if name not in _OF_A_DELIVERY},
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
