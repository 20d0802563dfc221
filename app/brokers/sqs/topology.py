"""The queues: made on an emulator, and looked at on AWS, where infra/aws makes them."""

from __future__ import annotations

import json

import structlog

from app import contract
from app.brokers.sqs import client
from app.brokers.without_amqp import visibility_seconds
from app.contract import Queue
from app.errors import NotReadyError
from app.settings import Settings

log = structlog.get_logger(__name__)

#: A message is kept for so long, SQS' longest.
_RETENTION_SECONDS = 14 * 86_400
_SIZE = str(contract.SQS_MESSAGE_MAX_BYTES)


def declare(settings: Settings) -> None:
    """Make the queues of an emulator; on AWS see that the work queues are there.

    Raises:
        NotReadyError: a queue is not there, or SQS does not answer.
    """
    for queue in contract.queues():
        if settings.sqs_endpoint_url:
            try:
                _make(queue, settings)
            except client.SqsAwayError as error:
                raise NotReadyError(f"SQS: {error}") from error
        if (missing := missing_queue(client.work_url(queue.name))) is not None:
            raise NotReadyError(missing)
        log.info("queue_declared", queue=queue.name)


def _make(queue: Queue, settings: Settings) -> None:
    dead, work = client.dead_letter_url(queue.name), client.work_url(queue.name)
    kept = {"MessageRetentionPeriod": str(_RETENTION_SECONDS)}
    with client.answered():
        asked = client.client()
        asked.create_queue(QueueName=dead.rpartition("/")[2])
        asked.set_queue_attributes(QueueUrl=dead, Attributes=kept | {"VisibilityTimeout": "60"})
        found = asked.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
        # The limit is of redeliveries, and SQS counts deliveries.
        redrive = {"deadLetterTargetArn": found["QueueArn"], "maxReceiveCount": queue.delivery_limit + 1}
        asked.create_queue(QueueName=work.rpartition("/")[2])
        seconds = visibility_seconds(queue, settings)
        asked.set_queue_attributes(
            QueueUrl=work,
            Attributes=kept
            | {"VisibilityTimeout": str(seconds), "RedrivePolicy": json.dumps(redrive), "MaximumMessageSize": _SIZE},
        )


def missing_queue(url: str) -> str | None:
    """Why a queue cannot be used; None if it can."""
    try:
        client.counts(url)
    except client.SqsAwayError as error:
        return f"SQS: {url}: {error}"
    return None
