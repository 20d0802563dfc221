"""Accepted requests as Celery messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from app import contract
from app.brokers.message_body import ITEM, ITEM_KEY, read_call
from app.gateway import items, messages
from app.gateway.bodies import BodyMemory
from app.gateway.items import Submission, ValidItem
from app.gateway.messages import Target
from app.gateway.problems import ProblemError
from app.kinds.declared import Kind
from app.storage.outbox import OutboxMessage
from app.tasks.user_events import ingest_user_event

JOB = UUID("01a204a5-d87f-7548-9a59-586fe4c89fba")
DECLARED = ingest_user_event.declaration
EVENTS = Target(task_name=contract.TASK_INGEST_EVENT, declaration=DECLARED, api_key_id="somebody")


def submission(count: int, *, is_list: bool, payload: str = "x") -> Submission:
    """A valid request of so many events."""
    text = json.dumps({"p": payload}, ensure_ascii=False)
    valid = [
        ValidItem(
            key=key,
            members=json.dumps({"event_id": key, "type": "é\\", "occurred_at": "2026-01-01T00:00:00Z"}).encode(),
            texts={"payload": text.encode()},
        )
        for key in (str(uuid4()) for _ in range(count))
    ]
    return Submission(items=valid, is_list=is_list)


def carried(given: Submission) -> list[dict[str, Any]]:
    """The items as batches hold them."""
    return [{ITEM_KEY: item.key, ITEM: item.wire} for item in given.items]


def build(given: Submission, *, memory_bytes: int = 2**30, target: Target = EVENTS) -> Sequence[OutboxMessage]:
    """Its messages."""
    with BodyMemory(memory_bytes).share() as share:
        return asyncio.run(messages.build(target, given, share, job_id=JOB))


def test_one_event_is_one_message_to_the_interactive_queue() -> None:
    """It carries the event whole, the job's id, and nothing of the payload in its headers."""
    given = submission(1, is_list=False, payload="secret")

    [message] = build(given)

    args, _, _ = json.loads(message.body)
    assert args == [carried(given)]
    assert (message.task_name, message.queue, message.job_id) == (contract.TASK_INGEST_EVENT, "interactive", JOB)
    assert message.properties["application_headers"][contract.MESSAGE_JOB_ID] == str(JOB)
    assert message.properties["application_headers"][contract.MESSAGE_SCOPE] == "somebody"
    assert message.properties["application_headers"]["id"] == str(message.task_id)
    assert "secret" not in json.dumps(message.properties)


def test_a_list_is_carried_in_batches() -> None:
    """450 events are three messages, of different tasks ids, and no event is missing."""
    given = submission(450, is_list=True)

    built = build(given)

    sent = [json.loads(message.body)[0][0] for message in built]
    assert [len(batch) for batch in sent] == [200, 200, 50]
    assert [item for batch in sent for item in batch] == carried(given)
    assert {(message.task_name, message.queue) for message in built} == {(contract.TASK_INGEST_EVENT, "bulk")}
    assert len({message.task_id for message in built}) == 3


@pytest.mark.parametrize("payload", ["y" * 20_000, "é" * 9000, "\U0001f600\x7f" * 4000, '"\n\t' * 6000])
def test_no_batch_is_heavier_than_allowed(payload: str) -> None:
    """Lists of large events are cut by bytes, measured on the finished message, escapes included."""
    given = submission(60, is_list=True, payload=payload)

    built = build(given)

    assert all(len(message.body) <= contract.BATCH_MAX_BYTES + 200 for message in built)


def test_kombu_changes_nothing_of_a_payload() -> None:
    """BR-01, BR-02: what looks like one of kombu's own values is read by a worker as it was sent."""
    text = '{"x":{"__type__":"foo","__value__":1},"y":{"__type__":"decimal","__value__":"1.50"}}'
    body = json.dumps({"event_id": str(uuid4()), "type": "t", "occurred_at": "2026-01-01T00:00:00Z", "payload": "P"})
    given = asyncio.run(items.parse(body.replace('"P"', text).encode(), DECLARED.form, payload_max_bytes=1000))

    [message] = build(given)

    call = read_call(message.body, content_type="application/json", content_encoding="utf-8")
    assert call.args[0][0][ITEM]["payload"] == text


def test_a_task_of_single_items_gets_a_message_an_item() -> None:
    """Each with its key, which is its sender's, and all of one job."""
    single = replace(DECLARED, kind=Kind.ONCE)
    given = submission(3, is_list=True)

    built = build(given, target=replace(EVENTS, declaration=single))

    [parameter] = DECLARED.forms
    assert [json.loads(message.body)[:2] for message in built] == [[[], {parameter: one.wire}] for one in given.items]
    headers = [message.properties["application_headers"] for message in built]
    assert [one[contract.MESSAGE_KEY] for one in headers] == [one.key for one in given.items]
    assert {message.job_id for message in built} == {JOB}


def test_messages_that_are_much_longer_than_their_body_are_refused() -> None:
    """A13: an escape takes up to six bytes for one, and a list of such characters would end the process."""
    given = submission(40, is_list=True, payload="\x7f" * 20_000)

    with pytest.raises(ProblemError) as raised:
        build(given, memory_bytes=3 * 40 * 20_000)

    assert raised.value.kind.status == 413
