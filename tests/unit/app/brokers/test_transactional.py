"""Sending inside a transaction: Celery's own message, kept instead of published."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from uuid import UUID, uuid4

import pytest

from app import contract
from app.brokers.celery_app import celery_app
from app.brokers.transactional import captured
from app.errors import QueueNotDeclaredError

EVENT: dict[str, Any] = {"event_id": str(uuid4()), "payload": {"text": "ä\x00"}}


def test_a_captured_message_is_a_protocol_2_message_of_celery() -> None:
    """Header and body are those that every Celery worker understands."""
    job_id, task_id = uuid4(), uuid4()

    with captured() as messages:
        celery_app.send_task(
            contract.TASK_INGEST_EVENT,
            args=[EVENT],
            queue="bulk",
            task_id=str(task_id),
            headers={contract.MESSAGE_JOB_ID: str(job_id)},
        )

    (message,) = messages
    args, kwargs, embed = json.loads(message.body)
    headers = message.properties["application_headers"]
    assert (args, kwargs) == ([EVENT], {})
    assert set(embed) == {"callbacks", "errbacks", "chain", "chord"}
    assert (headers["task"], headers["id"], headers["retries"]) == (contract.TASK_INGEST_EVENT, str(task_id), 0)
    assert (message.task_id, message.job_id) == (task_id, job_id)
    assert message.queue == "bulk"
    assert message.properties["content_type"] == "application/json"
    assert message.properties["delivery_mode"] == 2


def test_no_payload_stands_in_a_header() -> None:
    """Celery's argsrepr would put its beginning there, for logs and monitors to show."""
    with captured() as messages:
        celery_app.send_task(contract.TASK_INGEST_EVENT, args=[{"secret": "hunter2"}], queue="bulk")

    assert "hunter2" not in json.dumps(messages[0].properties)


@pytest.mark.parametrize(("countdown", "delay_seconds"), [(None, 0.0), (0, 0.0), (0.2, 1.0), (7, 7.0)])
def test_a_delay_is_kept_by_the_outbox(countdown: float | None, delay_seconds: float) -> None:
    """The message itself goes straight to its queue when the row is due."""
    with captured() as messages:
        celery_app.send_task(contract.TASK_INGEST_EVENT, args=[EVENT], queue="bulk", countdown=countdown)

    assert messages[0].delay_seconds == delay_seconds


@pytest.mark.parametrize("zone", [UTC, None, timezone(timedelta(hours=5))])
def test_a_moment_is_kept_as_a_delay(zone: tzinfo | None) -> None:
    """`eta` says when; a moment without a zone is UTC, as Celery reads it."""
    moment = (datetime.now(zone or UTC) + timedelta(hours=1)).replace(tzinfo=zone)

    with captured() as messages:
        celery_app.send_task(contract.TASK_INGEST_EVENT, args=[EVENT], queue="bulk", eta=moment)

    assert messages[0].delay_seconds == pytest.approx(3600, abs=60)
    assert messages[0].properties["application_headers"]["eta"] is None


def test_a_moment_in_the_past_is_now() -> None:
    """Nobody waits for it."""
    with captured() as messages:
        celery_app.send_task(
            contract.TASK_INGEST_EVENT, args=[EVENT], queue="bulk", eta=datetime(2026, 1, 1, tzinfo=UTC)
        )

    assert messages[0].delay_seconds == 0.0


def test_a_key_of_the_delay_ladder_leads_to_its_queue() -> None:
    """A3: a retry of a task that came through the ladder carried `0.0.1.bulk`, which no relay claims."""
    with captured() as messages:
        celery_app.send_task(contract.TASK_INGEST_EVENT, args=[EVENT], exchange="tasks", routing_key="0.0.1.bulk")

    assert messages[0].queue == "bulk"


@pytest.mark.parametrize(
    "way", [{"routing_key": "bulky", "exchange": "tasks"}, {"routing_key": "bulk", "exchange": "x"}]
)
def test_a_message_to_nowhere_is_refused_where_it_is_sent(way: dict[str, str]) -> None:
    """In the outbox it would wait for a relay that never comes."""
    with captured(), pytest.raises(QueueNotDeclaredError, match=way["routing_key"]):
        celery_app.send_task(contract.TASK_INGEST_EVENT, args=[EVENT], **way)


def test_ids_are_uuids_even_when_celery_makes_them() -> None:
    """The outbox stores them as such."""
    with captured() as messages:
        celery_app.send_task(contract.TASK_INGEST_EVENT, args=[EVENT], queue="external")

    assert isinstance(messages[0].task_id, UUID)
