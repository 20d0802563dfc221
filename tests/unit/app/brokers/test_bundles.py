"""Messages are joined into bundles, and bundles are taken apart."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, strategies as st

from app import contract
from app.brokers.bundles import batch_of, carried_of, messages_in, parcel_of, parcels
from app.brokers.message_body import ITEM, ITEM_KEY, Call
from app.brokers.transactional import captured
from app.storage.outbox import ClaimedMessage
from app.tasks.user_events import ingest_user_event

HUGE = 10**40


def message(*keys: str, text: str = "{}", **options: Any) -> ClaimedMessage:
    """A message of the example, as the outbox keeps it."""
    headers = {
        contract.MESSAGE_JOB_ID: str(uuid4()), contract.MESSAGE_SCOPE: "shop",
        contract.MESSAGE_TRACEPARENT: f"00-{uuid4().hex}-00f067aa0ba902b7-01",
    } | options.pop("headers", {})  # fmt: skip
    batch = [{ITEM_KEY: key, ITEM: {"event_id": key, "payload": text, "big": HUGE}} for key in keys]
    with captured() as sent:
        ingest_user_event.apply_async([batch], headers=headers, **options)
    [one] = sent
    return ClaimedMessage(
        message_id=one.message_id, task_id=one.task_id, job_id=one.job_id, task_name=one.task_name, queue=one.queue,
        # As PostgreSQL gives them back.
        properties=json.loads(json.dumps(one.properties)), body=one.body,
    )  # fmt: skip


def headers_of(one: ClaimedMessage) -> dict[str, Any]:
    """Its Celery headers."""
    headers: dict[str, Any] = one.properties["application_headers"]
    return headers


def content(one: ClaimedMessage) -> list[tuple[Any, dict[str, Any]]]:
    """The items of a message, each with its headers."""
    return [(it.item, dict(it.headers)) for it in carried_of(json.loads(one.body)[0][0], headers_of(one))]


def test_what_waits_together_leaves_together() -> None:
    """Each item keeps its job, its scope and its trace; what they share is in the headers of the bundle."""
    sent_at = iter([7.0, 5.0, 6.0])
    rows = [message(*keys, headers={contract.MESSAGE_PUBLISHED_AT: next(sent_at)}) for keys in ("a", "bc", "d")]

    [parcel] = parcels(rows)

    assert parcel.rows == tuple(rows)
    assert content(parcel.message) == [it for row in rows for it in content(row)]
    headers = headers_of(parcel.message)
    assert headers[contract.MESSAGE_BUNDLE] == 3
    assert headers[contract.MESSAGE_FORM] == ingest_user_event.form_id
    assert headers["id"] == headers["root_id"] == parcel.message.properties["correlation_id"]
    assert not headers.keys() & {contract.MESSAGE_JOB_ID, contract.MESSAGE_SCOPE, contract.MESSAGE_ITEMS}
    assert headers[contract.MESSAGE_PUBLISHED_AT] == 5.0, "the longest wait counts"


def test_one_message_leaves_as_it_is() -> None:
    """It loses only the header for the relay."""
    row = message("a")

    [parcel] = parcels([row])

    assert parcel.message.body == row.body
    assert headers_of(parcel.message) == {
        name: value for name, value in headers_of(row).items() if name != contract.MESSAGE_ITEMS
    }
    assert [one.message_id for one in parcel.rows] == [row.message_id]


@pytest.mark.parametrize(
    "other",
    [{"priority": 5}, {"expires": 60}, {"headers": {"tenant": "b"}}, {"headers": {contract.MESSAGE_FORM: "another"}}],
    ids=["priority", "expires", "a header of the sender's", "form"],
)
def test_what_differs_leaves_apart(other: dict[str, Any]) -> None:
    """Messages that differ in one of these are not joined."""
    assert len(parcels([message("a"), message("b", **other)])) == 2


def test_what_is_no_batch_or_was_sent_alone_leaves_alone() -> None:
    """A message without the relay's header, or with a body in another form, is not joined."""
    plain = parcel_of(message("a")).message
    foreign = replace(message("b"), body=b'[[], {"events": []}, {}]')

    assert [len(parcel.rows) for parcel in parcels([plain, plain, foreign, foreign])] == [1, 1, 1, 1]


@given(st.lists(st.integers(1, contract.BATCH_MAX_ITEMS), min_size=1, max_size=12), st.integers(1, 30_000))
def test_a_bundle_is_no_larger_than_a_batch(sizes: list[int], text_bytes: int) -> None:
    """Bundles stay within the bounds of a batch; a larger message leaves alone; each message leaves once."""
    model = message("a", text="x" * text_bytes)
    rows = [
        replace(
            model, message_id=UUID(int=number),
            properties={"application_headers": headers_of(model) | {contract.MESSAGE_ITEMS: size}},
        )
        for number, size in enumerate(sizes)
    ]  # fmt: skip

    made = parcels(rows)

    assert sorted(row.message_id.int for parcel in made for row in parcel.rows) == list(range(len(sizes)))
    for parcel in made:
        items = sum(sizes[row.message_id.int] for row in parcel.rows)
        size_bytes = sum(len(row.body) for row in parcel.rows)
        assert len(parcel.rows) == 1 or (items <= contract.BATCH_MAX_ITEMS and size_bytes <= contract.BATCH_MAX_BYTES)


def test_a_part_of_a_bundle_is_a_batch_again() -> None:
    """Halves keep what belongs to each item; a half of one message is that message."""
    [parcel] = parcels([message("a", "b"), message("c")])
    carried = carried_of(json.loads(parcel.message.body)[0][0], headers_of(parcel.message))

    first, second = batch_of(carried[:2]), batch_of(carried[1:])

    assert first == ([it.item for it in carried[:2]], dict(carried[0].headers))
    assert second[1] == {contract.MESSAGE_BUNDLE: 2}
    assert carried_of(*second) == carried[1:]


def test_a_bundle_comes_apart_into_its_messages() -> None:
    """The messages are the same each time, because a dead letter may come twice."""
    rows = [message("a"), message("b")]
    [parcel] = parcels(rows)
    args, kwargs, embed = json.loads(parcel.message.body)
    call = Call(args=args, kwargs=kwargs, embed=embed)

    apart = list(messages_in(headers_of(parcel.message), call))

    assert [one.args for _, one in apart] == [json.loads(row.body)[0] for row in rows]
    assert [headers[contract.MESSAGE_JOB_ID] for headers, _ in apart] == [str(row.job_id) for row in rows]
    assert len({headers["id"] for headers, _ in apart}) == 2
    assert apart == list(messages_in(headers_of(parcel.message), call))
    assert all(contract.MESSAGE_BUNDLE not in headers for headers, _ in apart)
