"""Each slot of a schedule is one message, even if the clock is set, beats die, or two run side by side.

Hypothesis draws the steps of the clock; PostgreSQL is real, and its `now()` is the test's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from psycopg.rows import scalar_row
from sqlalchemy import Engine, create_engine, event

from app.beat import clock as clock_module
from app.beat.clock import Clock
from app.brokers.celery_app import celery_app
from app.brokers.rabbitmq.consumers import Consumers
from app.contract import Role
from app.kinds import Cron, Every
from app.kinds.registry import Entry
from app.kinds.schedules import Schedule
from app.settings import load
from tests.harness.stack import Stack

#: In a night in which Berlin's clocks are set back; so far away that no relay takes what is due then.
BEGIN = datetime(2035, 10, 27, 23, 55, 30, tzinfo=UTC)
SCHEDULES: dict[str, Schedule] = {
    "often": Cron("*/5 * * * *", "Europe/Berlin"),
    "at_half_past_two": Cron("30 2 * * *", "Europe/Berlin"),
    "every_ten_minutes": Every(600, late_seconds=24 * 3600),
}
#: Seconds that the clock goes on; or back, as one that is set right.
STEPS = st.sampled_from([0, 1, 29, 60, 61, 600, 3600, 5000, -60, -3700])

_SENT = """
    SELECT properties -> 'application_headers' ->> 'id' FROM outbox
    JOIN outbox_pending USING (message_id) WHERE task_name = ANY (%s)
"""


class BeatDiedError(BaseException):
    """No handler sees this, as none sees SIGKILL."""


@pytest.fixture
def database(single: Stack) -> Iterator[Engine]:
    """Connections of beat's to a PostgreSQL whose clock the test sets."""
    for statement in (
        "CREATE SCHEMA fake",
        "CREATE TABLE fake.clock (at timestamptz NOT NULL)",
        "INSERT INTO fake.clock VALUES (pg_catalog.now())",
        "CREATE FUNCTION fake.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT at FROM fake.clock'",
        "GRANT USAGE ON SCHEMA fake TO beat",
        "GRANT SELECT ON fake.clock TO beat",
    ):
        single.query(statement, role=Role.OWNER)

    def connect() -> Any:
        connection = single.database(Role.BEAT)
        connection.execute("SET search_path TO fake, pg_catalog, public")
        connection.autocommit = False
        return connection

    engine = create_engine("postgresql+psycopg://", creator=connect)
    try:
        yield engine
    finally:
        engine.dispose()
        for statement in ("DROP SCHEMA fake CASCADE", "DELETE FROM outbox_pending", "DELETE FROM schedules"):
            single.query(statement, role=Role.OWNER)


@pytest.fixture
def entries() -> Iterator[list[Entry]]:
    """Tasks with schedules, which nobody executes here."""

    def report(slot: datetime) -> None:
        """Does nothing."""

    made = []
    for name, schedule in SCHEDULES.items():
        task = celery_app.task(name=name, shared=False)(report)
        made.append(Entry(name=name, task=task, schedule=schedule, queue="bulk", takes_slot=True))
    yield made
    for name in SCHEDULES:
        celery_app.tasks.pop(name)


def _set_clock(stack: Stack, moment: datetime) -> None:
    stack.query("UPDATE fake.clock SET at = %s", moment, role=Role.OWNER)


def _sent(stack: Stack) -> Counter[str]:
    with stack.database(Role.OWNER) as connection:
        return Counter(connection.cursor(row_factory=scalar_row).execute(_SENT, [list(SCHEDULES)]))


def _due(until: datetime) -> Counter[str]:
    return Counter(
        f"{name} {slot.isoformat()}"
        for name, schedule in SCHEDULES.items()
        for slot in takewhile(lambda slot: slot <= until, schedule.slots_after(BEGIN))
    )


def _afresh(stack: Stack, clock: Clock) -> None:
    for table in ("outbox_pending", "schedules"):
        stack.query(f"DELETE FROM {table}", role=Role.OWNER)
    _set_clock(stack, BEGIN)
    clock.tick()


@settings(max_examples=20)
@given(
    steps=st.lists(
        st.tuples(STEPS, st.sampled_from(["first", "second", "afresh"]), st.integers(0, 4)), min_size=1, max_size=8
    )
)
def test_each_slot_is_one_message(
    single: Stack, database: Engine, entries: list[Entry], steps: list[tuple[int, str, int]]
) -> None:
    """Two beats tick in any order, start afresh, and die at a commit: until the last look each slot was sent once."""
    consumers = Consumers(load())
    clocks = {name: Clock(entries, database, consumers) for name in ("first", "second")}
    _afresh(single, clocks["first"])
    now = reached = BEGIN
    for seconds, which, commits in steps:
        now += timedelta(seconds=seconds)
        reached = max(reached, now)
        _set_clock(single, now)
        clock = clocks.get(which) or Clock(entries, database, consumers)
        if commits:
            _die_in_tick(clock, database, commits)
        else:
            clock.tick()
    _set_clock(single, reached)
    clocks["first"].tick()
    sent, due = _sent(single), _due(reached)
    assert sent - due == Counter(), "sent twice, or before its time"
    assert due - sent == Counter(), "lost"


def _die_in_tick(clock: Clock, database: Engine, commits: int) -> None:
    """Let the process die just before its n-th commit, if it comes that far."""
    left = iter(range(commits - 1, -1, -1))

    def count(_: Any) -> None:
        if next(left, 1) == 0:
            raise BeatDiedError

    event.listen(database, "commit", count)
    try:
        clock.tick()
    except BeatDiedError:
        return
    finally:
        event.remove(database, "commit", count)


def test_beats_at_the_same_moment(single: Stack, database: Engine, entries: list[Entry]) -> None:
    """Four beats that find the same 290 slots due at once send each one time."""
    clocks = [Clock(entries, database, Consumers(load())) for _ in range(4)]
    _afresh(single, clocks[0])
    until = BEGIN + timedelta(hours=16)
    _set_clock(single, until)
    with ThreadPoolExecutor() as pool:
        list(pool.map(Clock.tick, clocks))
    assert _sent(single) == _due(until)


def test_an_entry_that_cannot_be_sent_keeps_no_other_from_its_time(
    single: Stack, database: Engine, entries: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again at each look, and counted."""
    clock = Clock(entries, database, Consumers(load()))
    _afresh(single, clock)
    failed = clock_module.SLOTS.labels("often", "failed")
    before = failed._value.get()
    until = BEGIN + timedelta(hours=1)
    _set_clock(single, until)
    send, left = entries[0].task.apply_async, iter([True])

    def fails_once(**options: Any) -> Any:
        if next(left, False):
            raise ZeroDivisionError
        return send(**options)

    with monkeypatch.context() as patched:
        patched.setattr(entries[0].task, "apply_async", fails_once)
        clock.tick()
    assert {name.split()[0] for name in _sent(single)} == {"at_half_past_two", "every_ten_minutes"}
    assert failed._value.get() > before
    clock.tick()
    assert _sent(single) == _due(until)


def test_what_is_no_longer_declared_is_forgotten(single: Stack, database: Engine, entries: list[Entry]) -> None:
    """Declared again, it begins then, and makes up for nothing."""
    _afresh(single, Clock(entries, database, Consumers(load())))
    _set_clock(single, BEGIN + timedelta(hours=1))
    Clock(entries[1:], database, Consumers(load())).tick()
    _set_clock(single, BEGIN + timedelta(hours=2))
    Clock(entries, database, Consumers(load())).tick()
    assert not [name for name in _sent(single) if name.startswith("often")]
