"""A chord ends once, also when a part is delivered twice; deeper things are the proof suite `chords`."""

from __future__ import annotations

import amqp

from app import contract
from app.brokers.senders import USER_ID
from app.contract import Role
from tests.harness import chords
from tests.harness.load import drain
from tests.harness.messages import channel
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

NUMBERS = range(20)


def test_a_part_that_comes_twice_counts_once(single: Stack) -> None:
    """Every part is delivered twice, the last one too: the body is sent once, with each result once, in order."""
    chords.prepare(single)
    single.remove("worker-interactive")
    chords.send(single, "twice", NUMBERS, queue="external")
    with channel(single) as opened:
        opened.confirm_select()
        for _ in NUMBERS:
            message = eventually(lambda: opened.basic_get("external", no_ack=True), what="a part")
            for _ in range(2):
                copy = amqp.Message(message.body, **message.properties | {USER_ID: Role.OPERATOR.value})
                opened.basic_publish_confirm(copy, exchange=contract.TASKS_EXCHANGE, routing_key="interactive")
    chords.worker(single)
    eventually(lambda: chords.ends(single, "twice"), what="the chord ends")
    drain(single)
    assert chords.ends(single, "twice") == [("plain", len(NUMBERS), sum(NUMBERS))]
    assert chords.parts(single, "twice") == list(NUMBERS)
