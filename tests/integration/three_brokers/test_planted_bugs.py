"""The oracle is real: a service with a planted bug, and the fault that shows the bug, turn the account red."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from app.failpoints import Failpoint
from loadtests.reconcile import Accounting
from tests.harness import crash_points, mutants
from tests.harness.containers import Machine
from tests.harness.drills import DRILL_USER, Drill
from tests.harness.load import Load, assert_exact
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

#: Messages of jobs that were accepted since then and that the relay has sent, as it believes.
_SENT = """
    SELECT 1 FROM jobs JOIN outbox USING (job_id) LEFT JOIN outbox_pending USING (message_id)
    WHERE accepted_at > to_timestamp(%s) AND outbox.queue = 'interactive' AND outbox_pending.message_id IS NULL LIMIT 1
"""


def _mutant(stack: Stack, service: str, name: str, crash_at: Failpoint | None, **options: Any) -> Machine:
    """Start a service with a bug in it, and with the fault that shows the bug."""
    return mutants.plant(
        stack, service, name, environment={"MILLRACE_CRASH_AT": crash_at} if crash_at else {}, **options
    )


def _red(running: Load) -> Accounting:
    accounting = running.accounting()
    with pytest.raises(AssertionError):
        assert_exact(accounting)
    return accounting


def test_early_acknowledgement_loses(cluster: Stack, load: Callable[..., Load]) -> None:
    """Messages acknowledged on arrival are lost when their child is killed."""
    worker = _mutant(cluster, "worker-bulk", "early_acknowledgement", Failpoint.WORKER_MIDDLE_OF_BATCH)
    with load(cluster) as running:
        eventually(lambda: worker.crashed_at(Failpoint.WORKER_MIDDLE_OF_BATCH), what="a child crashed")
        running.wait_executed("bulk", since=time.time())
    assert _red(running).lost > 0


def test_effect_outside_the_inbox_transaction_duplicates(cluster: Stack, load: Callable[..., Load]) -> None:
    """An effect that commits before its inbox row happens twice when the child dies between; both witnesses show it."""
    worker = _mutant(cluster, "worker-bulk", "effect_outside_inbox", Failpoint.WORKER_MIDDLE_OF_BATCH)
    with load(cluster) as running:
        eventually(lambda: worker.crashed_at(Failpoint.WORKER_MIDDLE_OF_BATCH), what="a child crashed")
        running.wait_executed("bulk", since=time.time())
    accounting = _red(running)
    assert accounting.duplicated_by_rows > 0
    assert accounting.duplicated_by_totals > 0


def test_marking_before_the_confirm_loses(cluster: Stack, load: Callable[..., Load]) -> None:
    """A relay that marks before the confirm loses what it had taken when it dies."""
    cluster.remove("relay-1", "relay-2")
    with load(cluster) as running:
        relay = _mutant(cluster, "relay-1", "mark_before_confirm", Failpoint.RELAY_AFTER_CLAIM, wait=False)
        relay.wait_ended()
        cluster.ensure("relay-2")
    assert _red(running).lost > 0


def test_a_returned_message_that_counts_as_sent_is_lost(cluster: Stack, load: Callable[..., Load]) -> None:
    """A relay that believes the confirm of an unroutable message loses it while its queue is not bound."""
    cluster.remove("relay-1", "relay-2")
    _mutant(cluster, "relay-1", "returned_is_sent", None)
    with load(cluster) as running:
        running.wait_executed("interactive", since=running.began_at)
        with crash_points.unbound(cluster, "interactive"):
            unbound_at = time.time()
            eventually(lambda: cluster.query(_SENT, unbound_at), what="messages were sent to the lost queue")
    assert _red(running).lost > 0


def test_an_answer_before_the_commit_loses(cluster: Stack, load: Callable[..., Load]) -> None:
    """A gateway that answers before it commits loses what it had answered when it dies."""
    cluster.machines["gateway"].stop(timeout=20)
    gateway = _mutant(cluster, "gateway", "early_answer", Failpoint.GATEWAY_BEFORE_COMMIT, wait=False)
    with load(cluster) as running:
        gateway.wait_ended()
        cluster.ensure("gateway")
        running.wait_executed(since=time.time())
    assert _red(running).lost > 0


def test_an_acknowledgement_before_the_archive_loses(cluster: Stack, load: Callable[..., Load]) -> None:
    """An archiver that acknowledges before it commits loses the letters that it held when it dies."""
    archiver = _mutant(cluster, "archiver", "acknowledge_before_archive", Failpoint.ARCHIVER_BEFORE_COMMIT)
    with load(cluster) as running:
        drill = Drill(cluster, "raise", queue="bulk")
        running.expect(drill.event_id, DRILL_USER)
        archiver.wait_ended()
        cluster.ensure("archiver")
    assert _red(running).lost == 1
