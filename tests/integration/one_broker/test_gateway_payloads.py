"""A payload arrives as it was sent, or is refused at the door: through the gateway, the broker and a worker."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx

from tests.harness.messages import event
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

_HEADERS = {"Content-Type": "application/json"}
#: As text, since Python would write some of them in another way.
PAYLOADS = [
    '{"x": {"__type__": "foo", "__value__": 1}}',
    '{"at": {"__type__": "datetime", "__value__": "2020-01-01T00:00:00"}}',
    '{"sum": {"__type__": "decimal", "__value__": "1.50"}, "after": 1}',
    '{"u": {"__type__": "uuid", "__value__": {"hex": "0123456789abcdef0123456789abcdef", "version": 4}}}',
    '{"__type__": "bytes", "__value__": "eA=="}',
    '{"exact": 12345678901234567.89, "more": 0.1000000000000000055511151231257827, "e": 1e308, "zeros": 1.500}',
    '{"whole": 12345678901234567890, "longer": -123456789012345678901234567890123456789012}',
    '{"escaped": "\\u00e9\\ud83d\\ude00\\/\\\\u0000", "plain": "é\U0001f600\x7f"}',
]
#: The last hours that PostgreSQL takes.
MOMENTS = ["2026-01-01T00:00:00+15:59", "2026-01-01T00:00:00-15:59"]


def _text(payload: str, *, moment: str = "2026-01-01T00:00:00Z") -> tuple[str, str]:
    """An event's id, and the event as it is sent."""
    event_id = str(uuid4())
    fields = {"event_id": event_id, "type": "as sent", "occurred_at": moment, "payload": "PAYLOAD"}
    return event_id, json.dumps(fields).replace('"PAYLOAD"', payload)


def test_what_is_stored_is_what_was_sent(single: Stack) -> None:
    """A1, BR-01, BR-02, BR-08, BR-35: kombu's markers and long numbers, alone and among 50 others; each job ends."""
    singles = [_text(payload) for payload in PAYLOADS] + [_text("{}", moment=moment) for moment in MOMENTS]
    listed = [_text(payload) for payload in PAYLOADS]
    others = [event() for _ in range(50)]
    sent = dict(zip([one for one, _ in (*singles, *listed)], [*PAYLOADS, "{}", "{}", *PAYLOADS], strict=True))
    many = ",".join([*(json.dumps(one) for one in others), *(text for _, text in listed)])
    with single.http(headers=_HEADERS) as client:
        answers = [client.post("/v1/events", content=text.encode()) for _, text in singles]
        answers.append(client.post("/v1/events", content=f"[{many}]".encode()))
        assert {answer.status_code for answer in answers} == {202}

        def ended() -> list[dict[str, Any]] | None:
            jobs = [client.get(answer.headers["Location"]).raise_for_status().json() for answer in answers]
            return jobs if all(job["counts"]["waiting"] == 0 for job in jobs) else None

        jobs = eventually(ended, what="every job has ended", tolerate=(httpx.HTTPStatusError,))
    assert jobs is not None
    assert {job["state"] for job in jobs} == {"succeeded"}
    assert sum(job["counts"]["executed"] for job in jobs) == len(sent) + len(others)
    query = "SELECT payload = %s::jsonb, payload::text = %s::jsonb::text FROM events WHERE event_id = %s"
    stored = {event_id: single.query(query, text, text, event_id) for event_id, text in sent.items()}
    assert {event_id: rows for event_id, rows in stored.items() if rows != [(True, True)]} == {}
