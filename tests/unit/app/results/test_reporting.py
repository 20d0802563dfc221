"""An outcome that cannot be reported waits, in a child of the pool and in its parent."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery._state import _task_stack  # type: ignore[attr-defined]  # not in the stubs
from celery.app.task import Context
from celery.exceptions import Reject, SoftTimeLimitExceeded
from kombu.exceptions import EncodeError, OperationalError
from redis import exceptions as redis

from app.brokers.celery_app import celery_app
from app.errors import ChordWaitsError
from app.kinds import base, sending_again
from app.kinds.base import MillraceTask
from app.results import reporting
from app.results.reporting import PatientReports, ReportParked
from app.settings import load

MEMBER: dict[str, Any] = {"id": "member-7", "group": "chord-1", "group_index": 0, "chord": {"task": "body"}}


class Backend(PatientReports):
    """What a backend is asked, in order; it answers with an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self._error = error

    def on_chord_part_return(self, _request: Any, state: str, _result: Any) -> None:
        """A part."""
        self.asked.append(f"part {state}")
        if self._error is not None:
            raise self._error

    def store_result(self, _task_id: str, _result: Any, state: str, **_: Any) -> None:
        """A result."""
        self.asked.append(f"result {state}")


def _nothing() -> None:
    pass


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The failures that were recorded; nothing waits in place."""
    failures: list[Any] = []
    monkeypatch.setattr(base, "record_quietly", failures.extend)
    monkeypatch.setattr(sending_again, "load", lambda: load().model_copy(update={"dependency_wait_seconds": 0.0}))
    return failures


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options of what is sent instead."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(
        celery_app, "send_task", lambda _name, _args=None, _kwargs=None, **options: messages.append(options)
    )
    return messages


@pytest.fixture
def request_of_run() -> Iterator[Context]:
    """The request of a member that runs in this process."""
    made = celery_app.task(base=MillraceTask, name="tests.member", shared=False)(_nothing)
    made.push_request(
        **MEMBER, args=[], kwargs={}, retries=1, called_directly=False, is_eager=False, hostname="w@h", headers={}
    )
    _task_stack.push(made)
    yield made.request
    _task_stack.pop()
    made.pop_request()
    celery_app.tasks.pop("tests.member")


def _done(backend: Backend, request: Any) -> Callable[[], None]:
    return lambda: backend.mark_as_done("member-7", 1, request, store_result=True)


def test_the_part_comes_before_the_result(request_of_run: Context) -> None:
    """The parent acknowledges a lost child's message if its success is stored, so the part is counted first."""
    backend = Backend()
    _done(backend, request_of_run)()
    assert backend.asked == ["part SUCCESS", "result SUCCESS"]


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("error", [redis.ConnectionError(), redis.TimeoutError(), ChordWaitsError()])
def test_what_passes_is_parked(sent: list[dict[str, Any]], request_of_run: Context, error: Exception) -> None:
    """A copy comes back at the same attempt, still a member of its chord, and this message is acknowledged."""
    with pytest.raises(ReportParked) as parked:
        _done(Backend(error), request_of_run)()
    [copy] = sent
    assert (copy["retries"], copy["group_id"], copy["chord"]) == (1, "chord-1", {"task": "body"})
    assert isinstance(pickle.loads(pickle.dumps(parked.value)), ReportParked), "the parent gets it from the child"  # noqa: S301


@pytest.mark.parametrize("error", [OperationalError(), SoftTimeLimitExceeded()])
def test_what_leaves_no_time_goes_back(recorded: list[Any], request_of_run: Context, error: Exception) -> None:
    """The message goes back to its queue, and no failure is recorded."""
    with pytest.raises(Reject) as rejected:
        _done(Backend(error), request_of_run)()
    assert rejected.value.requeue  # type: ignore[attr-defined]  # likewise
    assert recorded == []


def test_what_is_refused_dies_with_its_reason(recorded: list[Any], request_of_run: Context) -> None:
    """A success that cannot be reported is never one that was; its dead letter says why."""
    with pytest.raises(Reject) as rejected:
        _done(Backend(redis.NoPermissionError("no right to this key")), request_of_run)()
    assert not rejected.value.requeue  # type: ignore[attr-defined]  # likewise
    assert [failure.exception_message for failure in recorded] == ["no right to this key"]


def test_what_is_no_json_is_the_tasks_own_failure(request_of_run: Context) -> None:
    """Celery knows what to do with it."""
    with pytest.raises(EncodeError):
        _done(Backend(EncodeError()), request_of_run)()


def test_an_errback_that_could_not_be_sent_is_sent_later() -> None:
    """An errback that cannot be sent is tried again; Celery would treat it as the body's failure."""
    with pytest.raises(ChordWaitsError):
        Backend().fail_from_current_stack("body", exc=OperationalError("no broker"))


def test_an_errback_that_was_interrupted_is_no_failure_of_the_body() -> None:
    """The time of the member that calls it is over; the member comes again and calls it then."""
    with pytest.raises(SoftTimeLimitExceeded):
        Backend().fail_from_current_stack("body", exc=SoftTimeLimitExceeded())


class Away:
    """A backend that cannot store anything."""

    def mark_as_retry(self, *_: Any, **__: Any) -> None:
        """Celery's, which stores RETRY."""
        raise redis.ConnectionError


class RetriesNotStored(PatientReports, Away):
    """Ours around it."""


@pytest.mark.usefixtures("recorded")
def test_a_retry_that_cannot_be_reported_is_not_sent_twice(sent: list[dict[str, Any]], request_of_run: Context) -> None:
    """The next attempt has left already, so a copy of this one would double the task at each retry."""
    RetriesNotStored().mark_as_retry("member-7", ValueError(), request=request_of_run)
    assert sent == []


def test_the_parent_reports_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent hands reports to its thread: its loop must not wait, and an exception would end the worker."""
    given: list[Callable[[], None]] = []
    monkeypatch.setattr(reporting, "in_parent", given.append)
    backend = Backend()
    _done(backend, Context(MEMBER))()
    assert backend.asked == []
    given[0]()
    assert backend.asked == ["part SUCCESS", "result SUCCESS"]
