"""Three nodes of RabbitMQ 4.3: P3, the broker is away and nothing is refused; P5, a lost node is not noticed."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from loadtests.history import Outcome
from tests.harness.containers import Machine
from tests.harness.load import Load, assert_exact, count
from tests.harness.node_killed import worker_of_a_killed_node_resumes
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

AWAY_SECONDS = 60.0


def test_broker_away_for_a_minute(cluster43: Stack, load: Callable[..., Load]) -> None:
    """With all three nodes stopped for 60 s under load no request fails, and all is executed after they return.

    Given a load that lasts longer than the outage,
    when all nodes are stopped, and started again 60 s later,
    then every request was answered 202, requests were accepted all through the outage, and the accounts are exact.
    """
    nodes = [cluster43.machines[name] for name in cluster43.nodes]
    with load(cluster43, seconds=AWAY_SECONDS + 22, singles=12, lists=2) as running:
        running.wait_stored(20)
        stopped_at = time.time()
        with ThreadPoolExecutor() as pool:
            list(pool.map(Machine.kill, nodes))
        eventually(
            lambda: time.time() >= stopped_at + AWAY_SECONDS,
            within=AWAY_SECONDS + 5,
            what="the outage is over",
            every=1,
        )
        with ThreadPoolExecutor() as pool:
            list(pool.map(Machine.start_again, nodes))
    history = running.history
    assert count(history, Outcome.ACCEPTED) == len(history.attempts), "a request failed during the outage"
    during = [
        attempt
        for attempt in history.with_outcome(Outcome.ACCEPTED)
        if stopped_at + 5 < attempt.intent.intended_at < stopped_at + AWAY_SECONDS
    ]
    assert len(during) > 300
    assert_exact(running.accounting())


def test_a_worker_whose_queue_is_silent_is_not_ready(cluster43: Stack) -> None:
    """A worker says that it consumes when the broker has said so, not when it is connected.

    Given a queue that lost two of its three members, with all brokers up,
    when a worker for it starts,
    then it is connected and not ready; when the members are back, it is ready.
    """
    stopped = [cluster43.machines[name] for name in cluster43.nodes[:2]]
    try:
        for node in stopped:
            node.execute("rabbitmqctl", "eval", "ok = ra:stop_server(quorum_queues, {millrace_external, node()}).")
        worker = cluster43.replace("worker-external", wait=False)
        eventually(
            lambda: worker.heartbeat() in {"subscribing", "consuming"}, within=60, what="the worker is connected"
        )
        assert worker.heartbeat() == "subscribing"
    finally:
        for node in stopped:
            node.execute("rabbitmqctl", "eval", "ok = ra:restart_server(quorum_queues, {millrace_external, node()}).")
    cluster43.wait("worker-external")


def test_worker_of_a_killed_node_resumes(cluster43: Stack, load: Callable[..., Load]) -> None:
    """On 4.3 a worker whose node is killed, and stays dead, executes again within 5 s."""
    worker_of_a_killed_node_resumes(cluster43, load)
