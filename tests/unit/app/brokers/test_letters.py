"""From a dead message to a dead letter: the reason, and what else is known."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given, strategies as st

from app.brokers.letters import ArrivedMessage, LastFailure, letter_from, newest_death, taken_apart
from app.contract import MESSAGE_BUNDLE, MESSAGE_JOB_ID, MESSAGE_KEY, MESSAGE_SCOPE, TASK_INGEST_EVENT
from app.storage.dead_letters import DeadLetter

TASK_ID = UUID("00000000-0000-4000-8000-000000000001")
JOB_ID = UUID("00000000-0000-4000-8000-000000000002")
KEYS = ["first", "second", "é\0"]
DIED = datetime(2026, 7, 1, 12, 0, 0)  # noqa: DTZ001 - as py-amqp gives it
NOW = datetime(2026, 7, 2, tzinfo=UTC)


def death(reason: str = "rejected", queue: str = "bulk", time: datetime = DIED, **more: Any) -> dict[str, Any]:
    """An entry of x-death."""
    return {
        "reason": reason,
        "queue": queue,
        "time": time,
        "count": 1,
        "exchange": "tasks",
        "routing-keys": [queue],
    } | more


def item(key: object) -> dict[str, Any]:
    """An item as a batch holds it."""
    return {"key": key, "item": "{}"}


def message(
    body: bytes = b"[[], {}, {}]",
    *,
    task: str | None = TASK_INGEST_EVENT,
    deaths: list[dict[str, Any]] | None = None,
    headers: dict[str, Any] | None = None,
    **properties: Any,
) -> ArrivedMessage:
    """A message in `bulk.dead`."""
    own = {"id": str(TASK_ID), "retries": 0} | ({} if task is None else {"task": task})
    return ArrivedMessage(
        dead_letter_queue="bulk.dead",
        exchange="tasks.dead",
        routing_key="bulk.dead",
        properties={"content_type": "application/json", "content_encoding": "utf-8"}
        | properties
        | {"application_headers": own | {"x-death": [death()] if deaths is None else deaths} | (headers or {})},
        body=body,
    )


def failure(reason: str, exception: str = "SomeError", attempt: int = 1) -> LastFailure:
    """A recorded failure."""
    return LastFailure(reason=reason, exception_type=exception, exception_message="why", attempt=attempt)


@pytest.mark.parametrize(
    ("dead", "last", "reason", "exception"),
    [
        pytest.param(message(), failure("failed"), "failed", "SomeError", id="the record says why"),
        pytest.param(message(), failure("time_limit"), "time_limit", "SomeError", id="a hard time limit"),
        pytest.param(message(), failure("unknown_task", "KeyError"), "unknown_task", "KeyError", id="unknown task"),
        pytest.param(
            message(deaths=[death("delivery_limit")]),
            failure("worker_lost", "WorkerLostError"),
            "delivery_limit",
            "WorkerLostError",
            id="given up by the broker, after its workers died",
        ),
        pytest.param(message(deaths=[death("delivery_limit")]), None, "delivery_limit", None, id="nobody recorded it"),
        pytest.param(
            message(deaths=[death("delivery_limit")]),
            failure("failed"),
            "delivery_limit",
            "SomeError",
            id="the broker's own",
        ),
        pytest.param(message(deaths=[death("expired")]), None, "expired", None, id="expired"),
        pytest.param(message(deaths=[death("maxlen")]), None, "maxlen", None, id="the queue was full"),
        pytest.param(message(), failure("retried"), "rejected", "SomeError", id="only a step was recorded"),
        pytest.param(message(), None, "rejected", None, id="nothing is known"),
        pytest.param(message(deaths=[]), None, "unknown", None, id="somebody put it there by hand"),
        pytest.param(message(b"\xff{"), None, "undecodable", "DecodeError", id="not JSON, no record"),
        pytest.param(message(b"\xff{"), failure("retried"), "undecodable", "DecodeError", id="not JSON beats a step"),
        pytest.param(message(b'{"a": 1}'), None, "undecodable", "ValueError", id="JSON, but no call"),
        pytest.param(
            message(b"x", content_type="text/plain"), None, "undecodable", "ContentDisallowed", id="not accepted"
        ),
        pytest.param(message(b'{"a": 1}', task=None), None, "not_a_task", "ValueError", id="no task header"),
        pytest.param(message(b"{", task=None), None, "undecodable", "DecodeError", id="neither a task nor JSON"),
    ],
)
def test_reason(dead: ArrivedMessage, last: LastFailure | None, reason: str, exception: str | None) -> None:
    """The reason is the broker's word joined with the last record, or what the message itself shows."""
    letter = letter_from(dead, last, now=NOW)
    assert (letter.reason, letter.exception_type) == (reason, exception)


def test_newest_death_is_not_the_first() -> None:
    """A retried task's first death is the delay ladder's; the one that counts is its own queue's newest."""
    old, new = death("expired", time=DIED), death("delivery_limit", time=DIED.replace(second=5))
    ladder = death("expired", queue="celery_delayed_3", time=DIED.replace(second=9))
    assert newest_death(message(deaths=[ladder, old, new]))["reason"] == "delivery_limit"
    same_second = [death("rejected"), death("expired")]
    assert newest_death(message(deaths=same_second))["reason"] == "rejected"
    assert newest_death(message(deaths=[ladder]))["queue"] == "celery_delayed_3"


@pytest.mark.parametrize(
    ("headers", "call", "found"),
    [
        ({MESSAGE_KEY: "first"}, [[], {"invoice": "{}"}, {}], ["first"]),
        ({}, [[[item(one) for one in KEYS]], {}, {}], ["first", "second", "é\\0"]),
        ({}, [[[item("first"), item(7), 7, {"key": "other"}]], {}, {}], ["first"]),
        ({}, [["no list"], {}, {}], []),
        ({}, [[], {}, None], []),
        ({MESSAGE_KEY: 7}, [[], {}, {}], []),
        ({MESSAGE_KEY: "a\0"}, [[], {}, {}], ["a\\0"]),
        ({}, [[], {"items": [item("first")]}, {}], ["first"]),
    ],
)
def test_keys(headers: dict[str, Any], call: list[Any], found: list[str]) -> None:
    """A dead letter names the items it carries, so that job and ledger find them."""
    assert letter_from(message(orjson.dumps(call), headers=headers), None).keys == found


def test_attempts() -> None:
    """Attempts count retries and recorded failures; a message given up was delivered once more than the limit."""
    assert letter_from(message(headers={"retries": 5}), None).attempts == 6
    assert letter_from(message(), failure("failed", attempt=3)).attempts == 3
    assert letter_from(message(headers={"retries": "?"}), None).attempts == 1
    assert letter_from(message(headers={"retries": 10**9}), None).attempts == 32_767
    assert letter_from(message(deaths=[death("delivery_limit")]), None).attempts == 21


def test_whole_message_is_kept() -> None:
    """Ids, times and the body byte for byte; the headers in JSON's types, bytes and dates included."""
    dead = message(
        b"\xff\x00body", headers={"millrace_job_id": str(JOB_ID), "odd": b"\xff\x00", "at": DIED, "s": "\ud800"}
    )
    letter = letter_from(dead, None)
    assert (letter.task_id, letter.job_id, letter.queue, letter.body) == (TASK_ID, JOB_ID, "bulk", b"\xff\x00body")
    assert letter.died_at == DIED.replace(tzinfo=UTC)
    kept = orjson.loads(orjson.dumps(letter.properties))["application_headers"]
    assert (kept["odd"], kept["at"], kept["s"]) == ("\\xff\\0", "2026-07-01T12:00:00+00:00", "\\ud800")
    assert letter_from(message(deaths=[]), None, now=NOW).died_at == NOW


def test_fingerprint_knows_the_same_death_again() -> None:
    """An archiver that dies before its acknowledgement gets it again; after a replay a message may die again."""

    def mark(dead: ArrivedMessage) -> bytes:
        return letter_from(dead, None, now=NOW).fingerprint

    assert mark(message()) == mark(message(headers={"x-delivery-count": 3, "x-acquired-count": 4}))
    assert mark(message()) != mark(message(message_id="another publish"))
    assert mark(message(b"[[1], {}, {}]")) != mark(message(b"[[2], {}, {}]"))
    assert mark(message()) != mark(message(deaths=[death(time=DIED.replace(second=1))]))


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(body=st.binary(), headers=st.dictionaries(st.text(), _values, max_size=5), content_type=st.none() | st.text())
def test_every_message_becomes_a_letter(body: bytes, headers: dict[str, Any], content_type: str | None) -> None:
    """Whatever arrives can be archived: no exception, JSON that PostgreSQL takes, the body untouched."""
    arrived = ArrivedMessage(
        dead_letter_queue="bulk.dead",
        exchange="",
        routing_key="",
        properties={"content_type": content_type, "application_headers": headers},
        body=body,
    )
    letter: DeadLetter = letter_from(arrived, None)
    as_json = orjson.dumps(letter.properties)
    # An escaped NUL; a text that spells one has its backslash escaped.
    assert not re.search(rb"(?<!\\)(?:\\\\)*\\u0000", as_json)
    assert letter.body == body
    assert letter.reason
    assert len(letter.fingerprint) == 32


def test_a_bundle_is_archived_as_its_messages() -> None:
    """Each letter belongs to one job, has the failure of the bundle, and is the same when the bundle comes again."""
    other = UUID(int=9)
    body = orjson.dumps([[[
        {"headers": {MESSAGE_JOB_ID: str(JOB_ID), MESSAGE_SCOPE: "shop"}, "items": [item("a"), item("b")]},
        {"headers": {MESSAGE_JOB_ID: str(other), MESSAGE_SCOPE: "mill"}, "items": [item("c")]},
    ]], {}, {}])  # fmt: skip
    dead = message(body, headers={MESSAGE_BUNDLE: 2})
    failure = LastFailure(reason="failed", exception_type="UndefinedTable", exception_message="no table", attempt=6)

    first, second = (letter_from(part, failure, now=NOW) for part in taken_apart(dead))

    assert (first.job_id, first.keys) == (JOB_ID, ["a", "b"])
    assert (second.job_id, second.keys) == (other, ["c"])
    assert orjson.loads(second.body) == [[[item("c")]], {}, {}]
    assert {first.exception_type, second.exception_type} == {"UndefinedTable"}
    assert len({TASK_ID, first.task_id, second.task_id}) == 3
    assert [letter_from(part, failure, now=NOW).fingerprint for part in taken_apart(dead)] == [
        first.fingerprint,
        second.fingerprint,
    ]
