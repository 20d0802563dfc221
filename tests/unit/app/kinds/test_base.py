"""What a task does when PostgreSQL stays away, and whose ids it takes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any
from uuid import UUID

import psycopg
import pytest
from celery import group
from celery.exceptions import Ignore, Retry

from app import contract
from app.brokers.celery_app import celery_app
from app.errors import ComeBackLaterError, DependencyAwayError, FarSideBusyError
from app.kinds import base, sending_again
from app.kinds.base import MillraceTask
from app.results.reporting import ReportParked
from app.settings import load
from app.storage.inbox import dedupe_key

HOUR_SECONDS = 3600.0


def _nothing(_self: MillraceTask) -> None:
    pass


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting in place, and 2 hours of patience."""
    quick = load().model_copy(update={"dependency_wait_seconds": 0.0, "dependency_patience_hours": 2.0})
    monkeypatch.setattr(sending_again, "load", lambda: quick)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The headers and options of what is sent instead."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(
        celery_app, "send_task", lambda _name, _args=None, _kwargs=None, **options: messages.append(options)
    )
    return messages


@pytest.fixture
def task() -> Iterator[MillraceTask]:
    """A task that runs, of a message with these headers."""
    made = celery_app.task(base=MillraceTask, bind=True, name="tests.patient", shared=False)(_nothing)
    made.push_request(
        id="order-7", args=[], kwargs={}, retries=1, called_directly=False, is_eager=False, hostname="w@h",
        headers={contract.MESSAGE_JOB_ID: str(UUID(int=1))},
    )  # fmt: skip
    yield made
    made.pop_request()
    celery_app.tasks.pop("tests.patient")


def _away() -> None:
    raise psycopg.OperationalError("connection refused")


def _parked_since(headers: dict[str, Any]) -> Any:
    return headers.get(contract.MESSAGE_PARKED_SINCE)


@pytest.mark.usefixtures("settings")
def test_patience_ends_after_hours(task: MillraceTask, sent: list[dict[str, Any]]) -> None:
    """A11: the first moment travels with the parked message; after hours the attempt failed, the next waits anew."""
    with pytest.raises(Ignore):
        task.patiently(_away)
    since = _parked_since(sent[0]["headers"])
    assert abs(since - time.time()) < HOUR_SECONDS
    assert sent[0]["headers"][contract.MESSAGE_JOB_ID] == str(UUID(int=1))
    assert sent[0]["retries"] == 1

    since -= HOUR_SECONDS
    task.request.update({contract.MESSAGE_PARKED_SINCE: since, "headers": {contract.MESSAGE_PARKED_SINCE: since}})
    with pytest.raises(Ignore):
        task.patiently(_away)
    assert _parked_since(sent[1]["headers"]) == since

    task.request.update({contract.MESSAGE_PARKED_SINCE: since - 2 * HOUR_SECONDS})
    with pytest.raises(DependencyAwayError) as error:
        task.patiently(_away)
    with pytest.raises(Retry):
        task.retry_later(error.value)
    assert _parked_since(sent[2]["headers"]) is None
    assert sent[2]["retries"] == 2


def test_a_task_that_comes_back_spends_no_attempt(task: MillraceTask, sent: list[dict[str, Any]]) -> None:
    """Its copy has the same attempt, comes no sooner than it asked for, and does not count as waiting for an outage."""
    later = ComeBackLaterError("(a limit)", delay_seconds=3.0)
    parked = task.come_back(later)
    assert isinstance(parked, Ignore)
    assert (sent[0]["countdown"], sent[0]["retries"]) == (4, 1)
    assert _parked_since(sent[0]["headers"]) is None

    task.request.update({"headers": {contract.MESSAGE_PARKED_SINCE: 1.0}})
    task.come_back(later)
    assert _parked_since(sent[1]["headers"]) is None, "the outage before is over"


def test_retry_after_is_the_least(task: MillraceTask, sent: list[dict[str, Any]]) -> None:
    """The next attempt comes no sooner than the far side said."""
    with pytest.raises(Retry):
        task.retry_later(FarSideBusyError("(far)", after_seconds=120.5))
    assert sent[0]["countdown"] > 121


def test_a_task_id_need_not_be_a_uuid(task: MillraceTask) -> None:
    """BR-40: such a task is recorded under an id that its text always gives."""
    assert isinstance(task.task_id, UUID)
    assert task.task_id == task.task_id


def test_the_parent_leaves_records_to_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """A10: where no task runs, the hook writes nothing: what it knows there is wrong, and SQL would stop the loop."""
    recorded: list[Any] = []
    monkeypatch.setattr(base, "record_quietly", recorded.extend)
    made = celery_app.task(base=MillraceTask, bind=True, name="tests.parent", shared=False)(_nothing)

    made.on_failure(ValueError("no"), "order-7", [], {}, None)
    assert not recorded

    made.push_request(id="order-7", task="tests.parent", retries=2, hostname="w@h", millrace_job_id=str(UUID(int=1)))
    try:
        made.on_failure(ValueError("no"), "order-7", [], {}, None)
    finally:
        made.pop_request()
        celery_app.tasks.pop("tests.parent")
    assert [(f.attempt, f.worker, f.job_id, f.task_name) for f in recorded] == [(3, "w@h", UUID(int=1), "tests.parent")]


def test_the_end_of_a_process_is_no_failure_of_the_task() -> None:
    """A hard time limit ends the child; that its dead connection could not roll back is not why the task failed."""

    def ended() -> None:
        try:
            raise SystemExit(15)
        finally:
            raise psycopg.InterfaceError("the connection is closed")

    made = celery_app.task(base=MillraceTask, name="tests.ended", shared=False)(ended)
    made.push_request(id="order-7", args=[], kwargs={}, retries=0, called_directly=False, is_eager=False)
    try:
        with pytest.raises(SystemExit):
            made()
    finally:
        made.pop_request()
        celery_app.tasks.pop("tests.ended")


@pytest.mark.parametrize("options", [{"dont_autoretry_for": [KeyError]}, {}])
def test_what_says_itself_that_it_is_final_is(options: dict[str, Any]) -> None:
    """`dont_autoretry_for`, and a `retry` of the task's own whose attempts are spent: nobody tries again."""

    def fails(self: MillraceTask) -> None:
        if options:
            raise KeyError("final")
        raise self.retry(exc=KeyError("final"), max_retries=2)

    declare: Callable[[Callable[[MillraceTask], None]], MillraceTask] = celery_app.task(
        base=MillraceTask, bind=True, name="tests.final", shared=False, **options
    )
    made = declare(fails)
    made.push_request(id="order-7", args=[], kwargs={}, retries=2, called_directly=False, is_eager=False)
    try:
        with pytest.raises(KeyError, match="final"):
            made()
    finally:
        made.pop_request()
        celery_app.tasks.pop("tests.final")


def test_the_next_attempt_comes_to_the_queue_of_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list's batch that is tried again must not make single items wait."""
    monkeypatch.setattr(sending_again, "load", lambda: load().model_copy(update={"worker_queue": "bulk"}))
    made = celery_app.task(base=MillraceTask, name="tests.where", bind=True, shared=False)(_nothing)
    came = {"exchange": contract.TASKS_EXCHANGE, "routing_key": "0.0.1.bulk"}
    made.push_request(id="order-7", args=[], kwargs={}, retries=0, called_directly=False, delivery_info=came)
    try:
        assert made.signature_from_request().options["queue"] == "bulk"
    finally:
        made.pop_request()
        celery_app.tasks.pop("tests.where")


@pytest.mark.usefixtures("settings")
def test_what_ran_does_not_expire_while_it_is_parked(task: MillraceTask, sent: list[dict[str, Any]]) -> None:
    """Its copy comes back only to report that: expired, its job would say that it never ran."""
    task.request.update(expires="2099-01-01T00:00:00+00:00")

    with pytest.raises(Ignore):
        task.patiently(_away)
    with pytest.raises(ReportParked):
        task.report(_away)

    before, after = sent
    assert before["expires"] == "2099-01-01T00:00:00+00:00"
    assert contract.MESSAGE_RAN not in before["headers"]
    assert after["expires"] is None
    assert after["headers"][contract.MESSAGE_RAN] is True


def test_what_ran_is_not_dropped(task: MillraceTask) -> None:
    """`celery control revoke` may name a copy that came back to report its run."""
    task.request.update({contract.MESSAGE_RAN: True, contract.MESSAGE_DROP_AS: "revoked"})

    assert task._execute_or_drop((), {}) is None


def test_two_jobs_of_a_bundle_may_have_the_same_key(task: MillraceTask) -> None:
    """If the bundle expires both end; one of them waited for ever for an item that only the other had recorded."""
    jobs = [UUID(int=number) for number in (1, 2)]
    parts = [{"headers": {contract.MESSAGE_JOB_ID: str(job)}, "items": [{"key": "k", "item": "1"}]} for job in jobs]
    task.request.update({"id": str(UUID(int=7)), contract.MESSAGE_BUNDLE: 2})

    found = task._items_of_jobs((parts,), {})

    assert found == {(job, dedupe_key(task.name, "", "k")) for job in jobs}


def test_the_two_clocks_of_an_attempt_are_each_their_own(task: MillraceTask, sent: list[dict[str, Any]]) -> None:
    """An outage does not use up the patience with another release; the next attempt has both anew."""
    clocks: dict[str, Any] = {contract.MESSAGE_PARKED_SINCE: 1.0, contract.MESSAGE_RELEASE_SINCE: 2.0}
    for own, other in permutations(clocks):
        task.request.update(dict.fromkeys(clocks) | {other: clocks[other], "headers": {other: clocks[other]}})
        task.park(1, reason="", since=own)
        headers = sent.pop()["headers"]
        assert headers[other] == clocks[other]
        assert abs(headers[own] - time.time()) < HOUR_SECONDS, "it begins now"

    marks = clocks | {contract.MESSAGE_RAN: True}
    task.request.update(marks | {"headers": {contract.MESSAGE_JOB_ID: str(UUID(int=1)), **marks}})
    ways: tuple[Callable[[], Any], ...] = (lambda: task.retry_later(ValueError()), task.retry)
    for retry in ways:
        with pytest.raises(Retry):
            retry()
        headers = sent.pop()["headers"]
        assert headers.keys() & {contract.MESSAGE_JOB_ID, *marks} == {contract.MESSAGE_JOB_ID}


def test_links_have_the_same_ids_in_a_second_run(task: MillraceTask) -> None:
    """A task `once` tells its messages apart by their ids; one id for the tasks of a group would lose all but one."""

    def ids() -> list[str | None]:
        links = [task.s(), group(task.s(), task.s()), task.s(), task.s().set(task_id="mine")]
        task.request.update(callbacks=[json.loads(json.dumps(dict(link))) for link in links])
        task()
        return [link["options"].get("task_id") for link in task.request.callbacks or ()]

    assert ids() == ids() == ["order-7 link 0", None, "order-7 link 2", "mine"]
