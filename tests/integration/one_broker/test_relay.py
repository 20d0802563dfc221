"""The relay between real servers: what is nobody's fault waits, what cannot be sent is set aside."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app import contract
from app.contract import Role
from app.deadletters.replay import Order, replay
from app.deadletters.selection import Selection
from app.storage.identifiers import new_id
from tests.harness.load import drain
from tests.harness.messages import channel, event
from tests.harness.process_metrics import not_taken, relays, samples
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

#: RabbitMQ's own bound (max_message_size).
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024


def _enqueue(stack: Stack, *, body: bytes = b"x", due_in: str = "0 s", queue: str = "bulk", **properties: Any) -> str:
    """Write a message past every check; returns the id of its task."""
    task_id, message_id = str(uuid4()), new_id()
    headers = {"task": "no_such_task", "id": task_id, **properties.pop("application_headers", {})}
    written = {"content_type": "application/json", "content_encoding": "utf-8", "application_headers": headers}
    stack.query(
        "INSERT INTO outbox (message_id, task_id, task_name, queue, properties, body) "
        "VALUES (%s, %s, 'no_such_task', %s, %s, %s)",
        message_id, task_id, queue, json.dumps(written | properties), body, role=Role.OWNER,
    )  # fmt: skip
    stack.query(
        "INSERT INTO outbox_pending (message_id, queue, body_bytes, due_at, available_at) "
        "VALUES (%s, %s, %s, now() + %s::interval, now() + %s::interval)",
        message_id, queue, len(body), due_in, due_in, role=Role.OWNER,
    )  # fmt: skip
    return task_id


def _letters(stack: Stack, task_id: str) -> list[tuple[str, str]]:
    rows = stack.query("SELECT state, reason FROM dead_letters WHERE task_id = %s ORDER BY died_at", task_id)
    return [(str(state), str(reason)) for state, reason in rows]


def _post(stack: Stack, *events: dict[str, Any]) -> None:
    with stack.http() as client:
        for one in events:
            assert client.post("/v1/events", json=one).status_code == 202


def _executed(stack: Stack, *events: dict[str, Any]) -> bool:
    ids = [one["event_id"] for one in events]
    return len(stack.query("SELECT 1 FROM events WHERE event_id = ANY(%s::uuid[])", ids)) == len(ids)


def _starts(stack: Stack) -> list[float]:
    return [samples(stack, name, "process_start_time_seconds")[()] for name in relays(stack)]


@contextmanager
def _no_exchange(stack: Stack) -> Iterator[None]:
    """A broker that lost its definitions, and gets them back one after the other."""
    with channel(stack) as opened:
        opened.exchange_delete(contract.TASKS_EXCHANGE)
    try:
        yield
    finally:
        stack.run("topology")


def test_a_rebuilt_broker_costs_nothing(single: Stack) -> None:
    """A6: no exchange, then an exchange without queues: what waits is nobody's fault, for however long."""
    one = event()
    before = not_taken(single, "interactive", "unroutable")
    with _no_exchange(single):
        _post(single, one)
        eventually(lambda: not_taken(single, "interactive", "unroutable") >= before + 3, what="the exchange is missed")
        with channel(single, Role.TOPOLOGY) as opened:
            opened.exchange_declare(contract.TASKS_EXCHANGE, "topic", durable=True, auto_delete=False)
        missed = not_taken(single, "interactive", "unroutable")
        eventually(lambda: not_taken(single, "interactive", "unroutable") >= missed + 2, what="the queue is missed")
    eventually(lambda: _executed(single, one), what="the event is executed when the topology is back")
    assert not single.query("SELECT 1 FROM dead_letters WHERE queue = 'interactive' AND reason <> 'failed'")


@pytest.mark.parametrize(
    "properties",
    [{"application_headers": {"n": 2**63}}, {"priority": 300}, {"application_headers": {"n" * 300: 1}}],
    ids=["a number of over 64 bits", "a priority of over 8 bits", "a name of over 255 bytes"],
)
def test_what_amqp_cannot_carry_is_set_aside(single: Stack, properties: dict[str, Any]) -> None:
    """A8: such a row ended one relay after the other, in a loop. Its neighbours go on."""
    started, before, one = _starts(single), not_taken(single, "bulk", "refused"), event()

    task_id = _enqueue(single, **properties)
    _post(single, one)

    eventually(lambda: _letters(single, task_id) == [("dead", "refused")], what="it is a dead letter")
    eventually(lambda: _executed(single, one), what="another event is executed")
    assert _starts(single) == started, "a relay ended"
    # Each of two relays that find it, if the first one was held up for longer than its lease.
    assert not_taken(single, "bulk", "refused") > before, "A16: a refusal is counted"


def test_a_message_that_dies_again_after_each_replay_is_never_lost(single: Stack) -> None:
    """A2: the third quarantine of one message found its own fingerprint in the archive, and the message was gone."""
    before = not_taken(single, "bulk", "refused")
    task_id = _enqueue(single, body=b'"' + b"x" * _MAX_MESSAGE_BYTES + b'"')
    for deaths in (1, 2, 3):
        expected = [("replayed", "refused")] * (deaths - 1) + [("dead", "refused")]
        eventually(lambda expected=expected: _letters(single, task_id) == expected, what=f"death {deaths}")  # type: ignore[misc]
        if deaths < 3:
            open_letter = "SELECT dead_letter_id FROM dead_letters WHERE task_id = %s AND state = 'dead'"
            ((letter,),) = single.query(open_letter, task_id)
            # In this process: in a container of 256 MiB the command is slow with so much; test_poison.py has it.
            order = Order(selection=Selection(ids=(letter,)), actor="the tests")
            assert replay(single.engine(Role.OPERATOR), order).done == 1
    assert not_taken(single, "bulk", "refused") >= before + 3


@contextmanager
def _memory_alarm(stack: Stack) -> Iterator[None]:
    """The broker blocks its publishers, as it does when its memory is short."""
    node = stack.machines[stack.nodes[0]]

    def watermark(*words: str) -> None:
        node.execute("rabbitmqctl", "set_vm_memory_high_watermark", *words)

    watermark("absolute", "1MB")
    try:
        eventually(lambda: stack.broker.alarmed, what="the broker blocks", tolerate=(httpx.TransportError,))
        yield
    finally:
        watermark("0.6")


def test_a_broker_that_blocks_publishers_is_waited_for(single: Stack) -> None:
    """BR-26: each eight seconds the relay dropped its connection and sent the same messages again."""
    single.remove("relay-2")
    events = [event() for _ in range(5)]
    leased = "SELECT message_id, available_at FROM outbox_pending WHERE queue = 'interactive' AND available_at > now()"
    lease = "SELECT available_at FROM outbox_pending WHERE message_id = %s"
    began = time.time()
    with _memory_alarm(single):
        _post(single, *events)
        ((taken, until), *_) = eventually(lambda: single.query(leased), what="the relay has one of them")
        # A lease outlasts the time for confirms, so by then a relay that gave up would have dropped its connection.
        eventually(lambda: single.query("SELECT 1 WHERE now() > %s", until), what="the time for confirms is over")
        assert single.query(lease, taken) == [(until,)], "it was sent again"
    eventually(lambda: _executed(single, *events), what="they are executed when the alarm is over")
    drain(single)
    away = [line for line in single.machines["relay-1"].lines() if line["event"] == "broker_away"]
    assert not [line for line in away if line["timestamp"] >= time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began))]
    single.ensure("relay-2")
