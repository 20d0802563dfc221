"""P6: a poison message never blocks a queue and is never lost: archived with its reason, replayed when mended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app.contract import queues
from infra.servers.rabbitmq.vhost import work_queue_policy
from tests.harness.load import assert_exact
from tests.harness.messages import publish
from tests.harness.poison import REASONS, Outcome, assert_archived_and_replayed_once, poison
from tests.harness.stack import Stack
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


@dataclass(frozen=True)
class Looks:
    """How many letters were dead before the lists, and after."""

    before: int
    after: int


@pytest.fixture(scope="module")
def outcome(_cluster: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Outcome, Looks]]:
    """Six kinds of poison at once, among neighbours; then mended and replayed."""
    _limit_deliveries(healed(_cluster), few=True)
    try:
        # Only there: Celery takes ten seconds to find that a child is gone, and a shorter time limit would come first.
        _cluster.ensure("worker-interactive", **LIMITS)
        looks: list[Looks] = []
        yield (
            poison(
                _cluster, tmp_path_factory.mktemp("poison"), publish=publish, singles=15, lists=3,
                when_dead=lambda: looks.append(_look_often(_cluster)),
            ),
            looks[0],
        )  # fmt: skip
    finally:
        _limit_deliveries(_cluster, few=False)
        _cluster.remove("worker-external")


def _look_often(stack: Stack) -> Looks:
    before = _dead(stack)
    stack.script("operator", _LIST_OFTEN)
    return Looks(before, _dead(stack))


def _limit_deliveries(stack: Stack, *, few: bool) -> None:
    for queue in queues():
        policy = work_queue_policy(queue)
        if few:
            policy["definition"]["delivery-limit"] = DELIVERY_LIMIT
        stack.broker.set_policy(queue.name, policy)


def _dead(stack: Stack) -> int:
    return int(stack.query("SELECT count(*) FROM dead_letters WHERE state = 'dead'")[0][0])


@pytest.mark.parametrize(("name", "reason", "exception"), REASONS)
def test_poison_is_archived_with_its_reason_and_replayed_once(
    _cluster: Stack,  # noqa: PT019 - healing it would end what `outcome` has begun
    outcome: tuple[Outcome, Looks],
    name: str,
    reason: str,
    exception: str | None,
) -> None:
    """Each poison is archived with its reason; mended and replayed, it runs exactly once, and the audit says who."""
    assert_archived_and_replayed_once(_cluster, outcome[0], name, reason, exception)


def test_poison_blocks_nothing(outcome: tuple[Outcome, Looks]) -> None:
    """While all six died, their neighbours in the same queues were stored; in the end the accounts are exact."""
    assert outcome[0].stored_while_dying > 0
    assert_exact(outcome[0].accounting)


def test_looking_at_dead_letters_loses_none(outcome: tuple[Outcome, Looks]) -> None:
    """Fifty lists of the dead letters leave all of them where they were."""
    letters, looks = outcome[0].letters, outcome[1]
    assert looks.before == looks.after >= len(letters)
