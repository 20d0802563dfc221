"""A worker is ready when the broker has said that it consumes, and not before."""

from __future__ import annotations

from tests.harness.stack import Stack
from tests.harness.waiting import eventually


def test_a_worker_whose_queue_is_silent_is_not_ready(cluster: Stack) -> None:
    """A worker that is connected to a queue without a quorum is not ready until the quorum is back.

    Given a queue that lost two of its three members, with all brokers up,
    when a worker for it starts,
    then it is connected and not ready; when the members are back, it is ready.
    """
    stopped = [cluster.machines[name] for name in cluster.nodes[:2]]
    try:
        for node in stopped:
            node.execute("rabbitmqctl", "eval", "ok = ra:stop_server(quorum_queues, {millrace_external, node()}).")
        worker = cluster.replace("worker-external", wait=False)
        eventually(lambda: worker.heartbeat() in {"subscribing", "consuming"}, what="the worker is connected")
        assert worker.heartbeat() == "subscribing"
    finally:
        for node in stopped:
            node.execute("rabbitmqctl", "eval", "ok = ra:restart_server(quorum_queues, {millrace_external, node()}).")
    cluster.wait("worker-external")
