"""One sender's backlog, and another sender's single item. The tests count who comes first, and measure no time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx

from app import contract
from app.contract import Scope
from app.settings import Settings
from tests.harness import here, jobs, mutants
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually

MOVEMENTS = "/v1/tasks/post_movement"
RELAYS = 2
BACKLOG = 2000
#: Shares that a request of 1,000 items is beyond, however slow the machine is.
SMALL_SHARES = {**QUICK, "MILLRACE_SHARE_ITEMS_PER_SECOND": "1", "MILLRACE_SHARE_RESERVE_ITEMS": "10"}

[_BULK] = [queue for queue in contract.queues() if queue.name == contract.EVENT_LIST_QUEUE]
#: What may be in the broker when another sender's item comes: each relay sends what there was room for when it looked.
BOUND = _BULK.hold_back_above + RELAYS * min(
    _BULK.hold_back_above, Settings.model_fields["relay_batch_messages"].default
)


@contextmanager
def _sender(stack: Stack) -> Iterator[httpx.Client]:
    key = here.api_key(stack, Scope.TASKS_WRITE, Scope.JOBS_READ, requests_per_second=5000)
    with stack.http(headers={contract.HEADER_API_KEY: key}) as client:
        yield client


def _send(client: httpx.Client, count: int, *, as_list: bool = True) -> str:
    """Send movements, each of an account of its own, so that none waits for another one's turn."""
    items = [{"movement_id": str(uuid4()), "account": uuid4().hex, "cents": 1} for _ in range(count)]
    body: Any = items if as_list else items[0]
    answer = client.post(MOVEMENTS, json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def _executed(stack: Stack, *job_ids: str) -> int:
    [(count,)] = stack.query("SELECT count(*) FROM inbox WHERE job_id = ANY (%s::uuid[])", list(job_ids))
    return int(count)


def _sent(stack: Stack, job_id: str) -> bool:
    """Whether the broker has all messages of a job."""
    query = "SELECT 1 FROM outbox_pending JOIN outbox USING (message_id) WHERE job_id = %s LIMIT 1"
    return not stack.query(query, job_id)


def _executed_before(stack: Stack) -> int:
    """Let one sender send a backlog and then another one an item; returns how many of the backlog came before it."""
    with _sender(stack) as big, _sender(stack) as small:
        stack.remove("worker-bulk")
        backlog = [_send(big, 1000) for _ in range(BACKLOG // 1000)]
        eventually(
            lambda: sum(stack.broker.messages().values()) >= _BULK.hold_back_above,
            what="the broker's queue is full enough",
        )

        at_once = _send(big, 1, as_list=False)
        assert jobs.ended(big, at_once)["state"] == "succeeded", "a single item waits behind lists"
        assert _executed(stack, *backlog) == 0

        item = _send(small, 1)
        eventually(lambda: _sent(stack, item), what="the small sender's item is in the broker")
        # One process: of two, one may be held up with the item in its hands while the other goes on with the backlog.
        stack.ensure("worker-bulk", MILLRACE_WORKER_CONCURRENCY="1")
        jobs.ended(small, item)
        [(before,)] = stack.query(
            "SELECT count(*) FROM inbox WHERE job_id = ANY (%s::uuid[])"
            " AND executed_at < (SELECT executed_at FROM inbox WHERE job_id = %s)",
            backlog, item,
        )  # fmt: skip
        eventually(lambda: _executed(stack, *backlog) == BACKLOG, what="the backlog is executed, too")
        eventually(lambda: not stack.broker.messages(), what="nothing is under way")
    return int(before)


def test_a_backlog_delays_another_sender_by_a_bound(single: Stack) -> None:
    """Messages beyond their sender's share wait in PostgreSQL while the broker's queue is long."""
    single.replace("gateway", environment=SMALL_SHARES)
    before = _executed_before(single)
    assert before <= BOUND, f"{before} of the backlog were executed first"


def test_without_shares_it_is_seen(single: Stack) -> None:
    """A planted bug (tests/mutants): the whole backlog goes to the broker, and comes first."""
    mutants.plant(single, "gateway", "no_shares", environment=SMALL_SHARES)
    assert _executed_before(single) > BOUND
