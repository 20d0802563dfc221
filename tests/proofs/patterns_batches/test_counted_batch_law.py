"""The law of counted batches: under any repeats and deaths the aggregate is exact and triggered once.

Hypothesis draws the order of adds, deliveries, deaths and the seal; PostgreSQL is real, and the outbox is the broker.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from psycopg.rows import dict_row
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from app.contract import Role
from app.gateway import batch_records
from app.gateway.problems import ProblemError
from app.kinds import declared
from app.storage import counted_batches as storage
from app.storage.identifiers import new_id
from app.tasks.meter_totals import meter_totals
from tests.harness.stack import Stack
from tests.harness.waiting import PATIENCE_SECONDS

OWNER = "somebody"
#: Of what may happen to a batch: each with the chunk or message that it happens to.
STEPS = ["add", "add, die before the commit", "deliver", "deliver, die before the commit", "seal"]


class DiedError(BaseException):
    """Stands for SIGKILL: no exception handler catches it."""


class Sessions:
    """Sessions of a gateway and an auditor that last for a test: each costs a handshake."""

    def __init__(self, stack: Stack) -> None:
        self.auditor = stack.database()
        self._loop = asyncio.new_event_loop()
        session = stack.database(Role.GATEWAY)
        connecting = psycopg.AsyncConnection.connect(
            session.info.dsn, password=session.info.password, autocommit=True, row_factory=dict_row
        )
        session.close()
        self._gateway = self._loop.run_until_complete(connecting)

    def as_gateway(self, work: Callable[[Any], Awaitable[Any]]) -> None:
        """Run what a gateway runs."""
        self._loop.run_until_complete(work(self._gateway))

    def query(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows, as an auditor sees them."""
        return self.auditor.execute(statement, arguments).fetchall()

    def close(self) -> None:
        """End the sessions."""
        self._loop.run_until_complete(self._gateway.close())
        self._loop.close()
        self.auditor.close()


class World:
    """A batch, its sender, and the delivery of its messages."""

    def __init__(self, sessions: Sessions, chunks: list[list[int]]) -> None:
        self.sessions = sessions
        self.meter = uuid4().hex
        # A meter a chunk: what they share is the batch alone.
        self.chunks: list[list[dict[str, Any]]] = [
            [{"meter": f"{self.meter}-{number}", "watt_hours": value} for value in chunk]
            for number, chunk in enumerate(chunks)
        ]
        self.batch_id = new_id()
        opened = {"batch_id": self.batch_id, "task": "meter_totals", "api_key_id": OWNER, "key": None}
        self.sessions.as_gateway(lambda connection: batch_records.open_(connection, opened))

    def do(self, step: str, number: int) -> None:
        """Do one step. A refused step must change nothing, which `check` verifies."""
        dies = "die" in step
        with suppress(DiedError, ProblemError):
            if step.startswith("add"):
                self.add(number % len(self.chunks), dies=dies)
            elif step.startswith("deliver"):
                if messages := self.messages():
                    self.deliver(*messages[number % len(messages)], dies=dies)
            else:
                self.seal()

    def add(self, number: int, *, dies: bool = False) -> None:
        """Add a chunk as the gateway does."""
        body = json.dumps(self.chunks[number]).encode()
        parameters = {
            "batch_id": self.batch_id, "api_key_id": OWNER, "number": number, "rows": len(self.chunks[number]),
            "hash": sha256(body).digest(), "body": body,
        }  # fmt: skip
        with pytest.MonkeyPatch.context() as patched:
            if dies:
                patched.setattr(batch_records, "send", _died)
            self.sessions.as_gateway(lambda connection: batch_records.add(connection, parameters, meter_totals))

    def seal(self) -> None:
        """Seal it, with everything in it."""
        rows = sum(map(len, self.chunks))
        parameters = {"batch_id": self.batch_id, "api_key_id": OWNER, "chunks": len(self.chunks), "rows": rows}
        self.sessions.as_gateway(lambda connection: batch_records.seal(connection, parameters))

    def messages(self) -> list[tuple[str, str, list[Any]]]:
        """All messages of the batch so far: id, task and arguments of each."""
        rows = self.sessions.query(
            "SELECT task_id, task_name, body FROM outbox WHERE job_id = %s ORDER BY message_id", self.batch_id
        )
        return [(str(task_id), name, json.loads(bytes(body))[0]) for task_id, name, body in rows]

    def deliver(self, task_id: str, name: str, arguments: list[Any], *, dies: bool = False) -> None:
        """Run a message as a worker's child does."""
        task = {one.name: one for one in (meter_totals.chunk_task, meter_totals.aggregate_task)}[name]
        headers = meter_totals.headers(self.batch_id, *arguments[1:])
        request = {"args": arguments, "kwargs": {}, "retries": 0, "hostname": "w@h", "delivery_info": {}}
        task.push_request(
            id=task_id, headers=headers, called_directly=False, is_eager=False, **request, **headers
        )  # fmt: skip
        try:
            with pytest.MonkeyPatch.context() as patched:
                if dies:
                    patched.setattr(declared.OnceTask, "_result_goes_on", property(lambda _: _died_now()))
                task.execute(tuple(arguments), {})
        finally:
            task.pop_request()

    def finish(self, *, seal_last: bool) -> None:
        """Repeat all requests and deliver each message twice; seal the batch before the deliveries, or after them."""
        for number in range(len(self.chunks)):
            with suppress(ProblemError):
                self.add(number)
        if not seal_last:
            self.seal()
        for _ in range(2):
            for message in self.messages():
                self.deliver(*message)
        self.seal()
        for message in self.messages():
            self.deliver(*message)

    def check(self) -> None:
        """Check that the aggregate is exact and that one message triggered it."""
        values = [row["watt_hours"] for chunk in self.chunks for row in chunk]
        [(aggregate,)] = self.sessions.query("SELECT aggregate FROM batches WHERE batch_id = %s", self.batch_id)
        assert aggregate is not None, "it is never aggregated"
        assert json.loads(aggregate) == {"readings": len(values), "watt_hours": sum(values)}
        moved = "SELECT sum(watt_hours) FROM tasks.meters WHERE meter LIKE %s"
        assert self.sessions.query(moved, f"{self.meter}-%") == [(sum(values),)], "a chunk took effect twice, or never"
        triggers = [name for _, name, _ in self.messages() if name == meter_totals.aggregate_task.name]
        assert len(triggers) == 1, "the aggregate was triggered more than once"


async def _died(*_: object, **__: object) -> None:
    raise DiedError


def _died_now() -> bool:
    raise DiedError


@pytest.fixture
def sessions(quiet: Stack, database: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sessions]:
    """Sessions on the stack's PostgreSQL, which workers' code in this process uses, too."""
    monkeypatch.setattr(declared, "engine", lambda: database)
    made = Sessions(quiet)
    yield made
    made.close()


def law(sessions: Sessions, examples: int) -> None:
    """Check the law on this many examples."""

    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(
        chunks=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=3), min_size=1, max_size=3),
        steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), max_size=12),
        seal_last=st.booleans(),
    )
    def holds(chunks: list[list[int]], steps: list[tuple[str, int]], seal_last: bool) -> None:
        world = World(sessions, chunks)
        for step, number in steps:
            world.do(step, number)
        world.finish(seal_last=seal_last)
        world.check()

    holds()


def test_the_aggregate_is_exact_and_triggered_once(sessions: Sessions) -> None:
    """Adds repeat, chunks are redelivered, processes die around commits, and the seal comes at any time."""
    law(sessions, examples=25)


def _counts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted bug: a chunk that is done is counted again, and the inbox is ignored."""
    text_ = str(storage._FINISH).replace("AND done_at IS NULL", "")
    monkeypatch.setattr(storage, "_FINISH", text(text_))
    monkeypatch.setattr(storage, "_TAKE", text("SELECT '[]'::bytea FROM batch_chunks WHERE batch_id = :batch_id"))
    all_new = declared.inbox.Entered
    monkeypatch.setattr(declared.inbox, "enter", lambda _, items, **__: all_new(set(items), set()))


def _repeated_add_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted bug: a repeated add is counted as a new chunk."""
    monkeypatch.setattr(batch_records, "_ADD_CHUNK", f"WITH chunk AS ({batch_records._ADD_CHUNK}) SELECT 1")


def _seal_triggers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted bug: a seal after the last chunk triggers no aggregate."""
    monkeypatch.setattr(
        batch_records, "_SEAL", batch_records._SEAL.replace("chunks_done = chunks_added AS", "false AS")
    )


def _each_chunk_triggers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted bug: every chunk after the seal triggers an aggregate."""
    monkeypatch.setattr(
        storage, "_FINISH", text(str(storage._FINISH).replace("AND b.chunks_done = b.chunks_added", ""))
    )


@pytest.mark.parametrize(
    "plant", [_counts_again, _repeated_add_counts, _seal_triggers_nothing, _each_chunk_triggers]
)  # fmt: skip
def test_the_law_finds(plant: Callable[[pytest.MonkeyPatch], None], sessions: Sessions) -> None:
    """The law finds each of these planted bugs."""
    with pytest.MonkeyPatch.context() as patched:
        plant(patched)
        # The law's own words, the CHECK of the table that no more is done than was added, or a seal that is refused.
        with pytest.raises((AssertionError, IntegrityError, ProblemError)):
            law(sessions, examples=25)


@pytest.mark.parametrize("planted", [False, True], ids=["", "planted"])
def test_chunks_that_end_at_once(planted: bool, sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks and the seal commit at the same time: exactly one sees the count complete, in each of 10 rounds."""
    rounds = [World(sessions, [[1], [2], [3], [4], [5]]) for _ in range(10)]
    triggered = []
    for world in rounds:
        if planted:
            monkeypatch.setattr(storage, "finish", _look_for_itself(Barrier(5)))
        for number in range(5):
            world.add(number)
        with ThreadPoolExecutor(6) as pool:
            runs = [pool.submit(world.deliver, *message) for message in world.messages()]
            runs.append(pool.submit(world.seal))
            [run.result() for run in runs]
        names = [name for _, name, _ in world.messages()]
        triggered.append(names.count(meter_totals.aggregate_task.name))
    assert (triggered == [1] * len(rounds)) is not planted, triggered


def _look_for_itself(together: Barrier) -> Callable[..., bool]:
    """A planted bug: each chunk looks for chunks that are left, and does not see those that commit at the same time."""
    done = "UPDATE batch_chunks SET part = :part, body = NULL, done_at = now() WHERE batch_id = :b AND number = :n"
    left = "SELECT 1 FROM batch_chunks WHERE batch_id = :b AND done_at IS NULL"

    def finish(connection: Connection, batch_id: UUID, number: int, part: str) -> bool:
        connection.execute(text(done), {"part": part, "b": batch_id, "n": number})
        together.wait(PATIENCE_SECONDS)
        return connection.execute(text(left), {"b": batch_id}).first() is None

    return finish


def test_parts_are_read_as_they_are_needed(sessions: Sessions, quiet: Stack) -> None:
    """The aggregate reads parts through a cursor, which is still open after the first part: it holds 500 at a time."""
    world = World(sessions, [[1]])
    quiet.query(
        "INSERT INTO batch_chunks (batch_id, number, row_count, body_hash, part) "
        "SELECT %s, n, 1, '', n::text FROM generate_series(1, 5000) n",
        world.batch_id, role=Role.OWNER,
    )  # fmt: skip
    with declared.engine().begin() as connection:
        read = storage.parts(connection, world.batch_id)
        assert next(read) == "1"
        assert connection.execute(
            text("SELECT count(*) FROM pg_cursors WHERE statement LIKE '%batch_chunks%'")
        ).scalar()
        assert len(list(read)) == 4999
