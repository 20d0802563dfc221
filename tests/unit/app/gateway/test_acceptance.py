"""The statement that accepts, and what makes two requests the same."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from app.gateway import acceptance
from app.gateway.acceptance import Acceptance, Accepted, IdempotencyKey, NewJob, Order
from app.gateway.problems import UNAVAILABLE, ProblemError
from app.storage.identifiers import new_id
from app.storage.outbox import OutboxMessage


def test_two_requests_are_the_same_when_their_bytes_are() -> None:
    """Any difference counts, one of spaces too."""
    assert acceptance.request_hash(b'{"a":1}') == acceptance.request_hash(b'{"a":1}')
    assert acceptance.request_hash(b'{"a":1}') != acceptance.request_hash(b'{"a": 1}')


def test_without_the_key_nothing_is_written() -> None:
    """Jobs and messages hang on the rows of their keys; without keys they do not."""
    for in_order in (False, True):
        statement = acceptance.statement(with_keys=True, in_order=in_order)
        assert statement.count("WHERE job_id IN (SELECT job_id FROM key)") == 2
        assert " key AS" not in acceptance.statement(with_keys=False, in_order=in_order)


@pytest.mark.parametrize(("in_order", "lines"), [(False, []), (True, ["ordered_keys", "ordered_items"])])
def test_every_row_is_written_by_one_statement(in_order: bool, lines: list[str]) -> None:
    """One statement is one commit: the job cannot be there without its messages, nor they without their places."""
    statement = acceptance.statement(with_keys=True, in_order=in_order)

    written = re.findall(r"INSERT INTO (\w+)", statement)
    assert written == ["idempotency_keys", "jobs", *lines, "outbox_pending", "outbox"]
    assert ";" not in statement
    assert ("'infinity'" in statement) is in_order


def order(body: bytes = b"{}", *, key: str | None = None, request: bytes = b"") -> Order:
    """A request of one message."""
    job = NewJob(
        job_id=new_id(), task_name="t", queue="bulk", keys=["k"], api_key_id="a", correlation_id="c", traceparent="p"
    )
    message = OutboxMessage(task_id=new_id(), task_name="t", queue="bulk", properties={}, body=body)
    once = None if key is None else IdempotencyKey(key=key, request_hash=request, keep_seconds=60)
    return Order(job=job, messages=[message], key=once)


class Table:
    """Answers as PostgreSQL does: it refuses a statement that holds a bad body, and a key twice."""

    def __init__(self) -> None:
        self.statements: list[list[bytes]] = []
        self.keys: dict[str, tuple[bytes, UUID]] = {}

    async def run(self, write: Callable[[Any], Awaitable[Any]], **_: Any) -> Any:
        """As the gateway's database does."""
        return await write(self)

    async def execute(self, statement: str, values: dict[str, Any]) -> Any:
        """One of the two statements."""
        if "INSERT" not in statement:
            rows = [
                {"api_key_id": "a", "idempotency_key": key, "request_hash": self.keys[key][0],
                 "job_id": self.keys[key][1], "accepted": 1}
                for key in values["idempotency_keys"]
            ]  # fmt: skip
            return SimpleNamespace(fetchall=lambda: _soon(rows))
        await asyncio.sleep(0)
        self.statements.append(values["bodies"])
        if b"bad" in values["bodies"]:
            raise psycopg.DataError("bad")
        keys = values.get("idempotency_keys", [])
        assert len(set(keys)) == len(keys), "PostgreSQL refuses this"
        new = [
            (key, request, job)
            for key, request, job in zip(keys, values.get("request_hashes", []), values["job_ids"], strict=False)
            if key not in self.keys
        ]
        self.keys |= {key: (request, job) for key, request, job in new}
        return SimpleNamespace(rowcount=len(new) if keys else len(values["bodies"]))


async def _soon(value: Any) -> Any:
    return value


def accept(table: Table, *orders: Order) -> list[Any]:
    """Accept requests that come at the same time."""

    async def all_of_them() -> list[Any]:
        accepting = Acceptance(table)  # type: ignore[arg-type]
        return await asyncio.gather(*map(accepting.accept, orders), return_exceptions=True)

    return asyncio.run(all_of_them())


def test_requests_that_come_together_share_a_statement() -> None:
    """The first requests are written at once; those that come meanwhile share a statement."""
    table, orders = Table(), [order() for _ in range(40)]

    answers = accept(table, *orders)

    assert [answer.job_id for answer in answers] == [one.job.job_id for one in orders]
    assert sum(map(len, table.statements)) == 40
    assert len(table.statements) <= 4


def test_who_was_written_alone_is_not_told_that_nothing_was_accepted() -> None:
    """A statement is refused, its requests are written one by one, and PostgreSQL goes away in the middle."""

    class Leaves(Table):
        async def run(self, write: Callable[[Any], Awaitable[Any]], **options: Any) -> Any:
            if len(self.statements) > 4:
                raise ProblemError(UNAVAILABLE)
            return await super().run(write, **options)

    table = Leaves()

    answers = accept(table, *(order(b"bad" if number == 9 else b"{}") for number in range(10)))

    written = sum(len(bodies) for bodies in table.statements if b"bad" not in bodies)
    assert 2 < written < 9
    assert sum(isinstance(answer, Accepted) for answer in answers) == written


def test_a_bad_request_fails_alone() -> None:
    """The other requests of its statement are written."""
    table = Table()

    answers = accept(table, *(order(b"bad" if number == 7 else b"{}") for number in range(10)))

    assert [number for number, answer in enumerate(answers) if isinstance(answer, psycopg.DataError)] == [7]
    assert sum(isinstance(answer, Accepted) for answer in answers) == 9


def test_a_key_that_comes_twice_at_once_is_written_once() -> None:
    """Both requests get the same answer; with another body the second is refused."""
    table = Table()

    first, same, other, unlike = accept(
        table, order(key="1"), order(key="1"), order(key="2"), order(key="1", request=b"other")
    )

    assert first.job_id == same.job_id != other.job_id
    assert (first.replayed, same.replayed) == (False, True)
    assert isinstance(unlike, ProblemError)


def test_a_long_list_has_a_statement_of_its_own() -> None:
    """No other request waits for a long list."""
    table = Table()
    long = b"x" * (acceptance._ALONE_BYTES + 1)

    accept(table, order(), order(), order(), order(long), order())

    assert [long] in table.statements
