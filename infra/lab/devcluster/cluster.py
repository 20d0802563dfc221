"""Brings the cluster up and takes it down, in the order that is fastest and right. Safe to repeat and to interrupt."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from infra import naming
from infra.authority import Pair
from infra.lab.devcluster import (
    addons,
    cgroups,
    identity,
    images,
    load_balancer,
    masters,
    mounts,
    network,
    node as nodes,
    pki,
    requirements,
)
from infra.lab.devcluster.apply import Applier
from infra.lab.devcluster.connect import connected, works
from infra.lab.devcluster.layout import API_PORT, HOST_ADDRESS, Layout, Node
from infra.lab.devcluster.programs import Program, settings
from infra.lab.devcluster.shell import run
from infra.lab.devcluster.supervisor import Supervisor
from infra.lab.devcluster.waiting import DevclusterError, until
from infra.lab.toolchain import go_tool
from infra.local.certificates import make_leaf
from infra.local.progress import Steps

#: What nodes call to give pods their network.
CNI_PROGRAMS = ("calico", "host-local", "loopback")
#: Slowest first; what shares a module follows the one that compiles it.
PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kubelet",
    "kube-scheduler",
    "kube-proxy",
    "etcd",
    "pause",
    "calico-felix",
    *CNI_PROGRAMS,
    *addons.PROGRAMS,
)
ADDRESS_ANNOTATION = "projectcalico.org/IPv4Address"
API_SECONDS = 120
NODE_SECONDS = 180
ADDON_SECONDS = 300


@dataclass(frozen=True)
class Cluster:
    """The cluster of this machine."""

    layout: Layout = field(default_factory=Layout)

    @property
    def supervisor(self) -> Supervisor:
        """Runs the control plane and, as one program each, the nodes."""
        return Supervisor(self.layout.root)

    def node_supervisor(self, node: Node) -> Supervisor:
        """The first process of a node."""
        return Supervisor(node.root)

    def client(self) -> AbstractContextManager[client.ApiClient]:
        """A client of the administrator."""
        return connected(self.layout.kubeconfig)

    @property
    def runs(self) -> bool:
        """Whether its supervisor does."""
        return self.supervisor.lives


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """One change at a time, without a file that would stay.

    Raises:
        DevclusterError: somebody else is at it.
    """
    folder = os.open(layout.root.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DevclusterError("another `make cluster` or `make cluster-down` is running; wait for it") from error
    else:
        yield
    finally:
        os.close(folder)


def build(steps: Steps) -> None:
    """Build every program that is missing. One after the other: Go itself uses all processors."""
    for name in PROGRAMS:
        go_tool(name, steps)


def up(cluster: Cluster, steps: Steps) -> None:
    """Start what does not run, and wait until all of it works."""
    requirements.ensure(steps)
    build(steps)
    if not cluster.runs:
        # What an interrupted or killed one left is not worth mending.
        down(cluster, steps)
        with steps.step("folders, certificates, network", 3):
            prepare(cluster)
        with steps.step("start the control plane and the nodes", 2):
            cluster.supervisor.start(programs(cluster))
    # Without it no pod starts, and the first failure is tried again only after some time.
    with steps.step("the container runtimes answer", 3):
        _load_pause(cluster)
    with steps.step("the API server answers", 10):
        answers = partial(works, cluster.layout.kubeconfig)
        until("the API server answers", answers, API_SECONDS, explain=lambda: _explain(cluster))
    with steps.step("addons", 8), cluster.client() as api:
        for name in addons.NAMES:
            Applier(api).apply(addons.manifests(name, go_tool))
    with steps.step(f"{cluster.layout.count} nodes are ready", 15):
        until("the nodes have come", lambda: _introduced(cluster), NODE_SECONDS, explain=lambda: _explain(cluster))
        until(
            "the nodes are ready", lambda: not unready_nodes(cluster), NODE_SECONDS, explain=lambda: _explain(cluster)
        )
    with steps.step("the addons work", 25) as note, cluster.client() as api:

        def ready() -> bool:
            missing = _addons_unready(api)
            note(", ".join(missing))
            return not missing

        until("the addons work", ready, ADDON_SECONDS, explain=lambda: ", ".join(_addons_unready(api)))


def _addons_unready(api: client.ApiClient) -> tuple[str, ...]:
    """Not what somebody runs on the cluster: a pool that scales out may wait for room as long as it likes."""
    return tuple(
        each for each in Applier(api).unready() if not each.startswith(tuple(f"{one}/" for one in naming.NAMESPACES))
    )


def down(cluster: Cluster, steps: Steps) -> None:
    """End every process of the cluster, and remove every trace."""
    requirements.need_root()
    root = cluster.layout.root
    with steps.step("remove what there is of a cluster", 3):
        cluster.supervisor.stop()
        network.remove_interface()
        mounts.unmount(root)
        cgroups.remove()
        shutil.rmtree(root, ignore_errors=False) if root.exists() else None


def prepare(cluster: Cluster) -> None:
    """Write every file, and make network and control groups."""
    layout = cluster.layout
    layout.root.mkdir(mode=0o700)
    master = _master(layout)
    users = (
        identity.admin(),
        *(identity.component(name) for name in (masters.CONTROLLER_MANAGER, masters.SCHEDULER, "kube-proxy")),
        identity.component(nodes.CALICO_USER),
        *(identity.node(node.name) for node in layout.nodes),
    )
    authority = pki.write(master, users)
    (layout.root / "cni").mkdir()
    for name in CNI_PROGRAMS:
        (layout.root / "cni" / name).symlink_to(go_tool(name))
    for node in layout.nodes:
        _prepare_node(node, authority)
    load_balancer.write(layout)
    cgroups.make(layout)
    network.make(layout)


def _prepare_node(node: Node, authority: Pair) -> None:
    for folder in ("lib", "log", "logs", "cni", "kernel"):
        (node.root / folder).mkdir(parents=True)
    pki.write_pair(node.cluster / "pki", node.name, make_leaf(authority, (node.name, node.address)))
    configuration = node.root / "supervisor.ini"
    command = (sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration))
    for name, content in nodes.files(node, command).items():
        (node.root / name).parent.mkdir(parents=True, exist_ok=True)
        (node.root / name).write_text(content)
    configuration.write_text(settings(nodes.programs(node, go_tool, iptables=iptables_kind()), node.root))


def programs(cluster: Cluster) -> tuple[Program, ...]:
    """What the supervisor of the whole runs."""
    master = _master(cluster.layout)
    return (
        masters.etcd(master, go_tool),
        masters.api_server(master, go_tool, serves_nodes=True),
        masters.controller_manager(master, go_tool),
        masters.scheduler(master, go_tool),
        # A node ends as by a power cut; nothing on it is kept.
        *(Program(node.name, nodes.start_command(node), priority=40) for node in cluster.layout.nodes),
        load_balancer.program(cluster.layout),
    )


def _master(layout: Layout) -> masters.Master:
    return masters.Master(layout.root, HOST_ADDRESS, API_PORT)


def iptables_kind() -> str:
    """Felix must write its rules the way kube-proxy does: through the host's `iptables`."""
    return "NFT" if "nf_tables" in run("iptables", "--version") else "Legacy"


def _introduced(cluster: Cluster) -> bool:
    """Tell Felix where each node is; False while one is not registered."""
    with cluster.client() as api:
        try:
            for node in cluster.layout.nodes:
                annotation = {ADDRESS_ANNOTATION: f"{node.address}/24"}
                client.CoreV1Api(api).patch_node(node.name, {"metadata": {"annotations": annotation}})
        except (ApiException, HTTPError):
            return False
    return True


def unready_nodes(cluster: Cluster) -> tuple[str, ...]:
    """Nodes that are not ready or not there."""
    try:
        with cluster.client() as api:
            found = client.CoreV1Api(api).list_node().items
    except (ApiException, HTTPError) as error:
        return (f"the API server: {error}",)
    ready = {
        node.metadata.name
        for node in found
        if any(state.type == "Ready" and state.status == "True" for state in node.status.conditions or ())
    }
    return tuple(node.name for node in cluster.layout.nodes if node.name not in ready)


def _load_pause(cluster: Cluster) -> None:
    file = cluster.layout.root / "pause.tar"
    file.write_bytes(images.archive(nodes.PAUSE_IMAGE, go_tool("pause").read_bytes()))

    def one(node: Node) -> None:
        until(f"the container runtime of {node.name} answers", lambda: _has_runtime(node), NODE_SECONDS)
        images.load(node, file)

    with ThreadPoolExecutor() as pool:
        list(pool.map(one, cluster.layout.nodes))


def _has_runtime(node: Node) -> bool:
    command = ("ctr", f"--address={node.containerd}", "version")
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 - a fixed command


def _explain(cluster: Cluster) -> str:
    parts = [f"{name}: {state}" for name, state in cluster.supervisor.states().items()]
    parts += [cluster.supervisor.tail("kube-apiserver")]
    for node in cluster.layout.nodes:
        parts += [f"--- {node.name}", cluster.supervisor.tail(node.name), cluster.node_supervisor(node).tail("kubelet")]
    return "\n".join(parts)
