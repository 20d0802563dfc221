"""Fixtures of the tests on real Kubernetes. What cannot be built or started fails; nothing is skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.deploy.cluster import Cluster
from infra.devcluster.control_plane import control_plane
from tests.harness.toolchain import require_built
from tests.proofs.api_server.api_server import ApiServer
from tests.proofs.api_server.deployment import Deployment, prepare
from tests.proofs.api_server.shared import Shared


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """Of which a control plane is made."""
    require_built("etcd", "kube-apiserver", "kube-controller-manager")


@pytest.fixture(scope="session")
def api_server() -> Iterator[ApiServer]:
    """A control plane of Kubernetes 1.34, for the whole session."""
    with control_plane() as plane, plane.client() as api:
        yield ApiServer(plane.kubeconfig, api)


@pytest.fixture(scope="session")
def cluster(api_server: ApiServer) -> Cluster:
    """The same, with the neighbours' kinds."""
    prepare(api_server.client)
    return Cluster(api_server.client)


@pytest.fixture(scope="session")
def shared() -> Shared:
    """What is deployed on it."""
    return Shared()


@pytest.fixture
def deployment(api_server: ApiServer, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A way to deploy, with a folder of the test's own. What is there is what the test before has left."""
    monkeypatch.setenv("MILLRACE_STATE_DIR", str(tmp_path / "state"))
    return Deployment(api_server, cluster, tmp_path)


@pytest.fixture
def deployed(deployment: Deployment, shared: Shared) -> Deployment:
    """Staging is up, as right after its first deployment."""
    shared.settle(deployment)
    return deployment


@pytest.fixture
def empty(deployment: Deployment, shared: Shared) -> Deployment:
    """Nothing is deployed."""
    shared.empty(deployment)
    return deployment
