"""Messages of one release at the workers of another: they wait for a worker that takes them, and die if none comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.contract import Role
from tests.harness.load import drain
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually

OLD = {**QUICK, "MILLRACE_TASK_PACKAGES": "acme_old"}
NEW = {**QUICK, "MILLRACE_TASK_PACKAGES": "acme_new"}
SOON_OVER = {"MILLRACE_RELEASE_PATIENCE_SECONDS": "1"}
#: What each release sends, by task.
SENT_BY_OLD = {"shipped": {"parcel_id": "a"}, "retired": {"parcel_id": "b"}}
SENT_BY_NEW = {"shipped": {"parcel_id": "c", "country": "NL"}, "added": {"parcel_id": "d", "country": "NL"}}


@pytest.fixture
def stack(acme: Stack) -> Iterator[Stack]:
    """The stack, without what an earlier test left."""
    acme.heal()
    acme.run("migrate", environment=OLD)
    acme.query("DELETE FROM tasks.parcels", role=Role.OWNER)
    acme.query("DELETE FROM inbox", role=Role.OWNER)
    acme.query("DELETE FROM dead_letters", role=Role.OWNER)
    yield acme
    acme.heal()


def _send(stack: Stack, sent: dict[str, dict[str, Any]]) -> None:
    with stack.http() as client:
        for task, item in sent.items():
            # A list, so that a refused item among good ones is seen as well.
            items = [item, {**item, "parcel_id": item["parcel_id"] * 2}] if task == "shipped" else item
            assert client.post(f"/v1/tasks/{task}", json=items).status_code == 202


def _done(stack: Stack) -> list[tuple[str, str]]:
    return sorted(stack.query("SELECT parcel_id, done_by FROM tasks.parcels"))


@pytest.mark.parametrize(
    ("sender", "sent", "first", "then", "done"),
    [
        (NEW, SENT_BY_NEW, OLD, NEW, [("c", "new"), ("cc", "new"), ("d", "new")]),
        (OLD, SENT_BY_OLD, NEW, OLD, [("a", "old"), ("aa", "old"), ("b", "old")]),
    ],
    ids=["sent by the next release", "sent by the release before"],
)
def test_messages_wait_for_a_worker_that_takes_them(
    stack: Stack,
    sender: dict[str, str],
    sent: dict[str, dict[str, Any]],
    first: dict[str, str],
    then: dict[str, str],
    done: list[tuple[str, str]],
) -> None:
    """The wrong worker parks them; the right one executes each item once, and nothing dies."""
    stack.start_all({"gateway": sender, "worker-bulk": first})
    _send(stack, sent)
    worker = stack.machines["worker-bulk"]
    eventually(lambda: worker.logs(2000).count("task_parked") >= len(done), what="each was parked")
    assert _done(stack) == []
    stack.replace("worker-bulk", environment=then)
    eventually(lambda: _done(stack) == done, what="each item is executed once")
    drain(stack)
    assert _done(stack) == done
    assert stack.query("SELECT reason FROM dead_letters") == []


@pytest.mark.parametrize(
    ("sender", "sent", "worker", "dead"),
    [
        (NEW, SENT_BY_NEW, OLD, [("added", "unknown_task"), ("shipped", "failed"), ("shipped", "failed")]),
        (OLD, SENT_BY_OLD, NEW, [("retired", "unknown_task"), ("shipped", "failed"), ("shipped", "failed")]),
    ],
    ids=["a new task, a new member", "a removed task, a member that is missing"],
)
def test_patience_ends_and_a_replay_finds_the_right_worker(
    stack: Stack,
    sender: dict[str, str],
    sent: dict[str, dict[str, Any]],
    worker: dict[str, str],
    dead: list[tuple[str, str]],
) -> None:
    """Each dies alone and says why; replayed when a worker takes it, it is executed once."""
    stack.start_all({"gateway": sender, "worker-bulk": worker | SOON_OVER})
    _send(stack, sent)
    found = "SELECT task_name, reason FROM dead_letters WHERE state = 'dead' ORDER BY 1, 2"
    eventually(lambda: stack.query(found) == dead, what="each is dead with its reason")
    [(words,), *_] = stack.query("SELECT exception_message FROM dead_letters WHERE reason = 'failed'")
    assert "country" in words
    stack.replace("worker-bulk", environment=sender)
    stack.operate("dead-letters", "replay", "--all", "--note", "the right release runs")
    eventually(lambda: len(_done(stack)) == len(dead), what="each is executed once")
    drain(stack)
    assert len(_done(stack)) == len(dead)
