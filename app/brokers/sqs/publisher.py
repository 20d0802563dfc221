"""Publishes a batch by SendMessageBatch, and looks at each entry of the answer: some may have failed.

kombu sends one message a call (320 messages/s to an emulator, and 2,621 so).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from uuid import UUID

from app import contract
from app.brokers.envelope import sealed_all
from app.brokers.interface import BrokerAwayError, PublishResult
from app.brokers.sqs import client
from app.storage.outbox import ClaimedMessage

#: Codes that blame this message. Any other one, such as a key that is throttled, says nothing of it.
_ITS_OWN_FAULT = frozenset({"InvalidMessageContents", "InvalidParameterValue", "MessageTooLong"})

Entry = tuple[UUID, str]


class SqsPublisher:
    """Has no connection of its own: each call is one."""

    def __init__(self) -> None:
        """Ask nothing yet."""
        self._connected = False
        #: When it last had an answer (time.monotonic).
        self.looked_at = time.monotonic()

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
            client.counts(client.work_url(contract.queue_names()[0]))
            self._connected = True

    def close(self) -> None:
        """Ask again before the next batch."""
        self._connected = False

    def waiting(self, queue: str) -> int:
        """About how many messages wait in a queue.

        Raises:
            BrokerAwayError: SQS does not answer.
        """
        try:
            return client.counts(client.work_url(queue))["visible"]
        except client.SqsAwayError as error:
            self.close()
            raise BrokerAwayError(error, PublishResult()) from error

    def publish(self, messages: Sequence[ClaimedMessage], *, timeout_seconds: float) -> PublishResult:
        """Send all, ten a call.

        Raises:
            BrokerAwayError: a call failed, or the time is over; what was taken before is in its result.
        """
        result = PublishResult()
        deadline = time.monotonic() + timeout_seconds
        for queue in dict.fromkeys(message.queue for message in messages):
            of_queue = [message for message in messages if message.queue == queue]
            entries = list(sealed_all(of_queue, result, most_bytes=contract.SQS_MESSAGE_MAX_BYTES))
            for batch in batches(entries):
                self.looked_at = time.monotonic()
                try:
                    if self.looked_at > deadline:
                        raise TimeoutError("not all messages were taken in time")
                    self._send(client.work_url(queue), batch, result)
                except OSError as error:
                    self.close()
                    raise BrokerAwayError(error, result) from error
        return result

    def _send(self, url: str, batch: Sequence[Entry], result: PublishResult) -> None:
        with client.answered():
            answer = client.client().send_message_batch(
                QueueUrl=url, Entries=[{"Id": identifier.hex, "MessageBody": text} for identifier, text in batch]
            )
        result.confirmed += [UUID(entry["Id"]) for entry in answer.get("Successful", ())]
        for entry in answer.get("Failed", ()):
            if entry.get("Code") in _ITS_OWN_FAULT:
                result.refused[UUID(entry["Id"])] = f"{entry['Code']}: {entry.get('Message', '')}"
            else:
                result.nacked.append(UUID(entry["Id"]))


def batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """As many entries a call as SQS takes, in messages and in bytes."""
    batch: list[Entry] = []
    size_bytes = 0
    for entry in entries:
        if batch and (
            len(batch) == client.BATCH_MAX_MESSAGES or size_bytes + len(entry[1]) > contract.SQS_MESSAGE_MAX_BYTES
        ):
            yield batch
            batch, size_bytes = [], 0
        batch.append(entry)
        size_bytes += len(entry[1])
    if batch:
        yield batch
