"""Inside its transaction a task needs no second connection, and takes its locks at the end, in one order."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from app import contract
from app.brokers.transactional import at_the_end, in_transaction
from app.errors import JobRevokedError
from app.kinds import Transaction, at_least_once, claims, pausing
from app.patterns import stop_points, unique_jobs
from app.patterns.unique_jobs import UniqueJob
from app.storage import engine, inbox, object_uses, objects, pauses

OWN: Any = object()


def asks() -> None:
    """A task."""


@pytest.fixture(autouse=True)
def no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """All other connections of this process are in use."""

    def none_free() -> None:
        raise AssertionError("asked for a second connection")

    monkeypatch.setattr(engine, "engine", none_free)


def test_a_stop_point_asks_on_the_own_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many tasks as connections each waited for the other's, until the pool's time-out."""
    asked: list[Any] = []

    def in_force(connection: Any) -> frozenset[tuple[str, str]]:
        asked.append(connection)
        return frozenset()

    def revoked(connection: Any, job_ids: list[UUID]) -> set[UUID]:
        asked.append(connection)
        return set(job_ids)

    monkeypatch.setattr(pausing, "_view", pausing._View())
    monkeypatch.setattr(pauses, "in_force", in_force)
    monkeypatch.setattr(inbox, "revoked_jobs", revoked)
    task: Any = at_least_once()(asks)
    task.push_request(id="7", **{contract.MESSAGE_JOB_ID: str(UUID(int=1))})
    monkeypatch.setattr(stop_points, "running_task", lambda: task)
    try:
        with pytest.raises(JobRevokedError), in_transaction(OWN):
            stop_points.stop_if_asked()
    finally:
        task.pop_request()

    assert asked == [OWN, OWN]


def test_contents_are_stored_at_the_end_in_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two transactions that send the same contents in different orders deadlocked on their rows."""
    done: list[tuple[str, Any]] = []
    monkeypatch.setattr(objects, "configured", lambda: True)
    monkeypatch.setattr(objects, "put", lambda key, _: done.append((key, "stored")))
    monkeypatch.setattr(object_uses, "mark", lambda connection, key: done.append((key, connection)))
    with in_transaction(OWN):
        sent = [claims.checked_in(letter * 200_000)["$object"] for letter in "abcd"]
        assert not done

    assert sent != sorted(sent)
    assert done == [(key, what) for key in sorted(sent) for what in (OWN, "stored")]


def test_requests_of_unique_jobs_are_made_at_the_end_in_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two transactions that ask for the same keys in different orders deadlocked."""
    asked: list[str] = []
    monkeypatch.setattr(unique_jobs.storage, "request", lambda _connection, _task, key, **_: asked.append(key))
    task: Any = type("Task", (), {"name": "refresh"})()
    job = UniqueJob(task=task, window_seconds=0.0, lost_after_seconds=3600.0)
    with in_transaction(OWN):
        for key in ("c", "a", "b"):
            job.request(Transaction(OWN, task_id=UUID(int=1)), key)
        assert not asked

    assert asked == ["a", "b", "c"]


def test_nothing_waits_for_the_end_of_what_rolls_back() -> None:
    """The transaction ends with the exception."""
    done: list[str] = []

    def fails() -> None:
        assert at_the_end(("one",), lambda _: done.append("one"))
        raise KeyError

    with pytest.raises(KeyError), in_transaction(OWN):
        fails()

    assert not done
    assert not at_the_end(("none is open",), lambda _: done.append("two"))
