"""What the relay does with a batch, by the broker's words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from app.brokers.bundles import Parcel, parcel_of
from app.brokers.interface import PublishResult
from app.deadletters.archive_queries import StoredLetter
from app.deadletters.rebuild import rebuild
from app.relay import settlement
from app.relay.settlement import settle
from app.storage.outbox import ClaimedMessage

A, B = UUID(int=1), UUID(int=2)


def claimed(identifier: UUID) -> ClaimedMessage:
    """A message in a relay's hands."""
    return ClaimedMessage(
        message_id=identifier, task_id=uuid4(), job_id=None, task_name="t", queue="bulk", properties={}, body=b"{"
    )


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (PublishResult(confirmed=[A]), "confirmed"),
        (PublishResult(), "released"),
        (PublishResult(nacked=[A]), "released"),
        (PublishResult(unroutable=[A]), "released"),
        (PublishResult(refused={A: "too large"}), "quarantined"),
    ],
    ids=["confirmed", "silence", "a full queue", "no queue", "never to be sent"],
)
def test_each_answer_of_the_broker_has_its_consequence(result: PublishResult, expected: str) -> None:
    """A message is forgotten only when it was confirmed, and given up only when it is to blame itself.

    A missing queue is never the message's fault: a rebuilt broker put the whole backlog aside after a minute (A6).
    """
    settled = settle([parcel_of(claimed(A))], result)

    assert {
        "confirmed": len(settled.confirmed), "released": len(settled.released), "quarantined": len(settled.quarantined)
    } == {"confirmed": 0, "released": 0, "quarantined": 0} | {expected: 1}  # fmt: skip
    assert settled.whole == (expected == "confirmed")


def test_neighbours_in_a_batch_are_settled_apart() -> None:
    """One message that was not taken does not hold back the one that was confirmed."""
    first, second = claimed(A), claimed(B)

    settled = settle([parcel_of(first), parcel_of(second)], PublishResult(confirmed=[B], unroutable=[A]))

    assert (settled.confirmed, settled.released) == ([second], [first])


def test_a_bundle_ends_as_its_messages() -> None:
    """A bundle that the broker refuses is sent again message by message, because one message may be the cause."""
    rows = claimed(A), claimed(B)
    bundle = Parcel(claimed(UUID(int=3)), rows)

    for result, ended in [
        (PublishResult(confirmed=[UUID(int=3)]), "confirmed"),
        (PublishResult(refused={UUID(int=3): "too large"}), "released"),
        (PublishResult(), "released"),
    ]:
        settled = settle([bundle], result)
        assert getattr(settled, ended) == list(rows)
        assert not settled.quarantined


def test_each_quarantine_of_a_replayed_message_is_a_death_of_its_own() -> None:
    """A2: the letter of a third quarantine had the second's fingerprint; it was dropped, and with it the message."""
    task_id = uuid4()
    deaths = [
        settlement._letter(
            ClaimedMessage(
                message_id=uuid4(), task_id=task_id, job_id=None, task_name="t", queue="bulk", properties={}, body=b"{"
            ),
            "too large",
        )
        for _ in range(3)
    ]

    assert len({letter.fingerprint for letter in deaths}) == 3
    again = settlement._letter(claimed(A), "too large"), settlement._letter(claimed(A), "too large")
    assert again[0].fingerprint == again[1].fingerprint, "one death, written twice, is one letter"


def test_a_quarantined_message_with_a_chain_can_be_replayed() -> None:
    """Its letter names no stranger as its sender, whose chain a replay would refuse: we wrote it to the outbox."""
    body = b'[[1], {}, {"chain": [{"task": "canary"}]}]'
    properties = {"content_type": "application/json", "content_encoding": "utf-8"}
    headers = {"application_headers": {"task": "t", "id": str(A)}}

    letter = settlement._letter(replace(claimed(A), body=body, properties=properties | headers), "too large")
    stored = StoredLetter(
        dead_letter_id=B, state="dead", queue=letter.queue, reason=letter.reason, task_id=letter.task_id,
        task_name=letter.task_name, job_id=letter.job_id, keys=tuple(letter.keys), exception_type=letter.exception_type,
        exception_message=letter.exception_message, attempts=1, exchange=letter.exchange,
        routing_key=letter.routing_key, properties=letter.properties, body=letter.body, died_at=datetime.now(UTC),
        archived_at=datetime.now(UTC),
    )  # fmt: skip

    assert rebuild(stored).body == body
