"""Six kinds of poison on Redis: archived with a reason, in the way of nobody, and run once when mended and replayed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app import contract
from app.contract import Role
from infra.servers.redis_broker import rules
from tests.harness.load import assert_exact
from tests.harness.poison import FINAL_AT_ONCE, REASONS, Outcome, assert_archived_and_replayed_once, poison
from tests.harness.redis_stack import DELIVERIES, RedisStack
from tests.harness.texts import publish_text

_NO_ENVELOPE = b"no envelope \xff of Celery's"


@pytest.fixture(scope="module")
def outcome(_on_redis: RedisStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Six kinds of poison at once, among neighbours; then mended and replayed."""
    stack = _on_redis.healed()
    stack.queues.send("bulk", _NO_ENVELOPE)
    try:
        yield poison(stack, tmp_path_factory.mktemp("poison"), publish=publish_text, singles=10, lists=2)
    finally:
        _on_redis.remove("worker-external")


@pytest.mark.parametrize(("name", "reason", "exception"), REASONS)
def test_poison_is_archived_with_its_reason_and_replayed_once(
    _on_redis: RedisStack,  # noqa: PT019 - healing it would end what `outcome` has begun
    outcome: Outcome,
    name: str,
    reason: str,
    exception: str | None,
) -> None:
    """Each poison is archived with its reason; mended and replayed, it runs exactly once, and the audit says who."""
    assert_archived_and_replayed_once(_on_redis, outcome, name, reason, exception)


def test_a_final_failure_is_no_redelivery(outcome: Outcome) -> None:
    """It was executed once."""
    assert {name: outcome.letters[name]["attempts"] for name in FINAL_AT_ONCE} == dict.fromkeys(FINAL_AT_ONCE, 1)


def test_a_killer_is_delivered_so_often_and_no_more(_on_redis: RedisStack, outcome: Outcome) -> None:  # noqa: PT019
    """`take.lua` counts; each death left a record."""
    lost = "SELECT count(*) FROM task_failures WHERE task_id = %s AND reason = 'worker_lost'"
    assert _on_redis.query(lost, outcome.task_ids["dies"]) == [(DELIVERIES,)]


@pytest.mark.usefixtures("outcome")
def test_what_is_no_envelope_is_kept(_on_redis: RedisStack) -> None:  # noqa: PT019
    """Its bytes are the body of the dead letter."""
    found = _on_redis.query("SELECT body FROM dead_letters WHERE task_id IS NULL")
    assert [bytes(body) for (body,) in found] == [_NO_ENVELOPE]


def test_poison_blocks_nothing(outcome: Outcome) -> None:
    """While all six died, their neighbours in the same queues were stored; in the end the accounts are exact."""
    assert outcome.stored_while_dying > 0
    assert_exact(outcome.accounting)


@pytest.mark.usefixtures("outcome")
def test_a_worker_has_no_right_that_is_not_needed(_on_redis: RedisStack) -> None:  # noqa: PT019
    """Nothing of what it may do has not been done by now: poison was taken, given back and archived."""
    assert _allowed(Role.WORKER) <= _called(_on_redis), "a right that nobody uses"


def _allowed(role: Role) -> set[str]:
    words = (word.removeprefix("+") for word in rules(contract.queue_names())[role].split() if word.startswith("+"))
    return {word for word in words if not word.startswith(("@", "client"))}


def _called(stack: RedisStack) -> set[str]:
    """Commands that were executed since the server began, those of scripts, too."""
    return {str(name).removeprefix("cmdstat_") for name in stack.queues.client.info("commandstats")}
