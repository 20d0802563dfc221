"""A message of the outbox as text for SQS and Redis, and back."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, strategies as st
from kombu.transport import virtual

from app.brokers.envelope import Envelope, opened, sealed
from app.contract import SQS_MESSAGE_MAX_BYTES, Role
from app.errors import UnwritableMessageError
from app.storage.outbox import ClaimedMessage

ID = UUID(int=7)


def message(body: bytes = b"[[], {}, {}]", **properties: Any) -> ClaimedMessage:
    """A claimed message of `bulk`."""
    usual = {"content_type": "application/json", "content_encoding": "utf-8", "application_headers": {"task": "t"}}
    return ClaimedMessage(
        message_id=ID, task_id=ID, task_name="t", job_id=None, queue="bulk", properties=usual | properties, body=body,
        revoked=False, pause_id=None,
    )  # fmt: skip


@given(st.binary(max_size=300))
def test_no_byte_of_a_body_changes(body: bytes) -> None:
    """Also where it is no text: poison must arrive as it was sent."""
    read = opened(sealed(message(body), user=Role.RELAY, most_bytes=SQS_MESSAGE_MAX_BYTES))

    assert read.body == body
    assert read.headers == {"task": "t"}
    assert read.properties["message_id"] == str(ID)
    assert (read.content_type, read.content_encoding) == ("application/json", "utf-8")


def test_kombu_reads_what_the_relay_wrote() -> None:
    """A plain Celery worker takes these messages."""
    payload = json.loads(sealed(message(), user=Role.RELAY, most_bytes=SQS_MESSAGE_MAX_BYTES))
    channel: Any = type("Channel", (), {"decode_body": virtual.Channel.decode_body, "codecs": virtual.Channel.codecs})()

    read: Any = virtual.Message(payload, channel=channel)

    assert read.body == b"[[], {}, {}]"
    assert read.headers == {"task": "t"}
    assert read.delivery_info["routing_key"] == "bulk"


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", "7", '{"body": "x"}', '{"body": "?", "properties": {"body_encoding": "base64"}}']
)
def test_what_is_no_envelope_becomes_a_message_without_headers(text: str) -> None:
    """A worker rejects it with a reason, and does not die of it."""
    assert opened(text) == Envelope(body=text.encode())


def test_what_is_too_long_for_sqs_is_refused_in_words() -> None:
    """Base64 makes it a third longer."""
    with pytest.raises(UnwritableMessageError, match=str(SQS_MESSAGE_MAX_BYTES)):
        sealed(message(b"x" * (SQS_MESSAGE_MAX_BYTES * 3 // 4)), user=Role.RELAY, most_bytes=SQS_MESSAGE_MAX_BYTES)


def test_the_dead_letter_of_a_redrive_is_that_of_the_worker() -> None:
    """A worker that dies between archive and acknowledgement leaves one dead letter, not two."""
    text = sealed(message(), user=Role.RELAY, most_bytes=SQS_MESSAGE_MAX_BYTES)

    worker, redrive = opened(text).arrived("bulk", death_reason=""), opened(text).arrived("bulk", death_reason="x")

    assert (worker.properties, worker.body) == (redrive.properties, redrive.body)
