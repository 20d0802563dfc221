"""Law 1: while PostgreSQL is away workers wait; they do not spend attempts, and they dead-letter nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

from loadtests.history import Outcome
from tests.harness.load import Load, assert_exact, count
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

AWAY_SECONDS = 60.0


def test_postgresql_away_for_a_minute(single: Stack, load: Callable[..., Load]) -> None:
    """A 60 s stop of PostgreSQL with a backlog in the queues dead-letters nothing, spends no attempt, loses nothing.

    Given a backlog in RabbitMQ, because no worker runs while the load does,
    when PostgreSQL stops, the workers start to consume, and PostgreSQL comes back 60 s later,
    then everything accepted is executed at its first attempt, and no failure was recorded.
    """
    failures = single.query("SELECT count(*) FROM task_failures")
    single.remove("worker-interactive", "worker-bulk")
    with load(single, seconds=6) as running:
        pass
    eventually(
        lambda: not single.query("SELECT 1 FROM outbox_pending LIMIT 1"), within=30, what="all of it is in RabbitMQ"
    )
    assert sum(single.broker.messages().values()) > 50
    single.machines["postgresql"].stop(timeout=20)
    stopped_at = time.monotonic()
    single.ensure("worker-interactive", "worker-bulk")
    eventually(
        lambda: time.monotonic() >= stopped_at + AWAY_SECONDS,
        within=AWAY_SECONDS + 60,
        what="the outage is over",
        every=1,
    )
    single.machines["postgresql"].start_again()
    single.wait("postgresql")
    assert_exact(running.accounting())
    assert count(running.history, Outcome.ACCEPTED) == len(running.history.attempts)
    assert single.query("SELECT count(*) FROM task_failures") == failures
    assert single.query("SELECT max(attempts) FROM inbox") == [(1,)]
