"""Three nodes: network, policies, volumes, metrics, certificates, KEDA; a node can be lost; nothing stays.

The tests run in this order, on one cluster, which the last one takes down: that is why they are one long file.
"""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from rich.console import Console

from infra.lab.devcluster import cluster as clusters, images, network, processes
from infra.lab.devcluster.apply import Applier
from infra.lab.devcluster.cluster import Cluster
from infra.lab.devcluster.waiting import until
from infra.local.progress import Steps
from infra.local.state import State
from tests.harness import machine

IMAGE = "millrace-app:latest"
NODE_PORT = 30080
NAMESPACE = "probe"
SERVER = ["python", "-m", "http.server", "8000", "--directory", "/tmp"]  # noqa: S108 - in a pod
SLEEP = ["python", "-c", "import time; time.sleep(1e6)"]
#: Says whether a name and port can be reached within two seconds.
ASK = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def before() -> machine.Machine:
    """The machine before there was a cluster."""
    assert not Cluster().runs, "a cluster runs already: `make cluster-down` first, then this test starts its own"
    return machine.now()


@pytest.fixture(scope="module")
def steps() -> Iterator[Steps]:
    """Tells what goes on."""
    with Steps(State.default(), Console(soft_wrap=True)) as shown:
        yield shown


@pytest.fixture(scope="module")
def cluster(before: machine.Machine, steps: Steps) -> Iterator[Cluster]:
    """A cluster of its own, with the application's image in every node."""
    assert before
    one = Cluster()
    with clusters.locked(one.layout):
        try:
            clusters.up(one, steps)
            images.load_from_docker(one.layout, (IMAGE,))
            yield one
        finally:
            clusters.down(one, steps)


@pytest.fixture(scope="module")
def core(cluster: Cluster) -> Iterator[client.CoreV1Api]:
    """A namespace with a server on node-1, a client on each node, and one with a volume."""
    with cluster.client() as api:
        Applier(api).apply(
            (
                _object("v1", "Namespace", NAMESPACE),
                _pod("server", SERVER, node="node-1"),
                _object("v1", "Service", "server", spec={"selector": {"app": "server"}, "ports": [PORT]}),
                *(_pod(f"client-{node.name}", SLEEP, node=node.name) for node in cluster.layout.nodes),
                _object("v1", "PersistentVolumeClaim", "data", spec=CLAIM),
                _pod("keeper", SLEEP, volume="data"),
            )
        )
        core = client.CoreV1Api(api)
        until("the pods run", lambda: _all_ready(core), 180, explain=lambda: str(_states(core)))
        yield core


PORT = {"port": 80, "targetPort": 8000}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}}}


def _object(version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name} if kind == "Namespace" else {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def _pod(name: str, command: list[str], *, node: str | None = None, volume: str | None = None) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "main", "image": IMAGE, "imagePullPolicy": "Never", "command": command}
    spec: dict[str, Any] = {"containers": [container], "terminationGracePeriodSeconds": 0}
    spec["securityContext"] = {"runAsUser": 10001, "fsGroup": 4242}
    if volume:
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": volume}}]
    if node:
        spec["nodeName"] = node
    made = _object("v1", "Pod", name, spec=spec)
    made["metadata"]["labels"] = {"app": name}
    return made


def _states(core: client.CoreV1Api) -> dict[str, str]:
    return {pod.metadata.name: pod.status.phase for pod in core.list_namespaced_pod(NAMESPACE).items}


def _until(core: client.CoreV1Api, what: str, condition: Callable[[], bool], seconds: float) -> None:
    """Wait; what does not come about says how pods and nodes look."""

    def explain() -> str:
        nodes = {node.metadata.name: "ready" if _ready(node) else "not ready" for node in core.list_node().items}
        return f"nodes: {nodes}; pods: {_states(core)}"

    until(what, condition, seconds, explain=explain)


def _all_ready(core: client.CoreV1Api) -> bool:
    return all(_ready(pod) for pod in core.list_namespaced_pod(NAMESPACE).items)


def _ready(thing: Any) -> bool:
    return any(state.type == "Ready" and state.status == "True" for state in thing.status.conditions or ())


def _run(core: client.CoreV1Api, pod: str, *command: str) -> str:
    words = ["sh", "-c", '"$@" 2>&1 && echo DONE', "sh", *command]
    call = core.connect_get_namespaced_pod_exec
    options: dict[str, Any] = {"stdout": True, "stderr": True, "stdin": False, "tty": False, "_preload_content": False}
    session = stream(call, pod, NAMESPACE, command=words, **options)
    try:
        session.run_forever(timeout=30)
        return str(session.read_all())
    finally:
        # Its own end leaves the socket open when the other side was the first to say goodbye.
        session.sock.shutdown()


def _reaches(core: client.CoreV1Api, pod: str, host: str, port: int) -> bool:
    return "DONE" in _run(core, pod, "python", "-c", ASK, host, str(port))


def test_three_nodes_are_ready(core: client.CoreV1Api) -> None:
    """Each in a network of its own, with the kubelet that we pin."""
    nodes = core.list_node().items
    assert {node.metadata.name for node in nodes if _ready(node)} == {"node-1", "node-2", "node-3"}
    assert {node.status.node_info.kubelet_version for node in nodes} == {"v1.34.4"}


def test_the_host_keeps_its_rules_and_settings_while_a_cluster_runs(before: machine.Machine, cluster: Cluster) -> None:
    """Docker and everything else on the machine go on as before."""
    assert cluster.runs
    during = machine.now()
    assert during.rules == before.rules
    assert during.settings == before.settings
    assert during.network_namespaces == before.network_namespaces
    assert during.links - before.links == {"mr0"}


@pytest.mark.parametrize("node", ["node-1", "node-2", "node-3"])
def test_a_service_is_reached_by_its_name_from_every_node(core: client.CoreV1Api, node: str) -> None:
    """DNS, kube-proxy and the routes between nodes."""
    assert _reaches(core, f"client-{node}", f"server.{NAMESPACE}.svc", 80)
    assert _reaches(core, f"client-{node}", f"server.{NAMESPACE}.svc.cluster.local", 80)


def test_a_pod_reaches_the_api_server(core: client.CoreV1Api) -> None:
    """Operators in the cluster need it."""
    assert _reaches(core, "client-node-2", "kubernetes.default.svc", 443)


def test_nothing_outside_is_reached(core: client.CoreV1Api) -> None:
    """Neither the internet nor a cloud's metadata: the nodes have no way out."""
    assert not _reaches(core, "client-node-1", "169.254.169.254", 80)
    assert not _reaches(core, "client-node-1", "192.0.2.1", 443)


@pytest.mark.parametrize("node", ["node-1", "node-2"])
def test_a_policy_closes_and_another_opens(core: client.CoreV1Api, node: str) -> None:
    """On the server's own node as well as from another: what is not allowed is not possible."""
    policies = client.NetworkingV1Api(core.api_client)
    pod = f"client-{node}"
    select = {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"]}
    allowed = [{"from": [{"podSelector": {"matchLabels": {"app": pod}}}]}]
    assert _reaches(core, pod, "server.probe.svc", 80)
    policies.create_namespaced_network_policy(NAMESPACE, {"metadata": {"name": "closed"}, "spec": select})
    try:
        _until(core, "the policy closes", lambda: not _reaches(core, pod, "server.probe.svc", 80), 30)
        spec = {**select, "ingress": allowed}
        policies.create_namespaced_network_policy(NAMESPACE, {"metadata": {"name": "open"}, "spec": spec})
        _until(core, "the other opens", lambda: _reaches(core, pod, "server.probe.svc", 80), 30)
        assert not _reaches(core, "client-node-3", "server.probe.svc", 80)
    finally:
        policies.delete_collection_namespaced_network_policy(NAMESPACE)
    _until(core, "without them it is open again", lambda: _reaches(core, "client-node-3", "server.probe.svc", 80), 30)


def test_a_volume_is_written_by_a_user_and_kept_over_its_pod(core: client.CoreV1Api) -> None:
    """The storage class is the default; fsGroup counts."""
    assert "DONE" in _run(core, "keeper", "touch", "/data/kept")
    core.delete_namespaced_pod("keeper", NAMESPACE)
    _until(core, "it is gone", lambda: "keeper" not in _states(core), 60)
    Applier(core.api_client).apply((_pod("keeper", SLEEP, volume="data"),))
    _until(core, "it is back", lambda: _all_ready(core), 90)
    assert "DONE" in _run(core, "keeper", "stat", "/data/kept")


def test_usage_is_measured(core: client.CoreV1Api) -> None:
    """Autoscaling by processor depends on it."""
    api = client.CustomObjectsApi(core.api_client)

    def measured() -> bool:
        try:
            return len(api.list_namespaced_custom_object("metrics.k8s.io", "v1beta1", NAMESPACE, "pods")["items"]) >= 4
        except ApiException:
            return False

    _until(core, "the pods' usage is there", measured, 90)


def test_cert_manager_issues(core: client.CoreV1Api) -> None:
    """The application's certificates come from it."""
    Applier(core.api_client).apply(
        (
            _object("cert-manager.io/v1", "Issuer", "self", spec={"selfSigned": {}}),
            _object(
                "cert-manager.io/v1",
                "Certificate",
                "leaf",
                spec={"secretName": "leaf-tls", "dnsNames": ["leaf.probe.svc"], "issuerRef": {"name": "self"}},
            ),
        )
    )
    _until(core, "the certificate is there", lambda: _finds(core.read_namespaced_secret, "leaf-tls"), 60)


def _finds(read: Callable[..., Any], name: str) -> bool:
    try:
        return bool(read(name, NAMESPACE))
    except ApiException:
        return False


def test_keda_scales(core: client.CoreV1Api) -> None:
    """By a trigger that needs no server: a schedule that is always on."""
    template = {"metadata": {"labels": {"app": "scaled"}}, "spec": _pod("scaled", SLEEP)["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "scaled"}}, "template": template}
    times = {"timezone": "Etc/UTC", "start": "0 0 1 1 *", "end": "59 23 31 12 *", "desiredReplicas": "3"}
    trigger = {"type": "cron", "metadata": times}
    scaled = {"scaleTargetRef": {"name": "scaled"}, "pollingInterval": 2, "triggers": [trigger]}
    Applier(core.api_client).apply(
        (
            _object("apps/v1", "Deployment", "scaled", spec=spec),
            _object("keda.sh/v1alpha1", "ScaledObject", "scaled", spec=scaled),
        )
    )
    apps = client.AppsV1Api(core.api_client)

    def three() -> bool:
        return apps.read_namespaced_deployment("scaled", NAMESPACE).status.ready_replicas == 3

    _until(core, "there are three", three, 120)
    client.CustomObjectsApi(core.api_client).delete_namespaced_custom_object(
        "keda.sh", "v1alpha1", NAMESPACE, "scaledobjects", "scaled"
    )
    apps.delete_namespaced_deployment("scaled", NAMESPACE)


def test_a_node_port_leads_in(core: client.CoreV1Api, cluster: Cluster) -> None:
    """From the host, through any node."""
    ports = [{**PORT, "nodePort": NODE_PORT}]
    spec = {"type": "NodePort", "selector": {"app": "server"}, "ports": ports}
    Applier(core.api_client).apply((_object("v1", "Service", "outside", spec=spec),))
    for node in cluster.layout.nodes:
        _until(core, f"{node.name} answers", partial(_fetched, node.address), 60)


def _fetched(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}:{NODE_PORT}/", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_node_is_lost_and_returns(core: client.CoreV1Api, cluster: Cluster) -> None:
    """Its cable is pulled: Kubernetes notices, and takes it back."""
    network.link(cluster.layout, "node-3", up=False)
    try:
        _until(core, "node-3 is missed", lambda: not _ready(core.read_node("node-3")), 120)
    finally:
        network.link(cluster.layout, "node-3", up=True)
    _until(core, "node-3 is back", lambda: _ready(core.read_node("node-3")), 60)
    _until(core, "its pods are reached", lambda: _reaches(core, "client-node-3", "server.probe.svc", 80), 60)


def test_a_node_without_power_starts_again(core: client.CoreV1Api, cluster: Cluster) -> None:
    """All of its processes end at once; what runs on it runs again."""
    restarts = _restarts(core, "client-node-2")
    (node,) = processes.marked(cluster.layout.root, only=f"--mount-proc\0sh\0{cluster.layout.nodes[1].root}")
    os.kill(node, signal.SIGKILL)
    _until(core, "its pod was started again", lambda: _restarts(core, "client-node-2") > restarts, 180)
    _until(core, "its pod reaches others", lambda: _answers(core, "client-node-2"), 120)


def _restarts(core: client.CoreV1Api, pod: str) -> int:
    statuses = core.read_namespaced_pod(pod, NAMESPACE).status.container_statuses
    return int(statuses[0].restart_count) if statuses else 0


def _answers(core: client.CoreV1Api, pod: str) -> bool:
    try:
        return _reaches(core, pod, "server.probe.svc", 80)
    except ApiException:
        return False


def test_up_again_changes_nothing(cluster: Cluster, steps: Steps) -> None:
    """Repeated, it only looks whether all is well."""
    pids = processes.marked(cluster.layout.root, only="kube-apiserver\0--bind")
    clusters.up(cluster, steps)
    assert processes.marked(cluster.layout.root, only="kube-apiserver\0--bind") == pids


def test_down_leaves_the_machine_as_it_was(before: machine.Machine, cluster: Cluster, steps: Steps) -> None:
    """No link, namespace, route, rule, mount, control group, setting, process or file; and again is no error."""
    clusters.down(cluster, steps)
    assert machine.now().difference(before) == {}
    clusters.down(cluster, steps)


def test_an_interrupted_start_is_taken_down(before: machine.Machine, cluster: Cluster, steps: Steps) -> None:
    """Killed half way, with processes, mounts and links that nobody waits for."""
    one = cluster
    clusters.prepare(one)
    one.supervisor.start(clusters.programs(one))
    until("a node's runtime answers", one.layout.nodes[0].containerd.exists, 60)
    (supervisor,) = [pid for pid in processes.marked(one.layout.root, only="supervisord") if _is_first(pid, one)]
    os.kill(supervisor, signal.SIGKILL)
    clusters.down(one, steps)
    assert machine.now().difference(before) == {}


def _is_first(pid: int, cluster: Cluster) -> bool:
    with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - not a path of ours
        return f"{cluster.layout.root}/supervisor.ini".encode() in file.read().split(b"\0")
