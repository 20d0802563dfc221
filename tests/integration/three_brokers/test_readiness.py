"""A worker is ready when the broker has said that it consumes, and not before."""

from __future__ import annotations

from tests.harness.stack import Stack
from tests.harness.waiting import eventually


def _on_two_members(cluster: Stack, do: str) -> None:
    """Act on two of the queue's three members in one command, because each start of Erlang costs seconds."""
    nodes = ", ".join(f"'rabbit@{name}'" for name in cluster.nodes[:2])
    words = f"[ok = erpc:call(Node, ra, {do}, [quorum_queues, {{millrace_external, Node}}]) || Node <- [{nodes}]]."
    cluster.machines[cluster.nodes[2]].execute("rabbitmqctl", "eval", words)


def test_a_worker_whose_queue_is_silent_is_not_ready(cluster: Stack) -> None:
    """A worker that is connected to a queue without a quorum is not ready until the quorum is back.

    Given a queue that lost two of its three members, with all brokers up,
    when a worker for it starts,
    then it is connected and not ready; when the members are back, it is ready.
    """
    try:
        _on_two_members(cluster, "stop_server")
        worker = cluster.replace("worker-external", wait=False)
        eventually(lambda: worker.heartbeat() in {"subscribing", "consuming"}, what="the worker is connected")
        assert worker.heartbeat() == "subscribing"
    finally:
        _on_two_members(cluster, "restart_server")
    cluster.wait("worker-external")
