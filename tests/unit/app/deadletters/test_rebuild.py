"""From a dead letter back to a message."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.contract import MESSAGE_JOB_ID, MESSAGE_ORDER, MESSAGE_PUBLISHED_AT
from app.deadletters.archive_queries import StoredLetter
from app.deadletters.rebuild import Edit, rebuild
from app.errors import ReplayRefusedError

TASK_ID = UUID("00000000-0000-4000-8000-000000000001")
HEADERS: dict[str, Any] = {
    "id": str(TASK_ID),
    "task": "ingest_user_event",
    "retries": 5,
    "eta": "2026-07-01T00:00:00+00:00",
    "expires": "2026-07-01T00:00:00+00:00",
    "argsrepr": "old",
    MESSAGE_JOB_ID: "00000000-0000-4000-8000-000000000002",
    MESSAGE_PUBLISHED_AT: 1.0,
    "x-death": [{"reason": "rejected"}],
    "x-first-death-reason": "expired",
    "x-last-death-queue": "bulk",
    "x-delivery-count": 21,
    "x-acquired-count": 21,
}
LETTER = StoredLetter(
    dead_letter_id=UUID(int=9),
    state="dead",
    queue="bulk",
    reason="failed",
    task_id=TASK_ID,
    task_name="ingest_user_event",
    job_id=None,
    keys=(),
    exception_type=None,
    exception_message=None,
    attempts=6,
    exchange="celery_delayed_delivery",
    routing_key="0.0.1.bulk",
    properties={
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "delivery_mode": 1,
        "priority": 3,
        "correlation_id": str(TASK_ID),
        "expiration": "1000",
        "message_id": "old",
        "user_id": "worker",
        "timestamp": "2026-07-01T00:00:00+00:00",
        "application_headers": HEADERS,
    },
    body=b'[[1], {}, {"chord": null}]',
    died_at=datetime(2026, 7, 1, tzinfo=UTC),
    archived_at=datetime(2026, 7, 1, tzinfo=UTC),
)


def with_headers(**changes: Any) -> StoredLetter:
    """The letter with other headers; None removes one."""
    headers = {name: value for name, value in (HEADERS | changes).items() if value is not None}
    return replace(LETTER, properties=dict(LETTER.properties) | {"application_headers": headers})


def test_replay_is_a_first_delivery_of_the_same_task() -> None:
    """Same task id, queue and body; no mark of death, no attempt spent, nothing that expires."""
    message = rebuild(LETTER)
    headers = message.properties["application_headers"]
    assert (message.task_id, message.body, message.queue) == (TASK_ID, LETTER.body, "bulk")
    assert not [name for name in headers if name.startswith("x-")]
    assert (headers["retries"], headers["eta"], headers["expires"]) == (0, None, None)
    assert headers[MESSAGE_JOB_ID] == HEADERS[MESSAGE_JOB_ID]
    assert MESSAGE_PUBLISHED_AT not in headers
    assert message.properties["delivery_mode"] == 2
    assert not message.properties.keys() & {"expiration", "message_id", "user_id", "timestamp"}


@pytest.mark.parametrize("sender", ["producer-billing", None])
def test_a_replay_lends_nobody_our_rights(sender: str | None) -> None:
    """A relay publishes it, and is believed: a chain of somebody else would be sent after all."""
    chained = replace(LETTER, body=b'[[1], {}, {"chain": [{"task": "canary"}]}]')
    theirs = replace(chained, properties={**LETTER.properties, "user_id": sender})

    assert rebuild(chained).body == chained.body
    with pytest.raises(ReplayRefusedError, match=f"it carries `chain`.*it came from {sender or 'an unnamed sender'}"):
        rebuild(theirs)


def test_edits() -> None:
    """A task name and a body can be set; the body is then JSON, whatever the letter's was."""
    renamed = rebuild(LETTER, edit=Edit(task="right_name"))
    assert renamed.task_name == renamed.properties["application_headers"]["task"] == "right_name"
    broken = replace(LETTER, body=b"\xff", properties={"content_type": "text/plain", "application_headers": HEADERS})
    mended = rebuild(broken, edit=Edit(body=b"[[2], {}, {}]"))
    assert (mended.body, mended.properties["content_type"]) == (b"[[2], {}, {}]", "application/json")
    assert "argsrepr" not in mended.properties["application_headers"]
    named = rebuild(with_headers(id=None, task=None), edit=Edit(task="now_a_task"))
    assert named.properties["application_headers"]["id"] != str(TASK_ID)


@pytest.mark.parametrize(
    ("letter", "edit", "words"),
    [
        (replace(LETTER, queue="nowhere"), Edit(), "not a declared queue"),
        (with_headers(task=None), Edit(), "--task"),
        (with_headers(**{MESSAGE_ORDER: str(TASK_ID)}), Edit(task="other"), "place in the order"),
        (LETTER, Edit(body=b"nope"), "not JSON"),
        (LETTER, Edit(body=b'{"a": 1}'), r"\[args, kwargs, embed\]"),
        (LETTER, Edit(body=b"[1, {}, {}]"), r"\[args, kwargs, embed\]"),
        (replace(LETTER, body=b'[[], {}, {"chord": {"task": "t"}}]'), Edit(), "--include-chords"),
        (
            replace(LETTER, properties=dict(LETTER.properties) | {"correlation_id": "x" * 256}),
            Edit(),
            "cannot be sent",
        ),
    ],
)
def test_refusals(letter: StoredLetter, edit: Edit, words: str) -> None:
    """What cannot be replayed, or should not, is refused with a word on what would help."""
    with pytest.raises(ReplayRefusedError, match=words):
        rebuild(letter, edit=edit)


def test_what_the_inbox_may_have_forgotten_is_refused() -> None:
    """A14, BR-16: a replay after the inbox's days would do a second time what was done before the letter died."""
    day = timedelta(days=1)

    with pytest.raises(ReplayRefusedError, match=r"it died on 2026-07-01: .*--forgotten"):
        rebuild(LETTER, remembered_since=LETTER.died_at + day)
    assert rebuild(LETTER, remembered_since=LETTER.died_at - day).task_id == TASK_ID
    assert rebuild(LETTER, remembered_since=None).task_id == TASK_ID


def test_chords_can_be_included() -> None:
    """A chord's member is replayed when the operator insists."""
    letter = replace(LETTER, body=b'[[], {}, {"chord": {"task": "t"}}]')
    assert rebuild(letter, include_chords=True).body == letter.body
