"""P3, P5 and law 1: a minute without brokers, without a broker node, without PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from loadtests.history import Outcome
from tests.harness.campaign import Campaign
from tests.harness.faults import Fault, kills
from tests.harness.load import Load, assert_exact, count
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

AWAY_SECONDS = 60.0


@pytest.mark.parametrize(
    "fault",
    [fault for fault in kills(AWAY_SECONDS) if "broker" in fault.name or "redis" in fault.name],
    ids=lambda fault: fault.name,
)
def test_a_minute_without(cluster: Stack, tmp_path: Path, fault: Fault) -> None:
    """Not one request fails, workers execute as long as a quorum is there, and the account is exact."""
    campaign = Campaign.run(cluster, tmp_path, [fault])
    campaign.assert_exact()
    campaign.assert_refused_only_where_said()


def test_a_backlog_waits_for_postgresql(single: Stack, load: Callable[..., Load]) -> None:
    """A minute without PostgreSQL dead-letters nothing, spends no attempt, loses nothing.

    Given a backlog in RabbitMQ, because no worker runs while the load does,
    when PostgreSQL stops, the workers start to consume, and PostgreSQL comes back 60 s later,
    then everything accepted is executed at its first attempt, and no failure was recorded.
    """
    failures = single.query("SELECT count(*) FROM task_failures")
    single.remove("worker-interactive", "worker-bulk")
    with load(single) as running:
        eventually(lambda: count(running.history, Outcome.ACCEPTED) >= 150, what="150 requests accepted")
    eventually(lambda: not single.query("SELECT 1 FROM outbox_pending LIMIT 1"), what="all of it is in RabbitMQ")
    # However few: a slow relay sends many single events as one message.
    eventually(lambda: single.broker.messages().keys() >= {"interactive", "bulk"}, what="both queues have a backlog")
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
    assert single.query("SELECT count(*) FROM task_failures") == failures
    attempts = "SELECT max(attempts) FROM inbox JOIN jobs USING (job_id) WHERE accepted_at > to_timestamp(%s)"
    assert single.query(attempts, running.began_at) == [(1,)]
