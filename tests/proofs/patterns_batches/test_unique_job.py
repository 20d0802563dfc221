"""Payments over HTTP, and the statements that they refresh: killed workers, second deliveries, wrong input."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

from app.contract import Role
from app.storage.identifiers import created_at
from app.tasks.statements import refresh_statement
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

PAYMENTS = "/v1/tasks/book_payment"


def _payment(customer: str) -> dict[str, Any]:
    return {"payment_id": str(uuid4()), "customer": customer, "cents": 100}


def _statement(stack: Stack, customer: str) -> tuple[int, int, int]:
    rows = stack.query("SELECT payments, cents, refreshes FROM tasks.statements WHERE customer = %s", customer)
    return tuple(rows[0]) if rows else (0, 0, 0)


def _messages(stack: Stack, customer: str) -> list[UUID]:
    """The messages of the customer's refreshes, in the order in which they were sent."""
    sent = stack.query(
        "SELECT message_id, convert_from(body, 'UTF8') FROM outbox WHERE task_name = 'refresh_statement' ORDER BY 1"
    )
    return [message_id for message_id, body in sent if f'"{customer}"' in body]


def _idle(stack: Stack) -> bool:
    return not stack.query("SELECT 1 FROM outbox_pending LIMIT 1") and not stack.broker.messages()


def test_one_refresh_a_window_that_misses_no_payment(single: Stack) -> None:
    """With 90 payments and both workers killed, each payment is in its statement, and no window has two refreshes."""
    customers = [f"c-{uuid4().hex[:20]}" for _ in range(2)]
    with single.http() as client:
        for part in range(15):
            for customer in customers:
                client.post(PAYMENTS, json=[_payment(customer) for _ in range(2)]).raise_for_status()
                client.post(PAYMENTS, json=_payment(customer)).raise_for_status()
            if part == 5:
                eventually(lambda: _statement(single, customers[0])[2] >= 1, what="a statement was made")
                single.machines["worker-bulk"].kill()
                single.machines["worker-bulk"].start_again()
            if part == 10:
                single.machines["worker-interactive"].kill_child()

    def complete(customer: str) -> bool:
        return _statement(single, customer)[0] == 45

    for customer in customers:
        eventually(partial(complete, customer), what="all payments are in it")
    eventually(lambda: _idle(single), what="nothing is under way")

    window_seconds = refresh_statement.window_seconds
    for customer in customers:
        messages = _messages(single, customer)
        assert _statement(single, customer) == (45, 4500, len(messages)), "each message made one refresh"
        opened = [created_at(message).timestamp() for message in messages]
        assert all(later - earlier >= window_seconds for earlier, later in pairwise(opened)), opened
    assert single.query("SELECT 1 FROM unique_jobs") == [], "a job that has run leaves nothing"

    single.query(
        "INSERT INTO outbox_pending (message_id, queue, body_bytes, due_at, available_at) "
        "SELECT message_id, queue, octet_length(body), now(), now() FROM outbox "
        "WHERE task_name IN ('refresh_statement', 'book_payment')",
        role=Role.OWNER,
    )
    before = [_statement(single, customer) for customer in customers]
    eventually(lambda: _idle(single), what="all of it came a second time")
    assert [_statement(single, customer) for customer in customers] == before


def test_wrong_input_is_told(single: Stack) -> None:
    """The model refuses it, in a problem document that names the member."""
    with single.http() as client:
        for wrong, where in (
            ({"customer": "A B"}, "#/customer"),
            ({"cents": "many"}, "#/cents"),
            ({"payment_id": "7"}, "#/payment_id"),
            ({"more": 1}, "#/more"),
        ):
            answer = client.post(PAYMENTS, json=_payment("c") | wrong)
            assert answer.status_code == 422
            assert [error["pointer"] for error in answer.json()["errors"]] == [where]
