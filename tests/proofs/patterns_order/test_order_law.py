"""The law of order: under any accepts, deliveries and deaths each line's items take effect as they were accepted.

Hypothesis draws the steps; PostgreSQL is real, and the outbox is the broker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from pydantic import BaseModel, Field
from sqlalchemy import Connection, Engine, text

from app.brokers.celery_app import celery_app
from app.brokers.transactional import in_transaction
from app.contract import Role
from app.errors import ComeBackLaterError
from app.kinds import Transaction, declared, once, ordered
from app.kinds.declared import DeclaredTask
from app.storage import ordered_items, outbox
from app.storage.dead_letters import DeadLetter
from tests.harness.stack import Stack

LINES = ("a", "b")
#: Of what may happen: each with a number that says to which line, or to which message.
STEPS = [
    "accept", "accept three", "accept, roll back", "deliver", "deliver", "deliver, die before the commit",
    "deliver again", "deliver too early", "drop", "drop again", "die",
]  # fmt: skip


class DiedError(BaseException):
    """Stands for SIGKILL: no exception handler catches it."""


class Item(BaseModel):
    """An item of a line."""

    line: str
    number: int
    item_id: str = Field(default_factory=lambda: uuid4().hex)


class World:
    """Two lines, and the delivery of their messages."""

    def __init__(self, database: Engine, task: DeclaredTask, *, goes_on: bool) -> None:
        self.database, self.task, self.goes_on = database, task, goes_on
        self.name = uuid4().hex
        self.numbers = 0
        self.accepted: list[tuple[dict[str, Any], Item]] = []
        self.delivered: list[int] = []
        self.dropped: list[int] = []
        self.dead: list[int] = []

    def do(self, step: str, number: int) -> None:
        """Do one step; its number picks the line or the message."""
        line = f"{self.name}-{LINES[number % len(LINES)]}"
        if step.startswith("accept"):
            self.accept(line, 3 if "three" in step else 1, commits="roll" not in step)
            return
        if "again" in step:
            chosen = self.delivered
        else:
            sent = self.sent()
            open_ = [one for one in range(len(self.accepted)) if one not in self.ended()]
            chosen = [one for one in open_ if (one in sent) is not ("too early" in step)]
        if not chosen:
            return
        one = chosen[number % len(chosen)]
        if step.startswith("drop"):
            with self.database.begin() as connection:
                ordered_items.end_all(connection, [self.accepted[one][0]])
            self.dropped += [one] if step == "drop" else []  # a second delivery that is dropped ends nothing
        elif step == "die":
            letter = DeadLetter(
                queue="bulk", reason="rejected", exchange="", routing_key="", body=b"",
                properties={"application_headers": self.accepted[one][0]},
            )  # fmt: skip
            with self.database.begin() as connection:
                ordered_items.end_dead(connection, [letter])
            self.dead.append(one)
        else:
            self.deliver(one, dies="die" in step)

    def accept(self, line: str, count: int, *, commits: bool) -> None:
        """Accept items in one transaction."""
        items = []
        with suppress(DiedError), self.database.begin() as connection:
            with in_transaction(connection):
                for _ in range(count):
                    item = Item(line=line, number=self.numbers)
                    self.numbers += 1
                    headers = self.task.headers_of([item], {})
                    items.append(({**headers, "id": self.task.delay(item).id}, item))
            if not commits:
                raise DiedError
            self.accepted += items

    def ended(self) -> set[int]:
        """The items that took effect, were dropped or are dead."""
        return {*self.delivered, *self.dropped, *self.dead}

    def sent(self) -> set[int]:
        """The messages that the outbox would have sent by now."""
        with self.database.connect() as connection:
            held = connection.execute(text("SELECT task_id FROM tasks.law_held")).scalars().all()
        return {one for one, (headers, _) in enumerate(self.accepted) if headers["id"] not in map(str, held)}

    def deliver(self, one: int, *, dies: bool = False) -> None:
        """Run a message as a worker's child does."""
        headers, item = self.accepted[one]
        request: dict[str, Any] = {"args": [item], "kwargs": {}, "retries": 0, "delivery_info": {}, "headers": headers}
        self.task.push_request(hostname="w@h", called_directly=False, is_eager=False, **request, **headers)
        try:
            with pytest.MonkeyPatch.context() as patched:
                if dies:
                    patched.setattr(declared.OnceTask, "_result_goes_on", property(_die))
                with suppress(DiedError, ComeBackLaterError):
                    self.task.execute((self.task.encoded(item),), {})
                    self.delivered.append(one)
        finally:
            self.task.pop_request()

    def finish(self) -> None:
        """Deliver the messages that are left, and replay the dead ones."""
        for _ in range(2 * len(self.accepted) + 1):
            if not self.goes_on:
                self.dead = []
            for one in sorted(self.sent() - self.ended(), reverse=True):  # only the first of each line is there
                self.deliver(one)
        for one in self.dead:
            self.deliver(one)

    def check(self) -> None:
        """Check the order of the effects, and that each item but the dropped ones took effect once."""
        effects = "SELECT line, number FROM tasks.law_effects WHERE line LIKE :name ORDER BY id"
        with self.database.connect() as connection:
            found = [(row.line, row.number) for row in connection.execute(text(effects), {"name": f"{self.name}-%"})]
            left = connection.execute(text("SELECT count(*) FROM ordered_keys")).scalar()
        for line in (f"{self.name}-{one}" for one in LINES):
            late = [self.accepted[one][1] for one in self.dead]
            in_order = [
                item.number for one, (_, item) in enumerate(self.accepted)
                if item.line == line and one not in self.dropped and item not in late
            ]  # fmt: skip
            seen = [number for its, number in found if its == line]
            assert [number for number in seen if number not in {item.number for item in late}] == in_order
            assert sorted(seen) == sorted([*in_order, *(item.number for item in late if item.line == line)])
        assert left == 0, "a line that nobody stands in leaves a row"


def _die(_: object) -> bool:
    raise DiedError


@pytest.fixture(scope="module", autouse=True)
def tables(quiet: Stack) -> Iterator[None]:
    """The table of effects, and a view of held messages, whose tables a worker may not read."""
    quiet.query(
        "CREATE TABLE tasks.law_effects (id bigserial, line text, number int);"
        "CREATE VIEW tasks.law_held AS SELECT task_id FROM outbox JOIN outbox_pending USING (message_id)"
        " WHERE available_at = 'infinity'",
        role=Role.OWNER,
    )
    yield
    quiet.query("DROP TABLE tasks.law_effects; DROP VIEW tasks.law_held", role=Role.OWNER)


def law(database: Engine, examples: int) -> None:
    """Check the law on this many examples."""

    def law_item(item: Item, tx: Transaction) -> None:
        tx.execute("INSERT INTO tasks.law_effects (line, number) VALUES (:line, :number)", item.model_dump())

    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(
        goes_on=st.booleans(),
        steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 7)), min_size=8, max_size=24),
    )
    def holds(goes_on: bool, steps: list[tuple[str, int]]) -> None:
        celery_app.tasks.pop("law_item", None)
        task = once(ordered_by="line", key="item_id", after_death="go_on" if goes_on else "stop")(law_item)
        world = World(database, task, goes_on=goes_on)
        for step, number in steps:
            world.do(step, number)
        world.finish()
        world.check()

    try:
        holds()
    finally:
        celery_app.tasks.pop("law_item", None)


@pytest.fixture(autouse=True)
def as_worker(database: Engine, monkeypatch: pytest.MonkeyPatch, quiet: Stack) -> None:
    """Workers' code in this process uses the stack's PostgreSQL; nothing is left of the test before."""
    monkeypatch.setattr(declared, "engine", lambda: database)
    monkeypatch.setattr(ordered, "engine", lambda: database)
    quiet.query("DELETE FROM outbox_pending; DELETE FROM ordered_items; DELETE FROM ordered_keys", role=Role.OWNER)


def test_each_line_in_its_order(database: Engine) -> None:
    """Accepts roll back, workers die, messages come twice and too early, items are dropped and die."""
    law(database, examples=120)


def _no_places(patched: pytest.MonkeyPatch) -> None:
    """A planted bug: items get no place."""
    patched.setattr(outbox, "in_order", lambda _: False)


def _not_looked_at(patched: pytest.MonkeyPatch) -> None:
    """A planted bug: a worker executes what comes before its turn."""

    @contextmanager
    def at_once(connection: Connection, headers: Mapping[str, Any]) -> Iterator[None]:
        yield
        ordered_items.end(connection, headers)

    patched.setattr(ordered_items, "turn", at_once)


def _ends_anothers_place(patched: pytest.MonkeyPatch) -> None:
    """A planted bug: an end removes the first place of the line even if another item has it."""
    patched.setattr(ordered_items, "_END", text(str(ordered_items._END).replace("AND i.task_id = :task_id", "")))


def _forgets_the_next(patched: pytest.MonkeyPatch) -> None:
    """A planted bug: the end of an item does not release the next one."""
    patched.setattr(
        ordered_items, "_RELEASE_NEXT", text(str(ordered_items._RELEASE_NEXT).replace(":ended + 1", ":ended"))
    )


def _the_dead_always_stop(patched: pytest.MonkeyPatch) -> None:
    """A planted bug: the archiver does not let the line go on."""
    patched.setattr(ordered_items, "end_dead", lambda *_: None)


@pytest.mark.parametrize(
    "plant", [_no_places, _not_looked_at, _ends_anothers_place, _forgets_the_next, _the_dead_always_stop]
)  # fmt: skip
def test_the_law_finds(plant: Callable[[pytest.MonkeyPatch], None], database: Engine) -> None:
    """The law finds each of these planted bugs."""
    with pytest.MonkeyPatch.context() as patched:
        plant(patched)
        with pytest.raises((AssertionError, ComeBackLaterError)):
            law(database, examples=120)


def test_sent_outside_a_transaction(database: Engine) -> None:
    """`delay` opens a transaction of its own: the item has a place, and leaves through the outbox."""

    def law_alone(item: Item, tx: Transaction) -> None:
        """Nothing."""

    task = once(ordered_by="line")(law_alone)
    try:
        for number in range(2):
            task.delay(Item(line="alone", number=number))
    finally:
        celery_app.tasks.pop("law_alone", None)
    line = ordered_items.order_id("law_alone", "alone")
    with database.connect() as connection:
        places = connection.execute(text("SELECT place FROM ordered_items WHERE order_id = :line"), {"line": line})
        assert sorted(places.scalars()) == [1, 2]
        pending = connection.execute(text("SELECT count(*) FROM tasks.law_held")).scalar()
    assert pending == 1, "the second one waits"
