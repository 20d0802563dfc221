"""Fixtures of the tests on real Kubernetes. What cannot be built or started fails; nothing is skipped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.lab.devcluster.control_plane import control_plane
from tests.harness.toolchain import require_built
from tests.proofs.api_server.api_server import ApiServer


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """Of which a control plane is made, and what deploys to it."""
    require_built("etcd", "kube-apiserver", "kube-controller-manager", "pulumi", "pulumi-resource-kubernetes")


@pytest.fixture(scope="session")
def api_server() -> Iterator[ApiServer]:
    """A control plane of Kubernetes 1.34, for the whole session."""
    with control_plane() as plane, plane.client() as api:
        yield ApiServer(plane.kubeconfig, api)
