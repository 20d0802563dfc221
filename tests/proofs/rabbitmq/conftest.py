"""RabbitMQ as Kubernetes runs it: the same files, names and user, three nodes, each version that has an image."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.servers.rabbitmq.cluster import VERSIONS
from tests.harness.rabbitmq_nodes import Nodes

pytest_plugins = ["tests.harness.stacks"]


@pytest.fixture(scope="session", params=VERSIONS)
def nodes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Three nodes that started at once; each test leaves them running and their queues empty."""
    folder = tmp_path_factory.mktemp(f"rabbitmq-{request.param}")
    for part in (folder, folder.parent, folder.parent.parent):
        part.chmod(0o711)
    cluster = Nodes(folder, request.param)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()
