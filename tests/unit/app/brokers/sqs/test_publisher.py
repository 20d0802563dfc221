"""What the answer of a batch says of each message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from botocore.exceptions import EndpointConnectionError

from app import contract
from app.brokers.interface import BrokerAwayError
from app.brokers.sqs import client
from app.brokers.sqs.publisher import SqsPublisher, batches
from app.storage.outbox import ClaimedMessage

Answer = Callable[[dict[str, Any]], dict[str, Any]]


class Sqs:
    """Takes batches as it is told."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.calls: list[list[str]] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Like boto3's."""
        self.calls.append([entry["Id"] for entry in Entries])
        found: dict[str, Any] = {"Successful": [], "Failed": []}
        for entry in Entries:
            failed = self._answer(entry)
            found["Failed" if failed else "Successful"].append({"Id": entry["Id"], **failed})
        return found


def messages(number: int) -> list[ClaimedMessage]:
    """So many messages of `bulk`."""
    return [
        ClaimedMessage(
            message_id=UUID(int=index), task_id=UUID(int=index), task_name="t", job_id=None, queue="bulk",
            properties={}, body=b"", revoked=False, pause_id=None,
        )
        for index in range(number)
    ]  # fmt: skip


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], Sqs]:
    """Make SQS answer so."""

    def make(answer: Answer) -> Sqs:
        found = Sqs(answer)
        monkeypatch.setattr(client, "client", lambda: found)
        return found

    return make


def test_ten_messages_a_call(sqs: Callable[[Answer], Sqs]) -> None:
    """SQS takes no more."""
    found = sqs(lambda _: {})

    result = SqsPublisher().publish(messages(23), timeout_seconds=60)

    assert [len(call) for call in found.calls] == [10, 10, 3]
    assert result.confirmed == [UUID(int=index) for index in range(23)]


def test_a_call_that_succeeds_may_hold_failures(sqs: Callable[[Answer], Sqs]) -> None:
    """One that SQS blames is refused, one that it could not take waits; the others of the call are confirmed."""
    answers = {1: {"Code": "InvalidMessageContents", "Message": "no"}, 2: {"Code": "InternalError", "Message": "later"}}
    sqs(lambda entry: answers.get(UUID(entry["Id"]).int, {}))

    result = SqsPublisher().publish(messages(4), timeout_seconds=60)

    assert result.refused == {UUID(int=1): "InvalidMessageContents: no"}
    assert result.nacked == [UUID(int=2)]
    assert result.confirmed == [UUID(int=0), UUID(int=3)]


def test_what_was_taken_before_a_call_failed_is_known(sqs: Callable[[Answer], Sqs]) -> None:
    """The rest has an unknown fate, and may be sent again."""

    def answer(entry: dict[str, Any]) -> dict[str, Any]:
        if UUID(entry["Id"]).int >= 10:
            raise EndpointConnectionError(endpoint_url="sqs")
        return {}

    sqs(answer)
    publisher = SqsPublisher()

    with pytest.raises(BrokerAwayError) as caught:
        publisher.publish(messages(15), timeout_seconds=60)

    assert len(caught.value.result.confirmed) == 10
    assert not publisher.connected


def test_a_call_is_no_longer_than_a_message_may_be() -> None:
    """SQS bounds both alike."""
    half = "x" * (contract.SQS_MESSAGE_MAX_BYTES // 2)

    assert [len(batch) for batch in batches([(UUID(int=index), half) for index in range(5)])] == [2, 2, 1]
