"""Copies of messages that vanished: the same call, with the items that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel

from app import contract
from app.brokers.celery_app import celery_app
from app.brokers.message_body import ITEM_KEY, keys_of, read_call
from app.brokers.transactional import captured
from app.kinds import Transaction, once, once_in_batches
from app.patterns.message_copies import copies
from app.storage.identifiers import new_id
from app.storage.outbox import ClaimedMessage, OutboxMessage


class Item(BaseModel):
    """What both tasks take."""

    key: str


def one_copied(item: Item, tx: Transaction) -> None:
    """A task with a single item."""


def many_copied(items: list[Item], tx: Transaction) -> None:
    """A task with a list of items."""


@pytest.fixture(autouse=True)
def _tasks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    once(key="key")(one_copied)
    once_in_batches(key="key")(many_copied)
    monkeypatch.setattr("app.storage.vanished.slice_of", lambda *_: None)
    yield
    for name in ("one_copied", "many_copied"):
        celery_app.tasks.pop(name)


def _kept(name: str, argument: object) -> ClaimedMessage:
    """A message as the outbox keeps it."""
    with captured() as messages:
        celery_app.tasks[name].apply_async((argument,))
    [made] = messages
    names = ("message_id", "task_id", "task_name", "queue", "properties", "body")
    return ClaimedMessage(job_id=uuid4(), **{name: getattr(made, name) for name in names})


def _copied(kept: ClaimedMessage, *keys: str) -> list[OutboxMessage]:
    return list(copies(None, kept, set(keys)))  # type: ignore[arg-type]  # it asks for nothing


def test_a_single_item_keeps_its_task() -> None:
    """Its result is stored under the task's id, so only the message id changes."""
    kept = _kept("one_copied", Item(key="a"))
    [copy] = _copied(kept, "a", "b")
    assert (copy.task_id, copy.job_id, copy.body) == (kept.task_id, kept.job_id, kept.body)
    assert copy.properties == kept.properties
    assert copy.message_id != kept.message_id
    assert _copied(kept, "b") == []


def test_a_task_in_steps_gets_its_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the slice of its checkpoint the copy is the newest message of the task, so the task goes on."""
    monkeypatch.setattr("app.storage.vanished.slice_of", lambda *_: 3)
    [copy] = _copied(_kept("one_copied", Item(key="a")), "a")
    assert copy.properties["application_headers"][contract.MESSAGE_SLICE] == 3


def test_of_a_list_goes_what_is_missing() -> None:
    """The copy has an id of its own, because the inbox may know the list; its items are unchanged."""
    kept = _kept("many_copied", [Item(key=key) for key in ("a", "b", "ä\x00")])
    [copy] = _copied(kept, "a", "ä\x00")
    headers = copy.properties["application_headers"]
    call = read_call(copy.body, content_type="application/json", content_encoding="utf-8")
    before = read_call(kept.body, content_type="application/json", content_encoding="utf-8")
    assert call.args == [[item for item in before.args[0] if item[ITEM_KEY] != "b"]]
    assert (call.kwargs, call.embed) == (before.kwargs, before.embed)
    assert (headers[contract.MESSAGE_ITEMS], len(keys_of(headers, call))) == (2, 2)
    assert UUID(headers["id"]) == UUID(copy.properties["correlation_id"]) == copy.task_id != kept.task_id
    assert new_id() != copy.message_id


def test_of_two_messages_with_one_item_one_goes() -> None:
    """A message that was paused has a second row in the outbox."""
    kept, missing = _kept("one_copied", Item(key="a")), {"a", "b"}
    found = [copy for _ in range(2) for copy in copies(None, kept, missing)]  # type: ignore[arg-type]  # as above
    assert len(found) == 1
    assert missing == {"b"}
