"""The control plane comes up, holds its rules, and leaves nothing, however its owner ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from infra.lab.devcluster import processes
from infra.lab.devcluster.connect import closing
from infra.lab.devcluster.control_plane import PREFIX, control_plane
from infra.lab.devcluster.waiting import until
from tests.proofs.api_server.api_server import ApiServer

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
#: An owner that tells where its control plane is, and waits to be killed.
OWNER = """
from infra.lab.devcluster.control_plane import control_plane
with control_plane() as plane:
    print(plane.supervisor.root, flush=True)
    input()
"""


@pytest.fixture
def namespace(api_server: ApiServer) -> Iterator[str]:
    """An own namespace, held to the restricted profile."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    core = client.CoreV1Api(api_server.client)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    core.create_namespace({"metadata": {"name": name, "labels": labels}})
    until("the namespace has its service account", lambda: _exists(core.read_namespaced_service_account, name), 300)
    yield name
    core.delete_namespace(name)


def _exists(read: Callable[..., Any], namespace: str) -> bool:
    try:
        read("default", namespace)
    except ApiException:
        return False
    return True


def _pod(name: str, security: dict[str, Any]) -> dict[str, Any]:
    resources = {"requests": {"cpu": "100m"}, "limits": {"cpu": "100m"}}
    container = {"name": "main", "image": "none", "securityContext": security, "resources": resources}
    return {"metadata": {"name": name}, "spec": {"containers": [container]}}


def test_it_is_the_version_we_pin(api_server: ApiServer) -> None:
    """Clients choose their behaviour by the server's version: v0.0.0 would mislead them."""
    assert client.VersionApi(api_server.client).get_code().git_version == "v1.34.4"


def test_the_kubeconfig_is_private(api_server: ApiServer) -> None:
    """Its token may do everything."""
    assert api_server.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert api_server.kubeconfig.parent.stat().st_mode & 0o777 == 0o700


def test_without_a_token_nothing_is_told(api_server: ApiServer) -> None:
    """Anybody on the machine reaches the port."""
    stranger = client.Configuration()
    stranger.host = api_server.client.configuration.host
    stranger.ssl_ca_cert = api_server.client.configuration.ssl_ca_cert
    with closing(client.ApiClient(stranger)) as api, pytest.raises(ApiException) as refused:
        client.CoreV1Api(api).list_namespace()
    assert refused.value.status == 403


def test_a_privileged_pod_is_refused_where_restricted_is_enforced(api_server: ApiServer, namespace: str) -> None:
    """Pod Security admission works; a pod that keeps its rules passes."""
    core = client.CoreV1Api(api_server.client)
    core.create_namespaced_pod(namespace, _pod("good", RESTRICTED))
    with pytest.raises(ApiException) as refused:
        core.create_namespaced_pod(namespace, _pod("bad", {"privileged": True}))
    assert refused.value.status == 403
    assert 'violates PodSecurity "restricted' in json.loads(refused.value.body)["message"]


def test_a_quota_holds(api_server: ApiServer, namespace: str) -> None:
    """The second pod of a namespace that may have one is refused."""
    core = client.CoreV1Api(api_server.client)
    core.create_namespaced_resource_quota(namespace, {"metadata": {"name": "one"}, "spec": {"hard": {"pods": "1"}}})

    def counted() -> bool:
        return bool(core.read_namespaced_resource_quota("one", namespace).status.hard)

    until("the quota is counted", counted, 300)
    core.create_namespaced_pod(namespace, _pod("first", RESTRICTED))
    with pytest.raises(ApiException) as refused:
        core.create_namespaced_pod(namespace, _pod("second", RESTRICTED))
    assert refused.value.status == 403
    assert "exceeded quota" in refused.value.body


def test_a_limit_range_gives_its_defaults(api_server: ApiServer, namespace: str) -> None:
    """A container that says nothing gets the namespace's limits."""
    core = client.CoreV1Api(api_server.client)
    limits = [{"type": "Container", "default": {"memory": "64Mi"}}]
    core.create_namespaced_limit_range(namespace, {"metadata": {"name": "default"}, "spec": {"limits": limits}})
    pod = core.create_namespaced_pod(namespace, _pod("plain", RESTRICTED))
    assert pod.spec.containers[0].resources.limits["memory"] == "64Mi"


def test_a_service_account_without_a_role_sees_no_secret(api_server: ApiServer, namespace: str) -> None:
    """RBAC is on."""
    review = {
        "spec": {
            "user": f"system:serviceaccount:{namespace}:default",
            "resourceAttributes": {"namespace": namespace, "resource": "secrets", "verb": "get"},
        }
    }
    answer = client.AuthorizationV1Api(api_server.client).create_subject_access_review(review)
    assert answer.status.allowed is False


def test_a_killed_owner_takes_its_processes_along_and_the_next_start_removes_its_files() -> None:
    """No context manager runs when the kernel kills. The next one ends as it should, and leaves nothing of itself."""
    owner = subprocess.Popen((sys.executable, "-c", OWNER), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    killed = Path(owner.stdout.readline().strip())
    assert killed.name.startswith(PREFIX)
    owner.kill()
    owner.communicate()
    until("its processes end", lambda: processes.marked(killed) == (), 300)
    with control_plane() as plane:
        assert not killed.exists()
        root = plane.supervisor.root
        assert len(processes.marked(root)) >= 4  # the supervisor, etcd, API server, controller manager
    assert processes.marked(root) == ()
    assert not root.exists()


def test_a_killed_supervisor_takes_its_servers_along() -> None:
    """An API server that nobody restarts or ends must not stay."""
    with control_plane() as plane:
        (supervisor,) = processes.marked(plane.supervisor.root, only="supervisord")
        os.kill(supervisor, signal.SIGKILL)
        until("they end", lambda: processes.marked(plane.supervisor.root) == (), 300)


def test_a_server_that_dies_comes_back_and_an_end_by_an_error_leaves_nothing() -> None:
    """It comes back with what it had stored. The usual error is that of a test that fails inside the context."""
    roots: list[Path] = []

    def fails() -> None:
        with control_plane() as plane, plane.client() as api:
            roots.append(plane.supervisor.root)
            client.CoreV1Api(api).create_namespace({"metadata": {"name": "kept"}})
            (server,) = processes.marked(plane.supervisor.root, only="kube-apiserver\0--bind")
            os.kill(server, signal.SIGKILL)
            until("another one runs", lambda: server not in processes.marked(plane.supervisor.root), 300)
            until("it answers", lambda: "kept" in _namespaces(api), 300)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert processes.marked(roots[0]) == ()
    assert not roots[0].exists()


def _namespaces(api: client.ApiClient) -> set[str]:
    try:
        return {each.metadata.name for each in client.CoreV1Api(api).list_namespace().items}
    except Exception:  # noqa: BLE001 - whatever a server that starts answers or does not
        return set()
