"""Two deliveries of one death are one dead letter; two deaths are two."""

from __future__ import annotations

from typing import Any

from app.storage.dead_letters import DeadLetter


def letter(body: bytes = b"body", **headers: Any) -> DeadLetter:
    """A dead letter with these headers."""
    return DeadLetter(
        queue="bulk",
        reason="failed",
        exchange="tasks",
        routing_key="bulk",
        properties={"application_headers": headers},
        body=body,
    )


def test_a_redelivery_is_the_same_death() -> None:
    """The archiver died between commit and acknowledgement: the letter comes again, with a counter raised."""
    once = letter(x_death="1", **{"x-delivery-count": 0})
    again = letter(x_death="1", **{"x-delivery-count": 3, "x-acquired-count": 4})

    assert once.fingerprint == again.fingerprint


def test_another_death_of_the_same_message_is_another_letter() -> None:
    """After a replay it may die again, at another time."""
    assert letter(x_death="1").fingerprint != letter(x_death="2").fingerprint
    assert letter(b"a").fingerprint != letter(b"b").fingerprint
