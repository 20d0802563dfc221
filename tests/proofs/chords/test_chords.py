"""A chord ends exactly once, with all results, even if a process or server is killed meanwhile."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from app import contract
from app.failpoints import Failpoint
from tests.harness import chords
from tests.harness.load import drain
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

THOUSAND = range(1000)
TEN = range(10)
_LEADER = f"/api/queues/{contract.VHOST}/{quote('interactive')}"


@pytest.fixture(autouse=True)
def _tables(cluster: Stack) -> None:
    chords.prepare(cluster)


def _under_way(stack: Stack, name: str, least: int) -> None:
    eventually(lambda: len(chords.parts(stack, name)) >= least, what=f"{least} members ran", every=0.05)


def _ended(stack: Stack, name: str, numbers: range, what: str) -> None:
    """The body ran once, with all results; each member once; nothing died."""
    eventually(lambda: chords.ends(stack, name), what="the chord ends")
    drain(stack)
    assert chords.ends(stack, name) == [(what, len(numbers), sum(numbers))]
    assert chords.parts(stack, name) == list(numbers)
    assert stack.query("SELECT reason FROM dead_letters WHERE archived_at > now() - interval '5 min'") == []


def test_a_thousand_while_worker_and_leader_are_killed(cluster: Stack) -> None:
    """A chord of 1,000 ends once although a worker and the node that leads its queue are killed in the middle."""
    chords.worker(cluster)
    chords.hold(cluster, "thousand", len(THOUSAND) // 2)
    chords.send(cluster, "thousand", THOUSAND, how="commit", body="end_once")
    _under_way(cluster, "thousand", 100)
    leader = cluster.machines[str(cluster.broker.ask("GET", _LEADER)["leader"]).removeprefix("rabbit@")]
    cluster.machines["worker-interactive"].kill()
    leader.kill()
    chords.let_go(cluster, "thousand")
    chords.worker(cluster)
    _under_way(cluster, "thousand", len(THOUSAND))
    assert not leader.running, "it came back: this has shown nothing"
    leader.start_again()
    _ended(cluster, "thousand", THOUSAND, "once")


def test_redis_is_killed_in_the_middle(cluster: Stack) -> None:
    """Members whose part finds no Redis wait and park themselves; each has run once when the chord ends."""
    cluster.remove("worker-interactive")
    chords.hold(cluster, "restart", len(THOUSAND) // 2)
    chords.send(cluster, "restart", THOUSAND, how="commit")
    chords.worker(cluster, wait=False, MILLRACE_DEPENDENCY_WAIT_SECONDS="1")
    worker = cluster.machines["worker-interactive"]
    _under_way(cluster, "restart", 30)
    cluster.machines["redis"].kill()
    chords.let_go(cluster, "restart")
    eventually(lambda: "task_parked" in worker.logs(), what="a member parked itself")
    assert chords.ends(cluster, "restart") == []
    cluster.machines["redis"].start_again()
    _ended(cluster, "restart", THOUSAND, "plain")


@pytest.mark.parametrize("point", chords.CRASH_POINTS)
def test_the_last_member_dies(cluster: Stack, point: Failpoint) -> None:
    """The worker that ends the chord is killed before or after it publishes the body."""
    body, what = chords.CRASH_POINTS[point]
    chords.worker(cluster, MILLRACE_CRASH_AT=point)
    chords.send(cluster, point, TEN, body=body)
    worker = cluster.machines["worker-interactive"]
    eventually(lambda: worker.crashed_at(point), what="a child died")
    _ended(cluster, point, TEN, what)


def test_a_member_fails(cluster: Stack) -> None:
    """The body never runs, its errback does, once; the member is in the dead letters with its reason."""
    chords.worker(cluster)
    chords.send(cluster, "failing", [1, 2, -1])
    eventually(lambda: chords.ends(cluster, "failing"), what="the errback ran")
    drain(cluster)
    [(what, _, _)] = chords.ends(cluster, "failing")
    assert what.startswith("failed:")
    assert "a member that can never run" in what
    dead = "SELECT reason, exception_type FROM dead_letters WHERE task_name = 'part'"
    assert cluster.query(dead) == [("failed", "PoisonError")]


def test_a_member_overruns(cluster: Stack) -> None:
    """A member that the hard time limit ends is reported by the worker's main process: the errback runs."""
    chords.worker(cluster)
    chords.send(cluster, "overrun", [1, "overruns"])
    eventually(lambda: chords.ends(cluster, "overrun"), what="the errback ran")
    drain(cluster)
    [(what, _, _)] = chords.ends(cluster, "overrun")
    assert "TimeLimitExceeded" in what
    dead = "SELECT reason FROM dead_letters WHERE task_name = 'overruns'"
    assert cluster.query(dead) == [("time_limit",)]


def test_a_member_that_nobody_could_report(cluster: Stack) -> None:
    """Members whose task no worker knew are in the dead letters; replayed, they complete their chord."""
    cluster.ensure("worker-interactive", MILLRACE_RELEASE_PATIENCE_SECONDS="0")
    chords.send(cluster, "replayed", TEN)
    unknown = "SELECT 1 FROM dead_letters WHERE reason = 'unknown_task' AND state = 'dead'"
    eventually(lambda: len(cluster.query(unknown)) == len(TEN), what="all are dead")
    chords.worker(cluster)
    cluster.operate("dead-letters", "replay", "--reason", "unknown_task", "--include-chords")
    eventually(lambda: chords.ends(cluster, "replayed"), what="the chord ends")
    drain(cluster)
    assert chords.ends(cluster, "replayed") == [("plain", len(TEN), sum(TEN))]
    assert chords.parts(cluster, "replayed") == list(TEN)


def test_inside_a_transaction(cluster: Stack) -> None:
    """A chord leaves with the commit; of a transaction that rolls back nothing leaves."""
    chords.worker(cluster)
    chords.send(cluster, "rolled back", TEN, how="rollback")
    chords.send(cluster, "committed", TEN, how="commit")
    eventually(lambda: chords.ends(cluster, "committed"), what="the chord ends")
    drain(cluster)
    assert chords.ends(cluster, "committed") == [("plain", len(TEN), sum(TEN))]
    assert chords.parts(cluster, "rolled back") == []
