"""What the copies of a message say that are sent again: parked, held or retried."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from uuid import UUID

import psycopg
import pytest
from celery.exceptions import Ignore
from pydantic import BaseModel

from app import contract
from app.brokers.transactional import captured
from app.kinds import Transaction, at_least_once, declared, once, sending_again
from app.kinds.declared import DeclaredTask
from app.settings import load
from app.storage.outbox import OutboxMessage

ORDER = UUID("8a316501-e7df-5a55-bdfa-64d1c8570655")


class Invoice(BaseModel):
    """An item."""

    order_id: UUID


def single(invoice: Invoice, tx: Transaction) -> None:
    """A task `once`."""


def plain(invoice: Invoice) -> None:
    """A task at least once."""


def test_what_ran_says_so_if_it_cannot_be_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL is away after the run: the copy does not expire, or its job would say that it never ran."""

    def away() -> None:
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(sending_again, "load", lambda: load().model_copy(update={"dependency_wait_seconds": 0.0}))
    monkeypatch.setattr(declared, "autocommit", away)
    task: DeclaredTask = at_least_once()(plain)
    carried = Invoice(order_id=ORDER).model_dump_json()
    task.push_request(
        id="order-7", args=[carried], kwargs={}, retries=0, called_directly=False, is_eager=False,
        expires="2099-01-01T00:00:00+00:00", **{contract.MESSAGE_JOB_ID: str(ORDER)},
    )  # fmt: skip
    try:
        with captured() as messages, pytest.raises(Ignore):
            task(carried)
    finally:
        task.pop_request()

    [copy] = messages
    headers = copy.properties["application_headers"]
    assert headers["expires"] is None
    assert headers[contract.MESSAGE_RAN] is True


@pytest.mark.parametrize("sent_with", [None, "invoice-3"], ids=["without a key", "with a key"])
def test_a_copy_has_the_key_of_its_message(sent_with: str | None) -> None:
    """Another service may send an item without our header. If its copies had a key, the inbox would run both."""
    task: DeclaredTask = once(key="order_id")(single)
    carried = Invoice(order_id=ORDER).model_dump_json()
    header = {} if sent_with is None else {contract.MESSAGE_KEY: sent_with}
    task.push_request(
        id="order-7", args=[carried], kwargs={}, retries=0, called_directly=False, is_eager=False, headers=header,
        **header,
    )  # fmt: skip
    try:
        before = task.dedupe_key
        with captured() as messages:
            task.signature_from_request().apply_async()
    finally:
        task.pop_request()

    [copy] = messages
    headers = copy.properties["application_headers"]
    assert headers[contract.MESSAGE_KEY] == sent_with
    task.push_request(**headers)
    try:
        assert task.dedupe_key == before
    finally:
        task.pop_request()


def test_a_held_copy_neither_expires_in_the_broker_nor_takes_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker would make a dead letter of what a worker records as expired; the message has its place already."""
    kept: list[OutboxMessage] = []
    monkeypatch.setattr(sending_again.outbox, "enqueue", lambda _, messages: kept.extend(messages))
    monkeypatch.setattr(sending_again, "engine", lambda: SimpleNamespace(begin=nullcontext))
    task: DeclaredTask = once(key="order_id")(single)
    expires, place = "2099-01-01T00:00:00+00:00", {contract.MESSAGE_ORDER: str(ORDER)}
    task.push_request(
        id="order-7", args=[Invoice(order_id=ORDER).model_dump_json()], kwargs={}, retries=0, called_directly=False,
        is_eager=False, expires=expires, headers=place, **place,
    )  # fmt: skip
    try:
        task.hold()
    finally:
        task.pop_request()

    [copy] = kept
    headers = copy.properties["application_headers"]
    assert (headers["expires"], headers[contract.MESSAGE_ORDER]) == (expires, str(ORDER))
    assert "expiration" not in copy.properties
    assert copy.order_id is None
