"""What a claim of a relay costs and takes, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection

from app import contract
from app.contract import Role
from app.storage import outbox
from app.storage.identifiers import new_id
from tests.harness.messages import event
from tests.harness.stack import Stack
from tests.harness.stacks import healed
from tests.harness.waiting import eventually

KIB = 1024
CLAIM: dict[str, Any] = {
    "queue": "bulk", "most": 200, "most_bytes": 100 * KIB, "lease_seconds": 60.0, "beyond_share": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def without_relays(_single: Stack) -> Stack:
    """A stack without relays, so that none takes the tests' messages. The next test's healing starts them again."""
    healed(_single).remove("relay-1", "relay-2")
    return _single


@pytest.fixture
def relay(without_relays: Stack) -> Iterator[Connection]:
    """A session with a relay's rights."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: without_relays.database(Role.RELAY))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
        without_relays.query("DELETE FROM outbox_pending", role=Role.OWNER)


def _fill(stack: Stack, *sizes_kib: int) -> None:
    for size_kib in sizes_kib:
        message_id, body = new_id(), b"x" * size_kib * KIB
        stack.query(
            "INSERT INTO outbox (message_id, task_id, task_name, queue, properties, body) "
            "VALUES (%s, %s, 't', 'bulk', '{}', %s)",
            message_id, message_id, body, role=Role.OWNER,
        )  # fmt: skip
        stack.query(
            "INSERT INTO outbox_pending (message_id, queue, body_bytes, due_at, available_at) "
            "VALUES (%s, 'bulk', %s, now(), now())",
            message_id, len(body), role=Role.OWNER,
        )  # fmt: skip


def test_a_claim_is_bounded_in_bytes(without_relays: Stack, relay: Connection) -> None:
    """A13: 200 rows of 384 KiB ended a relay of 192 MiB. What did not fit is there for the next claim."""
    _fill(without_relays, 40, 40, 40, 40, 300, 1)

    claims = [[len(message.body) // KIB for message in outbox.claim(relay, **CLAIM)] for _ in range(4)]

    assert claims == [[40, 40, 40], [40, 300], [1], []]


def test_work_that_is_not_due_costs_the_others_nothing(without_relays: Stack, relay: Connection) -> None:
    """A9: 60,000 scheduled tasks made the gateway refuse everybody, and each claim walk past all of them."""
    without_relays.query(
        "INSERT INTO outbox_pending (message_id, queue, body_bytes, due_at, available_at) "
        "SELECT gen_random_uuid(), 'bulk', 1, now() + interval '1 day', now() + interval '1 day' "
        "FROM generate_series(1, 60001)",
        role=Role.OWNER,
    )
    without_relays.query("ANALYZE outbox_pending", role=Role.OWNER)
    _fill(without_relays, 1, 1)

    assert _rows_read(relay) == 2
    assert len(outbox.claim(relay, **CLAIM)) == 2
    with without_relays.http() as client:
        eventually(lambda: _shown(client.get("/metrics").text) == 2, what="the gateway sees the two that are due")
        assert client.post("/v1/events", json=[event()]).status_code == 202


def _shown(text: str) -> float:
    lines = [line for line in text.splitlines() if line.startswith(contract.METRIC_OUTBOX_PENDING)]
    return sum(float(line.split()[-1]) for line in lines if 'queue="bulk"' in line)


def _rows_read(relay: Connection) -> int:
    """Rows of outbox_pending that a claim reads, those that it throws away included."""
    plan = relay.execute(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {outbox._LEASE.text}"), CLAIM).scalar_one()
    relay.exec_driver_sql(
        "UPDATE outbox_pending SET available_at = now() WHERE available_at < now() + interval '1 hour'"
    )
    nodes, read = [plan[0]["Plan"]], 0
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        looked_for = f"{node.get('Index Cond')} {node.get('Filter')}"
        if node.get("Relation Name") == "outbox_pending" and "available_at <= now()" in looked_for:
            read += node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return int(read)
