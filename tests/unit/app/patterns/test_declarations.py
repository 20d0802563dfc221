"""What a pattern refuses at import, and what it makes of a declaration."""

# ruff: noqa: ARG001 - what is refused is never called
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from app import contract
from app.brokers.celery_app import celery_app
from app.errors import DeclarationError
from app.kinds import JsonText, Transaction
from app.kinds.declared import OnceTask
from app.patterns import counted_batches
from app.patterns.counted_batches import counted_batch
from app.patterns.stepped_task import SteppedTask
from app.patterns.steps import in_steps
from app.patterns.unique_jobs import unique_job
from app.storage.identifiers import new_id
from app.tasks.meter_totals import meter_totals
from app.tasks.primes import Position, primes_between


class Row(BaseModel):
    """A model that rows and items may have."""

    number: int = 0


class Texts(BaseModel):
    """A model with a JSON text, which rows may not have."""

    text: JsonText


def chunk(rows: list[Row], tx: Transaction) -> Row:
    """A correct declaration."""
    return Row(number=len(rows))


def whole(parts: Iterable[Row], tx: Transaction) -> Row:
    """A correct declaration."""
    return Row(number=sum(part.number for part in parts))


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test declares is gone afterwards."""
    before = set(celery_app.tasks)
    monkeypatch.setattr(counted_batches, "_DECLARED", dict(counted_batches.declared()))
    yield
    for name in set(celery_app.tasks) - before:
        celery_app.tasks.pop(name)


def test_a_batch_is_two_tasks() -> None:
    """Each `once`, on its queue; the messages of a batch bear its id, so that it can be revoked as one."""
    made = counted_batch("law_batch", each_chunk=chunk, aggregate=whole, queue="bulk")
    assert [made.chunk_task.name, made.aggregate_task.name] == ["law_batch_chunk", "law_batch_aggregate"]
    assert all(isinstance(task, OnceTask) for task in (made.chunk_task, made.aggregate_task))
    batch_id = new_id()
    assert made.headers(batch_id, 7) == {
        contract.MESSAGE_JOB_ID: str(batch_id), contract.MESSAGE_KEY: f"{batch_id}/7",
    }  # fmt: skip
    assert counted_batches.declared()["law_batch"] is made


def no_list(rows: Row, tx: Transaction) -> Row:
    """A wrong declaration."""
    return rows


def no_part(rows: list[Row], tx: Transaction) -> int:
    """A wrong declaration."""
    return len(rows)


def texts(rows: list[Texts], tx: Transaction) -> Row:
    """A wrong declaration."""
    return Row()


@pytest.mark.parametrize(
    ("each_chunk", "words"), [(no_list, "takes a list"), (no_part, "takes a list"), (texts, "Texts has a JSON text")]
)
def test_a_batch_that_cannot_work(each_chunk: Callable[..., Any], words: str) -> None:
    """The message says where it stands."""
    with pytest.raises(DeclarationError, match=words) as refused:
        counted_batch("law_batch", each_chunk=each_chunk, aggregate=whole)
    assert __name__.rpartition(".")[2] in str(refused.value)


def test_two_batches_have_two_names() -> None:
    """The second is refused, and names the first."""
    with pytest.raises(DeclarationError, match=r"app.tasks.meter_totals:total"):
        counted_batch(meter_totals.name, each_chunk=chunk, aggregate=whole)


@pytest.mark.parametrize("options", [{"window_seconds": -1}, {"lost_after_seconds": 5}])
def test_a_unique_job_that_cannot_work(options: dict[str, Any]) -> None:
    """A job that counts as lost while it is retried would run beside its replacement."""

    def law_job(key: str, tx: Transaction) -> None:
        pass

    with pytest.raises(DeclarationError, match="law_job"):
        unique_job(**options)(law_job)


def step(item: Row, position: Position, tx: Transaction) -> Position | None:
    """A correct declaration."""
    return None


def step_without_end(item: Row, position: Position, tx: Transaction) -> Position:
    """A wrong declaration."""
    return position


def step_without_beginning(item: Row, position: Texts, tx: Transaction) -> Texts | None:
    """A wrong declaration."""
    return None


def step_without_state(item: Row, tx: Transaction) -> None:
    """A wrong declaration."""


def test_a_task_in_steps() -> None:
    """Its sender sees a task with one item; a worker runs its steps."""
    made = in_steps(slice_seconds=5, key="number", http=True)(step)
    assert isinstance(made, SteppedTask)
    assert list(made.declaration.signature.parameters) == ["item"]
    assert made.declaration.paths == ("/v1/tasks/step",)
    assert made.slice_seconds == 5


@pytest.mark.parametrize(
    ("function", "options", "words"),
    [
        (step_without_end, {}, r"returns Position \| None"),
        (step_without_beginning, {}, "Texts needs a default"),
        (step_without_state, {}, "an item, a state and a Transaction"),
        (step, {"slice_seconds": 0}, "above 0"),
    ],
)
def test_steps_that_cannot_work(function: Callable[..., Any], options: dict[str, Any], words: str) -> None:
    """The message says where it stands, and why."""
    with pytest.raises(DeclarationError, match=words) as refused:
        in_steps(**options)(function)
    assert function.__name__ in str(refused.value)


@pytest.mark.parametrize("width", [1, 7, 100])
def test_primes_of_parts_are_those_of_the_whole(width: int) -> None:
    """The sum is the same however the range is cut."""
    parts = sum(primes_between(begin, min(begin + width, 1000)) for begin in range(2, 1000, width))
    assert parts == primes_between(2, 1000) == 168
