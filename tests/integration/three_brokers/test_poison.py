"""P6: a poison message never blocks a queue and is never lost: archived with its reason, replayed when mended."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app import contract
from app.contract import queues
from infra.servers.rabbitmq.vhost import work_queue_policy
from loadtests.reconcile import Accounting
from tests.harness.drills import DRILL_USER, Drill, archived, wait_archived
from tests.harness.load import Load, assert_exact
from tests.harness.messages import carried, event, publish, task_body
from tests.harness.stack import QUICK, Stack
from tests.harness.stacks import healed

#: Twenty deliveries of a killed child take minutes; the number changes nothing of the path. Only in this module.
DELIVERY_LIMIT = 4
#: With less, events of the load overran them on a machine with thirty processes for two cores.
LIMITS = {"MILLRACE_TASK_SOFT_TIME_LIMIT_SECONDS": "8", "MILLRACE_TASK_TIME_LIMIT_SECONDS": "15"}
LISTS = 50
_LIST_OFTEN = f"""
from app.deadletters.command import dead_letters
for _ in range({LISTS}):
    dead_letters(["list", "--json"], standalone_mode=False)
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the poison."""

    letters: dict[str, dict[str, Any]]
    event_ids: dict[str, str]
    task_ids: dict[str, str]
    before_lists: int
    after_lists: int
    stored_while_dying: int
    accounting: Accounting


@pytest.fixture(scope="module")
def outcome(_cluster: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Six kinds of poison at once, among neighbours; then mended and replayed."""
    _limit_deliveries(healed(_cluster), few=True)
    try:
        yield _poison(_cluster, tmp_path_factory.mktemp("poison"))
    finally:
        _limit_deliveries(_cluster, few=False)
        _cluster.remove("worker-external")


def _limit_deliveries(stack: Stack, *, few: bool) -> None:
    for queue in queues():
        policy = work_queue_policy(queue)
        if few:
            policy["definition"]["delivery-limit"] = DELIVERY_LIMIT
        stack.broker.set_policy(queue.name, policy)


def _poison(stack: Stack, folder: Path) -> Outcome:
    # Only there: Celery takes ten seconds to find that a child is gone, and a shorter time limit would come first.
    with ThreadPoolExecutor() as pool:
        limited = pool.submit(stack.ensure, "worker-interactive", **LIMITS)
        one = QUICK | {"MILLRACE_WORKER_CONCURRENCY": "1"}
        stack.replace("worker-external", environment=one, options={"mem_limit": "320m"})
        limited.result()
    with Load(stack, folder / "ledger", singles=15, lists=3) as running:
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
    before = _dead(stack)
    stack.script("operator", _LIST_OFTEN)
    after = _dead(stack)
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
        letters=letters, event_ids=event_ids, task_ids=task_ids, before_lists=before, after_lists=after,
        stored_while_dying=stored_while_dying, accounting=accounting,
    )  # fmt: skip


def _dead(stack: Stack) -> int:
    return int(stack.query("SELECT count(*) FROM dead_letters WHERE state = 'dead'")[0][0])


@pytest.mark.parametrize(
    ("poison", "reason", "exception"),
    [
        ("raises", "failed", "DrillError"),
        ("eats memory", "delivery_limit", "WorkerLostError"),
        ("overruns", "time_limit", "TimeLimitExceeded"),
        ("not JSON", "undecodable", None),
        ("unknown task", "unknown_task", None),
        ("dies", "delivery_limit", "WorkerLostError"),
    ],
)
def test_poison_is_archived_with_its_reason_and_replayed_once(
    _cluster: Stack,  # noqa: PT019 - healing it would end what `outcome` has begun
    outcome: Outcome,
    poison: str,
    reason: str,
    exception: str | None,
) -> None:
    """Each poison is archived with its reason; mended and replayed, it runs exactly once, and the audit says who."""
    letter = outcome.letters[poison]
    assert letter["reason"] == reason
    assert exception is None or letter["exception_type"] == exception
    now = archived(_cluster, outcome.task_ids[poison])
    assert [one["state"] for one in now] == ["replayed"]
    assert _cluster.query("SELECT count(*) FROM events WHERE event_id = %s", outcome.event_ids[poison]) == [(1,)]
    audit = "SELECT action, actor, split_part(note, ' ', 1) FROM dead_letter_actions WHERE dead_letter_id = %s"
    assert _cluster.query(audit, letter["dead_letter_id"]) == [("replayed", "the tests", "mended")]


def test_poison_blocks_nothing(outcome: Outcome) -> None:
    """While all six died, their neighbours in the same queues were stored; in the end the accounts are exact."""
    assert outcome.stored_while_dying > 0
    assert_exact(outcome.accounting)


def test_looking_at_dead_letters_loses_none(outcome: Outcome) -> None:
    """Fifty lists of the dead letters leave all of them where they were."""
    assert outcome.before_lists == outcome.after_lists >= len(outcome.letters)
