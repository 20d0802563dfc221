"""Two jobs of the same key share a task in steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from celery.exceptions import Ignore
from pydantic import BaseModel

from app import contract
from app.brokers.celery_app import celery_app
from app.errors import ComeBackLaterError, JobRevokedError, PoisonError
from app.kinds import Transaction
from app.patterns import stepped_task
from app.patterns.stepped_task import SteppedTask
from app.patterns.steps import in_steps
from app.storage.checkpoints import Checkpoint

FIRST, SECOND = UUID(int=1), UUID(int=2)


class Run(BaseModel):
    """The item of the task in steps."""

    run: str


class Position(BaseModel):
    """The next step."""

    step: int = 0


def three_steps(_job: Run, position: Position, _tx: Transaction) -> Position | None:
    """Ends with the third."""
    return Position(step=position.step + 1) if position.step < 2 else None


class Rows:
    """The checkpoint, the revoked jobs, and which steps were done."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint: Checkpoint | None = checkpoint
        self.revoked: set[UUID] = set()
        self.kept: list[tuple[UUID | None, int, str]] = []
        self.removed = False


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Rows:
    """The first job is in its fourth message."""
    made = Rows(Checkpoint(job_id=FIRST, slice=3, steps=1, state='{"step": 1}', ended=False))

    def keep(_: Any, __: UUID, *, job_id: UUID | None, slice_: int, state: str) -> None:
        made.kept.append((job_id, slice_, state))
        made.checkpoint = Checkpoint(job_id=job_id, slice=slice_, steps=2, state=state, ended=False)

    monkeypatch.setattr(stepped_task, "engine", lambda: SimpleNamespace(begin=nullcontext))
    monkeypatch.setattr(stepped_task, "in_transaction", lambda _: nullcontext())
    monkeypatch.setattr(
        stepped_task, "checkpoints",
        SimpleNamespace(lock=lambda *_: made.checkpoint, keep=keep, remove=lambda *_: setattr(made, "removed", True)),
    )  # fmt: skip
    monkeypatch.setattr(
        stepped_task, "inbox",
        SimpleNamespace(revoked_jobs=lambda _, jobs: made.revoked & set(jobs), enter=lambda *_, **__: None),
    )  # fmt: skip
    return made


@pytest.fixture
def task() -> Iterator[SteppedTask]:
    """The declared task."""
    made: Any = in_steps(queue="bulk", key="run", name="three_steps")(three_steps)
    yield made
    celery_app.tasks.pop("three_steps")


def deliver(task: SteppedTask, job_id: UUID, *, slice_: int = 0) -> None:
    """A message of a job."""
    own = {contract.MESSAGE_JOB_ID: str(job_id), contract.MESSAGE_KEY: "r", contract.MESSAGE_SLICE: slice_}
    task.push_request(id=str(job_id), args=[], kwargs={}, called_directly=False, hostname="w@h", **own)
    try:
        task.execute(({"run": "r"},), {})
    finally:
        task.pop_request()


def test_a_second_job_waits_for_the_first(task: SteppedTask, rows: Rows) -> None:
    """Its message is the only one that it has: if the first job is revoked, it goes on from there."""
    with pytest.raises(ComeBackLaterError):
        deliver(task, SECOND)
    assert rows.kept == []

    rows.revoked.add(FIRST)
    deliver(task, SECOND)
    assert rows.kept == [(SECOND, 0, '{"step":2}')]
    assert rows.removed, "it has ended"

    rows.checkpoint = Checkpoint(job_id=SECOND, slice=3, steps=1, state='{"step": 1}', ended=False)
    with pytest.raises(JobRevokedError):
        deliver(task, FIRST, slice_=3)


def test_a_second_delivery_is_ignored(task: SteppedTask, rows: Rows) -> None:
    """The task is in a later message of the same job."""
    with pytest.raises(Ignore):
        deliver(task, FIRST)
    assert rows.kept == []


def test_a_message_whose_checkpoint_was_forgotten_dies_with_its_reason(task: SteppedTask, rows: Rows) -> None:
    """A dead letter that is replayed after retention: it must not be acknowledged as a second delivery."""
    rows.checkpoint = Checkpoint(job_id=FIRST, slice=0, steps=0, state=None, ended=False)

    with pytest.raises(PoisonError):
        deliver(task, FIRST, slice_=3)
