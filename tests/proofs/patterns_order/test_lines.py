"""Lines are locked in one order, and have a bound."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import BaseModel, Field
from sqlalchemy import Engine

from app import contract
from app.brokers.celery_app import celery_app
from app.brokers.transactional import in_transaction
from app.contract import Role
from app.errors import LineFullError
from app.kinds import Transaction, declared, once, ordered
from app.kinds.declared import DeclaredTask
from app.storage import ordered_items
from tests.harness.stack import Stack
from tests.harness.waiting import PATIENCE_SECONDS, eventually

_ROOM = "UPDATE ordered_keys SET ended = ended + 1 WHERE order_id = %s"


class Item(BaseModel):
    """An item of a line; an item of one line sends one of another."""

    line: str
    sends: str | None = None
    item_id: str = Field(default_factory=lambda: uuid4().hex)


@pytest.fixture
def task(database: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeclaredTask]:
    """A task in order."""

    def lined_item(item: Item, tx: Transaction) -> None:
        tx.execute("SELECT 1")
        if item.sends is not None:
            made.delay(Item(line=item.sends))

    made: DeclaredTask = once(ordered_by="line", key="item_id")(lined_item)
    for module in (declared, ordered):
        monkeypatch.setattr(module, "engine", lambda: database)
    yield made
    celery_app.tasks.pop("lined_item", None)


def test_a_task_in_order_and_a_request_cannot_deadlock(
    quiet: Stack, database: Engine, task: DeclaredTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task of one line sends into another one; a request with items of both comes before the task's commit."""
    low, high = sorted((uuid4().hex, uuid4().hex), key=lambda line: ordered_items.order_id(task.name, line))
    item = Item(line=low, sends=high)
    headers: dict[str, Any] = {**task.headers_of([item], {}), "id": task.delay(item).id}

    def accept() -> None:
        with database.begin() as connection, in_transaction(connection):
            for line in (low, high):
                task.delay(Item(line=line))

    def waits() -> bool:
        return bool(quiet.query("SELECT 1 FROM pg_locks WHERE NOT granted", role=Role.OWNER))

    with ThreadPoolExecutor() as pool:
        requests = []

        def before_the_end(_: object) -> bool:
            requests.append(pool.submit(accept))
            eventually(waits, what="the request waits for the task")
            return False

        monkeypatch.setattr(declared.OnceTask, "_result_goes_on", property(before_the_end))
        request: dict[str, Any] = {"args": [item], "kwargs": {}, "retries": 0, "delivery_info": {}, "headers": headers}
        task.push_request(hostname="w@h", called_directly=False, is_eager=False, **request, **headers)
        try:
            task.execute((task.encoded(item),), {})
        finally:
            task.pop_request()
        requests[0].result(timeout=PATIENCE_SECONDS)


def test_a_task_cannot_send_into_a_full_line(quiet: Stack, task: DeclaredTask) -> None:
    """It fails with a clear error; the items that wait can end, and make room."""
    line = uuid4().hex
    task.delay(Item(line=line))
    order_id = ordered_items.order_id(task.name, line)
    full = "UPDATE ordered_keys SET accepted = ended + %s WHERE order_id = %s"
    quiet.query(full, contract.LINE_ITEMS_MAX, order_id, role=Role.OWNER)
    with pytest.raises(LineFullError):
        task.delay(Item(line=line))
    quiet.query(_ROOM, order_id, role=Role.OWNER)
    task.delay(Item(line=line))


def test_a_request_for_a_full_line_is_refused(quiet: Stack) -> None:
    """503 with Retry-After, and nothing is accepted; requests for other lines that come at once are."""
    account, other = (f"a-{uuid4().hex[:20]}" for _ in range(2))
    order_id = ordered_items.order_id("post_movement", account)
    insert = "INSERT INTO ordered_keys (order_id, accepted) VALUES (%s, %s)"
    quiet.query(insert, order_id, contract.LINE_ITEMS_MAX, role=Role.OWNER)

    def post(named: str) -> httpx.Response:
        with quiet.http() as client:
            movement = {"movement_id": str(uuid4()), "account": named, "cents": 1}
            return client.post("/v1/tasks/post_movement", json=movement)

    with ThreadPoolExecutor() as pool:
        refused, accepted = pool.map(post, (account, other))
    assert (refused.status_code, accepted.status_code) == (503, 202)
    assert refused.json()["type"].endswith("overloaded")
    assert int(refused.headers["Retry-After"]) > 0
    quiet.query(_ROOM, order_id, role=Role.OWNER)
    assert post(account).status_code == 202
    assert post(account).status_code == 503
