"""Sending inside a transaction: Celery's own message, kept instead of published."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from app import contract
from app.brokers.celery_app import celery_app
from app.brokers.transactional import captured

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
    assert (message.exchange, message.routing_key, message.queue) == ("tasks", "bulk", "bulk")
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
    assert messages[0].exchange == contract.TASKS_EXCHANGE


def test_an_absolute_time_is_refused_by_name() -> None:
    """An `eta` would be silently dropped otherwise."""
    with captured(), pytest.raises(ValueError, match="countdown"):
        celery_app.send_task(contract.TASK_INGEST_EVENT, args=[EVENT], queue="bulk", eta="2026-01-01T00:00:00Z")


def test_ids_are_uuids_even_when_celery_makes_them() -> None:
    """The outbox stores them as such."""
    with captured() as messages:
        celery_app.send_task(contract.TASK_INGEST_EVENT, args=[EVENT], queue="external")

    assert isinstance(messages[0].task_id, UUID)
