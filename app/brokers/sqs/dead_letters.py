"""Reads the queues that SQS moves a message to which was received too often: it killed every worker that took it."""

from __future__ import annotations

import time
from itertools import cycle

from app import contract
from app.brokers.envelope import opened
from app.brokers.interface import Delivery
from app.brokers.sqs import client
from app.brokers.without_amqp import DELIVERY_LIMIT

#: While PostgreSQL is away the archiver holds what it has; SQS would give it the same messages again and again.
_MOST_HELD = 60


class SqsDeadLetters:
    """Takes the queues in turn."""

    def __init__(self) -> None:
        """Ask nothing yet."""
        self._turns = cycle(contract.queue_names())
        self._connected = False
        self._held = 0

    @property
    def connected(self) -> bool:
        """Whether SQS answered, and has not failed since."""
        return self._connected

    def connect(self) -> None:
        """See that SQS answers.

        Raises:
            SqsAwayError: it does not.
        """
        if not self._connected:
            for queue in contract.queue_names():
                client.counts(client.dead_letter_url(queue))
            self._connected = True

    def close(self) -> None:
        """Do nothing: SQS shows a message again when its visibility timeout ends."""
        self._connected = False
        self._held = 0

    def gather(self, *, wait_seconds: float) -> list[Delivery]:
        """Return the messages that have arrived in the next queue.

        Raises:
            SqsAwayError: SQS does not answer.
        """
        if self._held >= _MOST_HELD:
            time.sleep(wait_seconds)
            return []
        queue = next(self._turns)
        url = client.dead_letter_url(queue)
        with client.answered():
            answer = client.client().receive_message(
                QueueUrl=url, MaxNumberOfMessages=client.BATCH_MAX_MESSAGES, WaitTimeSeconds=round(max(1, wait_seconds))
            )
        self._held += len(answer.get("Messages", ()))
        return [
            Delivery(
                (url, message["ReceiptHandle"]), opened(message["Body"]).arrived(queue, death_reason=DELIVERY_LIMIT)
            )
            for message in answer.get("Messages", ())
        ]

    def acknowledge(self, deliveries: list[Delivery]) -> None:
        """Delete them.

        Raises:
            SqsAwayError: SQS does not answer; they come again, and are known by then.
        """
        for delivery in deliveries:
            url, handle = delivery.tag
            with client.answered():
                client.client().delete_message(QueueUrl=url, ReceiptHandle=handle)
            self._held -= 1
