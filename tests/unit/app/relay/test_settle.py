"""What the relay does with a batch, by the broker's words."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from app.relay.main import Settlement, settle
from app.relay.publisher import PublishResult
from app.storage.outbox import ClaimedMessage

A, B = UUID(int=1), UUID(int=2)


def claimed(identifier: UUID, *, attempts: int = 1) -> ClaimedMessage:
    """A message in a relay's hands."""
    return ClaimedMessage(
        message_id=identifier,
        attempts=attempts,
        due_at=datetime.now(UTC),
        task_id=uuid4(),
        job_id=None,
        task_name="t",
        queue="bulk",
        exchange="tasks",
        routing_key="bulk",
        properties={},
        body=b"",
    )


@pytest.mark.parametrize(
    ("attempts", "result", "expected"),
    [
        (1, PublishResult(confirmed=[A]), Settlement(confirmed=[A], release={}, quarantine={})),
        (1, PublishResult(), Settlement(confirmed=[], release={A: 0.0}, quarantine={})),
        (1, PublishResult(nacked=[A]), Settlement(confirmed=[], release={A: 0.5}, quarantine={})),
        (99, PublishResult(nacked=[A]), Settlement(confirmed=[], release={A: 0.5}, quarantine={})),
        (1, PublishResult(unroutable=[A]), Settlement(confirmed=[], release={A: 2.0}, quarantine={})),
        (5, PublishResult(unroutable=[A]), Settlement(confirmed=[], release={A: 32.0}, quarantine={})),
        (6, PublishResult(unroutable=[A]), Settlement(confirmed=[], release={}, quarantine={A: "unroutable"})),
        (6, PublishResult(refused={A: "too large"}), Settlement(confirmed=[], release={}, quarantine={A: "too large"})),
    ],
    ids=[
        "confirmed is done",
        "silence means again at once",
        "a full queue means again soon",
        "a full queue is never the message's fault",
        "unroutable backs off",
        "unroutable backs off longer each time",
        "unroutable for good is quarantined",
        "refused for good is quarantined",
    ],
)
def test_each_answer_of_the_broker_has_its_consequence(
    attempts: int, result: PublishResult, expected: Settlement
) -> None:
    """A message is forgotten only when it was confirmed, and given up only when it is to blame."""
    assert expected == settle([claimed(A, attempts=attempts)], result)


def test_neighbours_in_a_batch_are_settled_apart() -> None:
    """One refused message does not hold back the one that was confirmed."""
    settlement = settle([claimed(A), claimed(B)], PublishResult(confirmed=[B], unroutable=[A]))

    assert settlement.confirmed == [B]
    assert settlement.release == {A: 2.0}
