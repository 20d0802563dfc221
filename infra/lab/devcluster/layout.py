"""The cluster's folders, its nodes, their names and addresses. Only one cluster can run on a machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: Everything that the cluster writes. Not below /run or /tmp, which may be in memory, nor below /var/lib, which a node
#: has to itself.
ROOT = Path("/var/cache/millrace-cluster")
#: The host's end of the cable to the cluster.
HOST_INTERFACE = "mr0"
#: A group of this name in every hierarchy holds all that runs in nodes.
CGROUP = "mr"
HOST_ADDRESS = "10.96.0.1"
ROUTER_ADDRESS = "10.96.0.2"
API_PORT = 6443
#: Where the gateway is reached from this machine, whichever nodes live.
LOAD_BALANCER_ADDRESS = "127.0.0.1"
LOAD_BALANCER_PORT = 10443
DNS_ADDRESS = "10.97.0.10"
DOMAIN = "cluster.local"


@dataclass(frozen=True)
class Node:
    """One node: a network, process and mount namespace with a container runtime of its own."""

    cluster: Path
    number: int

    @property
    def name(self) -> str:
        """Its name in Kubernetes, on the bridge, and among the supervisor's programs."""
        return f"node-{self.number}"

    @property
    def root(self) -> Path:
        """Its files."""
        return self.cluster / self.name

    @property
    def address(self) -> str:
        """On the cluster's network."""
        return f"10.96.0.{10 + self.number}"

    @property
    def pods(self) -> str:
        """The addresses of its pods."""
        return f"10.98.{self.number}.0/24"

    @property
    def network(self) -> Path:
        """Its network namespace, held by a bind mount."""
        return self.cluster / "net" / self.name

    @property
    def containerd(self) -> Path:
        """The socket of its container runtime, reachable from the host too."""
        return self.root / "containerd.sock"

    @property
    def cgroup(self) -> str:
        """Below each hierarchy's root."""
        return f"{CGROUP}/{self.name}"


@dataclass(frozen=True)
class Layout:
    """The whole cluster."""

    root: Path = ROOT
    count: int = 3

    @property
    def nodes(self) -> tuple[Node, ...]:
        """node-1, node-2, ..."""
        return tuple(Node(self.root, number) for number in range(1, self.count + 1))

    @property
    def router(self) -> Path:
        """The network namespace with the bridge, so that the host's own rules and forwarding have no part in it."""
        return self.root / "net" / "router"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.root / "admin.kubeconfig"
