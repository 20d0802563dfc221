"""Accepted requests as Celery messages."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID, uuid4

from app import contract
from app.gateway import chunks, messages
from app.gateway.events import Submission

JOB = UUID("01a204a5-d87f-7548-9a59-586fe4c89fba")


def submission(count: int, *, is_list: bool, payload: str = "x") -> Submission:
    """A valid request of so many events."""
    events = [
        {"event_id": str(uuid4()), "type": "t", "occurred_at": "2026-01-01T00:00:00Z", "payload": {"p": payload}}
        for _ in range(count)
    ]
    return Submission(events=events, payload_bytes=[len(payload) + 9] * count, is_list=is_list)


def test_one_event_is_one_message_to_the_interactive_queue() -> None:
    """It carries the event whole, the job's id, and nothing of the payload in its headers."""
    given = submission(1, is_list=False, payload="secret")

    [message] = asyncio.run(messages.build(given, job_id=JOB))

    args, _, _ = json.loads(message.body)
    assert args == [given.events[0]]
    assert (message.task_name, message.queue, message.job_id) == (contract.TASK_INGEST_EVENT, "interactive", JOB)
    assert message.properties["application_headers"][contract.MESSAGE_JOB_ID] == str(JOB)
    assert message.properties["application_headers"]["id"] == str(message.task_id)
    assert "secret" not in json.dumps(message.properties)


def test_a_list_is_carried_in_chunks() -> None:
    """450 events are three messages, of different tasks ids, and no event is missing."""
    given = submission(450, is_list=True)

    built = asyncio.run(messages.build(given, job_id=JOB))

    carried = [json.loads(message.body)[0][0] for message in built]
    assert [len(chunk) for chunk in carried] == [200, 200, 50]
    assert [event for chunk in carried for event in chunk] == list(given.events)
    assert {(message.task_name, message.queue) for message in built} == {(contract.TASK_INGEST_CHUNK, "bulk")}
    assert len({message.task_id for message in built}) == 3


def test_no_chunk_is_heavier_than_allowed() -> None:
    """Lists of large events are cut by bytes, measured on the finished message."""
    given = submission(60, is_list=True, payload="y" * 20_000)

    built = asyncio.run(messages.build(given, job_id=JOB))

    assert all(len(message.body) <= contract.CHUNK_MAX_BYTES + 200 for message in built)


def test_the_envelope_is_weighed_in_full() -> None:
    """What an event weighs is never less than what it takes in a message."""
    given = submission(200, is_list=True)
    [message] = asyncio.run(messages.build(given, job_id=JOB))

    weighed = sum(chunks.weight(event, size) for event, size in zip(given.events, given.payload_bytes, strict=True))

    assert len(message.body) <= weighed
