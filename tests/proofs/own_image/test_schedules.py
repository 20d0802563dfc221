"""Schedules beside the tasks of an image of one's own: each slot runs once, through deaths and outages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tests.harness import services
from tests.harness.containers import Machine
from tests.harness.load import drain
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually


@pytest.fixture
def beating(acme: Stack) -> Iterator[Stack]:
    """The stack with beat."""
    acme.heal()
    acme.replace("beat")
    try:
        yield acme
    finally:
        acme.remove("beat")


def _slots(stack: Stack, task: str) -> list[datetime]:
    return [slot for (slot,) in stack.query("SELECT slot FROM tasks.slots WHERE task = %s ORDER BY slot", task)]


def _more(stack: Stack, slots: int) -> None:
    """Wait until so many more slots have run."""
    before = len(_slots(stack, "counted"))
    eventually(lambda: len(_slots(stack, "counted")) >= before + slots, what=f"{slots} more slots run")


def test_each_slot_runs_once(beating: Stack) -> None:
    """Beat is killed, two beats run side by side, the broker and PostgreSQL are killed: no slot is lost or doubled."""
    _more(beating, 3)
    beating.machines["beat"].kill()
    beating.replace("beat")
    _more(beating, 3)
    second = Machine(
        services.read("beat", beating._variables), beating._network, f"{beating._prefix}-second",
        environment=QUICK, heartbeats=beating.heartbeats,
    )  # fmt: skip
    second.start()
    try:
        eventually(second.consuming, what="the second beat looks at the schedules")
        _more(beating, 5)
        for server in ("rabbitmq-1", "postgresql"):
            beating.machines[server].kill()
            beating.machines[server].start_again()
            beating.wait(server)
            _more(beating, 5)
    finally:
        second.remove()
    beating.remove("beat")
    drain(beating)
    counted, ticks = _slots(beating, "counted"), sorted(set(_slots(beating, "acme.ticks")))
    assert counted == [counted[0] + number * timedelta(seconds=1) for number in range(len(counted))]
    # A plain task may run twice for a slot.
    assert ticks == [ticks[0] + number * timedelta(seconds=2) for number in range(len(ticks))]
    assert not beating.query("SELECT 1 FROM dead_letters WHERE task_name IN ('counted', 'acme.ticks')")


def test_people_see_what_is_due(beating: Stack) -> None:
    """`schedules list` has the tasks of the image, and the canaries; `reset` knows their names."""
    _more(beating, 1)
    lines = beating.operate("schedules", "list", "--json").splitlines()
    rows = {row["schedule"]: row for row in map(json.loads, lines)}
    assert rows["counted"]["when"] == "every 1 s"
    assert rows["acme.ticks"]["queue"] == "interactive"
    assert datetime.fromisoformat(rows["counted"]["next"]) > datetime.fromisoformat(rows["counted"]["last"])
    assert "canary@bulk" in rows
    assert "begins afresh" in beating.operate("schedules", "reset", "canary@bulk")
