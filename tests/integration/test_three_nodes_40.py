"""Three nodes of RabbitMQ 4.0: P5, a lost node is not noticed."""

from __future__ import annotations

from collections.abc import Callable

from tests.harness.load import Load
from tests.harness.node_killed import worker_of_a_killed_node_resumes
from tests.harness.stack import Stack


def test_worker_of_a_killed_node_resumes(cluster40: Stack, load: Callable[..., Load]) -> None:
    """On 4.0 a worker whose node is killed, and stays dead, executes again within 5 s."""
    worker_of_a_killed_node_resumes(cluster40, load)
