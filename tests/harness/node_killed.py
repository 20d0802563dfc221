"""A worker whose broker node is killed: the same check for each version of RabbitMQ."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.harness.load import Load, assert_exact
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

RESUME_SECONDS = 5.0


def worker_of_a_killed_node_resumes(stack: Stack, load: Callable[..., Load]) -> None:
    """Kill the node that carries the only interactive worker's connection, and leave it dead.

    Given a load of single events and one worker for them,
    when that node is killed,
    then effects are stored again within 5 s of the kill while the node is still dead, and the accounts are exact.
    """
    carrier = eventually(
        lambda: stack.broker.node_of_consumer("interactive"), within=20, what="the worker's node is known"
    )
    node = carrier.removeprefix("rabbit@")
    with load(stack, seconds=16, singles=20, lists=1) as running:
        running.wait_stored(60)
        stack.machines[node].kill()
        killed_at = time.time()
        # What the worker held at the kill may still commit; what was accepted after it came through the broker.
        query = """
            SELECT extract(epoch FROM min(stored_at))::float8 FROM events JOIN jobs USING (job_id)
            WHERE accepted_at > to_timestamp(%s) AND queue = 'interactive'
        """
        resumed_at = eventually(lambda: stack.query(query, killed_at)[0][0], within=60, what="effects after the kill")
        assert not stack.machines[node].running
    accounting = running.accounting()
    assert not stack.machines[node].running, "the node came back"
    assert_exact(accounting)
    other = eventually(lambda: stack.broker.node_of_consumer("interactive"), within=20, what="the worker's new node")
    assert other != carrier
    assert resumed_at - killed_at <= RESUME_SECONDS
