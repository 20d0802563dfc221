"""Six kinds of poison at once, among neighbours; then mended and replayed. The same on every broker."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import contract
from loadtests.reconcile import Accounting
from tests.harness.drills import DRILL_USER, Drill, archived, wait_archived
from tests.harness.load import Load
from tests.harness.messages import carried, event, task_body
from tests.harness.stack import QUICK, Stack

#: Each poison with the reason and the exception of its dead letter.
REASONS = [
    ("raises", "failed", "DrillError"),
    ("eats memory", "delivery_limit", "WorkerLostError"),
    ("overruns", "time_limit", "TimeLimitExceeded"),
    ("not JSON", "undecodable", None),
    ("unknown task", "unknown_task", None),
    ("dies", "delivery_limit", "WorkerLostError"),
]
#: Those that a worker gives up at once. Where it archives them itself, no redelivery may be counted.
FINAL_AT_ONCE = ("overruns", "not JSON", "unknown task")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the poison."""

    letters: dict[str, dict[str, Any]]
    event_ids: dict[str, str]
    task_ids: dict[str, str]
    stored_while_dying: int
    accounting: Accounting


def poison(
    stack: Stack,
    folder: Path,
    *,
    publish: Callable[..., str],
    singles: float,
    lists: float,
    when_dead: Callable[[], object] = lambda: None,
) -> Outcome:
    """Send all six, see them die, call `when_dead`, mend and replay them.

    `publish` sends a task message straight to the broker (`messages.publish`).
    """
    one = QUICK | {"MILLRACE_WORKER_CONCURRENCY": "1"}
    stack.replace("worker-external", environment=one, options={"mem_limit": "320m"})
    with Load(stack, folder / "ledger", singles=singles, lists=lists) as running:
        # Before the first: on a busy machine it takes the load's whole time to send all six.
        stored = running.stored()
        drills = {
            "overruns": Drill(stack, "overrun", queue="interactive"),
            "dies": Drill(stack, "die", queue="bulk"),
            "eats memory": Drill(stack, "eat-memory", queue="external"),
            "raises": Drill(stack, "raise", queue="interactive", by_command=True),
        }
        repaired, renamed = carried(event(DRILL_USER)), carried(event(DRILL_USER))
        task_ids = {name: drill.task_id for name, drill in drills.items()}
        task_ids["not JSON"] = publish(stack, "interactive", task=contract.TASK_INGEST_EVENT, body=b"{not json")
        task_ids["unknown task"] = publish(stack, "bulk", task="no_such_task", body=task_body([renamed]))
        event_ids = {name: drill.event_id for name, drill in drills.items()}
        event_ids |= {"not JSON": repaired["key"], "unknown task": renamed["key"]}
        letters = {name: wait_archived(stack, task_id) for name, task_id in task_ids.items()}
        stored_while_dying = running.stored() - stored
        for event_id in event_ids.values():
            running.expect(event_id, DRILL_USER)
    when_dead()
    for drill in drills.values():
        drill.mend()
    _replay(stack, folder, {name: str(letter["dead_letter_id"]) for name, letter in letters.items()}, repaired)
    return Outcome(
        letters=letters, event_ids=event_ids, task_ids=task_ids, stored_while_dying=stored_while_dying,
        accounting=running.accounting(),
    )  # fmt: skip


def _replay(stack: Stack, folder: Path, ids: dict[str, str], repaired: dict[str, Any]) -> None:
    body = folder / "body.json"
    body.write_bytes(task_body([repaired]))
    for part in (folder, folder.parent):
        part.chmod(0o755)
    renamed_id, repaired_id = ids.pop("unknown task"), ids.pop("not JSON")
    replays = (
        [*ids.values()],
        [renamed_id, "--task", contract.TASK_INGEST_EVENT],
        [repaired_id, "--body-file", "/body/body.json"],
    )  # fmt: skip
    replay = ("dead-letters", "replay", "--note", "mended", "--actor", "the tests")
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda words: stack.operate(*replay, *words, mounts={str(folder): "/body"}), replays))


def assert_archived_and_replayed_once(
    stack: Stack, outcome: Outcome, name: str, reason: str, exception: str | None
) -> None:
    """It was archived with its reason; mended and replayed, it ran exactly once, and the audit says who."""
    letter = outcome.letters[name]
    assert letter["reason"] == reason
    assert exception is None or letter["exception_type"] == exception
    now = archived(stack, outcome.task_ids[name])
    assert [one["state"] for one in now] == ["replayed"]
    assert stack.query("SELECT count(*) FROM events WHERE event_id = %s", outcome.event_ids[name]) == [(1,)]
    audit = "SELECT action, actor, split_part(note, ' ', 1) FROM dead_letter_actions WHERE dead_letter_id = %s"
    assert stack.query(audit, letter["dead_letter_id"]) == [("replayed", "the tests", "mended")]
