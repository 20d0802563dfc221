"""What tasks in order refuse at import, and the headers that put their items into a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from app import contract
from app.brokers.celery_app import celery_app
from app.errors import DeclarationError
from app.kinds import Transaction, at_least_once, once, once_in_batches
from app.kinds.ordered import OrderedTask, order_headers
from app.storage.ordered_items import order_id


class Step(BaseModel):
    """An item; without a document it has no order."""

    document: str | None = None
    number: int = 0


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Forget the tasks that a test declares."""
    before = set(celery_app.tasks)
    yield
    for name in set(celery_app.tasks) - before:
        celery_app.tasks.pop(name)


def revise(step: Step, tx: Transaction) -> None:
    """A correct declaration."""


def revise_some(steps: list[Step], tx: Transaction) -> None:
    """A task in batches."""


def revise_often(step: Step) -> None:
    """A task that may run twice."""


def revise_two(step: Step, other: Step, tx: Transaction) -> None:
    """A task with two items."""


def test_a_line_is_of_a_task_and_a_value() -> None:
    """Gateway and senders in Python name the same line; `go_on` travels with the message."""
    stops, goes_on = (
        once(ordered_by="document", after_death=after_death, name=f"revise_{after_death}")(revise)
        for after_death in ("stop", "go_on")
    )
    assert isinstance(stops, OrderedTask)
    [headers] = [task.headers_of([Step(document="d-1")], {}) for task in (stops,)]
    assert (
        headers
        == order_headers(stops.name, stops.declaration, "d-1")
        == {contract.MESSAGE_ORDER: str(order_id("revise_stop", "d-1"))}
    )
    assert goes_on.headers_of([], {"step": '{"document": "d-1"}'}) == {
        contract.MESSAGE_ORDER: str(order_id("revise_go_on", "d-1")), contract.MESSAGE_ORDER_GOES_ON: True,
    }  # fmt: skip
    assert stops.headers_of([Step()], {}) == {}
    assert stops.headers_of(["not an item"], {}) == {}, "the worker says so"


@pytest.mark.parametrize(
    ("kind", "function", "options", "words"),
    [
        (once, revise, {"ordered_by": "nothing"}, "has the members"),
        (once, revise, {"ordered_by": "document", "after_death": "maybe"}, "must be one of stop, go_on"),
        (once, revise, {"after_death": "go_on"}, "say ordered_by="),
        (once, revise_two, {"ordered_by": "document"}, "one parameter"),
        (once_in_batches, revise_some, {"ordered_by": "document"}, "only a plain task"),
        (at_least_once, revise_often, {"ordered_by": "document"}, "only a plain task"),
    ],
)
def test_what_cannot_be_in_order_is_refused(
    kind: Callable[..., Any], function: Callable[..., Any], options: dict[str, str], words: str
) -> None:
    """The declaration fails at import, with the reason."""
    with pytest.raises(DeclarationError, match=words):
        kind(**options)(function)
