"""Fixtures of the tests on real Kubernetes. What cannot be built or started fails; nothing is skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.deploy.cluster import Cluster
from infra.devcluster.control_plane import control_plane
from tests.proofs.api_server.api_server import ApiServer
from tests.proofs.api_server.deployment import Deployment, prepare


@pytest.fixture(scope="session")
def api_server() -> Iterator[ApiServer]:
    """A control plane of Kubernetes 1.34, for the whole session."""
    with control_plane() as plane, plane.client() as api:
        yield ApiServer(plane.kubeconfig, api)


@pytest.fixture
def deployment(api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """An API server with the neighbours' kinds; whatever is deployed is removed."""
    monkeypatch.setenv("MILLRACE_STATE_DIR", str(tmp_path / "state"))
    prepare(api_server.client)
    made = Deployment(api_server, Cluster(api_server.client), tmp_path)
    yield made
    removal = made.destroy(purge=True)
    assert removal.hanging == ()
