"""Six kinds of poison on SQS: archived with a reason, in the way of nobody, and run once when mended and replayed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.load import assert_exact
from tests.harness.poison import FINAL_AT_ONCE, REASONS, Outcome, assert_archived_and_replayed_once, poison
from tests.harness.sqs_stack import DELIVERIES, SqsStack
from tests.harness.texts import publish_text


@pytest.fixture(scope="module")
def outcome(_sqs: SqsStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Six kinds of poison at once, among neighbours; then mended and replayed."""
    stack = _sqs.healed()
    stack.queues.send("bulk", "no envelope of Celery's")
    try:
        yield poison(stack, tmp_path_factory.mktemp("poison"), publish=publish_text, singles=10, lists=2)
    finally:
        _sqs.remove("worker-external")


@pytest.mark.parametrize(("name", "reason", "exception"), REASONS)
def test_poison_is_archived_with_its_reason_and_replayed_once(
    _sqs: SqsStack,  # noqa: PT019 - healing it would end what `outcome` has begun
    outcome: Outcome,
    name: str,
    reason: str,
    exception: str | None,
) -> None:
    """Each poison is archived with its reason; mended and replayed, it runs exactly once, and the audit says who."""
    assert_archived_and_replayed_once(_sqs, outcome, name, reason, exception)


def test_a_final_failure_is_no_redelivery(outcome: Outcome) -> None:
    """It was executed once."""
    assert {name: outcome.letters[name]["attempts"] for name in FINAL_AT_ONCE} == dict.fromkeys(FINAL_AT_ONCE, 1)


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
