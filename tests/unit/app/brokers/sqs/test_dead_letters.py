"""What the archiver is given of the queues behind the work."""

from __future__ import annotations

from typing import Any

import pytest

from app import contract
from app.brokers.sqs import client
from app.brokers.sqs.dead_letters import SqsDeadLetters


class Sqs:
    """Has ten messages in each queue, again and again, as while nobody deletes them."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.deleted: list[str] = []

    def receive_message(self, *, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        """Like boto3's."""
        self.asked.append(QueueUrl)
        return {"Messages": [{"Body": "?", "ReceiptHandle": str(number)} for number in range(10)]}

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803
        """Like boto3's."""
        self.deleted.append(ReceiptHandle)


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Sqs:
    """In place of SQS."""
    found = Sqs()
    monkeypatch.setattr(client, "client", lambda: found)
    monkeypatch.setattr(client, "dead_letter_url", lambda queue: f"{queue}-dead")
    return found


def test_each_queue_has_its_turn(sqs: Sqs) -> None:
    """And the letters are those of its work queue."""
    source = SqsDeadLetters()

    found = [source.gather(wait_seconds=0)[0].message.dead_letter_queue for _ in contract.queue_names()]

    assert found == [contract.dead_letter_queue(queue) for queue in contract.queue_names()]
    assert sqs.asked == [f"{queue}-dead" for queue in contract.queue_names()]


def test_no_more_is_held_than_fits_into_memory(sqs: Sqs) -> None:
    """PostgreSQL may be away for an hour, and SQS shows a message again after a minute."""
    source = SqsDeadLetters()
    held = [delivery for _ in range(20) for delivery in source.gather(wait_seconds=0)]
    assert len(held) == 60

    source.acknowledge(held)

    assert len(sqs.deleted) == 60
    assert len(source.gather(wait_seconds=0)) == 10
