"""Six kinds of poison on SQS: archived with a reason, in the way of nobody, and run once when mended and replayed."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app import contract
from app.brokers.sqs.envelope import written
from loadtests.reconcile import Accounting
from tests.harness.drills import DRILL_USER, Drill, archived, wait_archived
from tests.harness.load import Load, assert_exact
from tests.harness.messages import carried, event, task_body
from tests.harness.sqs_stack import DELIVERIES, SqsStack
from tests.harness.stack import QUICK


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the poison."""

    letters: dict[str, dict[str, Any]]
    event_ids: dict[str, str]
    task_ids: dict[str, str]
    stored_while_dying: int
    accounting: Accounting


@pytest.fixture(scope="module")
def outcome(_sqs: SqsStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Six kinds of poison at once, among neighbours; then mended and replayed."""
    try:
        yield _poison(_sqs.healed(), tmp_path_factory.mktemp("poison"))
    finally:
        _sqs.remove("worker-external")


def _publish(stack: SqsStack, queue: str, *, task: str, body: bytes) -> str:
    """A task message straight to SQS; returns the task's id."""
    task_id = str(uuid4())
    headers = {"task": task, "id": task_id, "root_id": task_id, "lang": "py", "retries": 0}
    properties = {"correlation_id": task_id, "body_encoding": "base64", "delivery_info": {}, "delivery_tag": task_id}
    message = {
        "body": b64encode(body).decode(), "content-type": "application/json", "content-encoding": "utf-8",
        "headers": headers, "properties": properties,
    }  # fmt: skip
    stack.queues.send(queue, written(message))
    return task_id


def _poison(stack: SqsStack, folder: Path) -> Outcome:
    one = QUICK | {"MILLRACE_WORKER_CONCURRENCY": "1"}
    stack.replace("worker-external", environment=one, options={"mem_limit": "320m"})
    with Load(stack, folder / "ledger", singles=10, lists=2) as running:
        stored = running.stored()
        drills = {
            "overruns": Drill(stack, "overrun", queue="interactive"),
            "dies": Drill(stack, "die", queue="bulk"),
            "eats memory": Drill(stack, "eat-memory", queue="external"),
            "raises": Drill(stack, "raise", queue="interactive", by_command=True),
        }
        repaired, renamed = carried(event(DRILL_USER)), carried(event(DRILL_USER))
        task_ids = {name: drill.task_id for name, drill in drills.items()}
        task_ids["not JSON"] = _publish(stack, "interactive", task=contract.TASK_INGEST_EVENT, body=b"{not json")
        task_ids["unknown task"] = _publish(stack, "bulk", task="no_such_task", body=task_body([renamed]))
        stack.queues.send("bulk", "no envelope of Celery's")
        event_ids = {name: drill.event_id for name, drill in drills.items()}
        event_ids |= {"not JSON": repaired["key"], "unknown task": renamed["key"]}
        letters = {name: wait_archived(stack, task_id) for name, task_id in task_ids.items()}
        stored_while_dying = running.stored() - stored
        for event_id in event_ids.values():
            running.expect(event_id, DRILL_USER)
    for drill in drills.values():
        drill.mend()
    body = folder / "body.json"
    body.write_bytes(task_body([repaired]))
    for part in (folder, folder.parent):
        part.chmod(0o755)
    ids = [str(letters[name]["dead_letter_id"]) for name in drills]
    renamed_id, repaired_id = (str(letters[name]["dead_letter_id"]) for name in ("unknown task", "not JSON"))
    replays = (
        ids,
        [renamed_id, "--task", contract.TASK_INGEST_EVENT],
        [repaired_id, "--body-file", "/body/body.json"],
    )  # fmt: skip
    replay = ("dead-letters", "replay", "--note", "mended", "--actor", "the tests")
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda words: stack.operate(*replay, *words, mounts={str(folder): "/body"}), replays))
    accounting = running.accounting()
    return Outcome(
        letters=letters, event_ids=event_ids, task_ids=task_ids, stored_while_dying=stored_while_dying,
        accounting=accounting,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("poison", "reason", "exception", "attempts"),
    [
        ("raises", "failed", "DrillError", None),
        ("eats memory", "delivery_limit", "WorkerLostError", None),
        ("overruns", "time_limit", "TimeLimitExceeded", 1),
        ("not JSON", "undecodable", None, 1),
        ("unknown task", "unknown_task", None, 1),
        ("dies", "delivery_limit", "WorkerLostError", None),
    ],
)
def test_poison_is_archived_with_its_reason_and_replayed_once(
    _sqs: SqsStack,  # noqa: PT019 - healing it would end what `outcome` has begun
    outcome: Outcome,
    poison: str,
    reason: str,
    exception: str | None,
    attempts: int | None,
) -> None:
    """Each poison is archived with its reason; mended and replayed, it runs exactly once, and the audit says who."""
    letter = outcome.letters[poison]
    assert letter["reason"] == reason
    assert exception is None or letter["exception_type"] == exception
    assert attempts is None or letter["attempts"] == attempts, "a final failure is no redelivery"
    now = archived(_sqs, outcome.task_ids[poison])
    assert [one["state"] for one in now] == ["replayed"]
    assert _sqs.query("SELECT count(*) FROM events WHERE event_id = %s", outcome.event_ids[poison]) == [(1,)]
    audit = "SELECT action, actor, split_part(note, ' ', 1) FROM dead_letter_actions WHERE dead_letter_id = %s"
    assert _sqs.query(audit, letter["dead_letter_id"]) == [("replayed", "the tests", "mended")]


def test_a_killer_is_delivered_so_often_and_no_more(_sqs: SqsStack, outcome: Outcome) -> None:  # noqa: PT019
    """SQS counts; each death left a record."""
    lost = "SELECT count(*) FROM task_failures WHERE task_id = %s AND reason = 'worker_lost'"
    assert _sqs.query(lost, outcome.task_ids["dies"]) == [(DELIVERIES,)]


@pytest.mark.usefixtures("outcome")
def test_what_is_no_envelope_is_kept(_sqs: SqsStack) -> None:  # noqa: PT019
    """Its text is the body of the dead letter."""
    found = _sqs.query("SELECT convert_from(body, 'utf8'), reason FROM dead_letters WHERE task_id IS NULL")
    assert [body for body, _ in found] == ["no envelope of Celery's"]


def test_poison_blocks_nothing(outcome: Outcome) -> None:
    """While all six died, their neighbours in the same queues were stored; in the end the accounts are exact."""
    assert outcome.stored_while_dying > 0
    assert_exact(outcome.accounting)
