"""A RabbitMQ cluster as a value: which version, which nodes, how they find each other, what each may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

RabbitMQVersion = Literal["4.3", "4.2", "4.1", "4.0"]
#: Those we have an image of; the first is the default. `conf` knows the others for images of other people.
VERSIONS: tuple[RabbitMQVersion, ...] = ("4.3", "4.0")

#: Where the image expects the secrets of its node, and `files.config`.
SECRETS = "/run/secrets/millrace"
CONFIG = "/etc/millrace"

#: A consumer that holds a message longer than this is taken for hung. A slot may hold its prefetched messages for a
#: time limit each, and waits in place while PostgreSQL is away: minutes, never half an hour.
CONSUMER_TIMEOUT_SECONDS = 30 * 60

#: `classic`: the nodes are listed. `k8s`: the node of the first pod is where the others join (RabbitMQ 4.1 and later:
#: without asking the API server, so without a token, a role, or a way there).
Discovery = Literal["classic", "k8s"]


class ClusterError(ValueError):
    """A cluster that could not work; the message says why."""


@dataclass(frozen=True)
class DiskFreeLimit:
    """Below this much free disk a node takes no more messages: of its memory, or bytes with a unit (`500MB`)."""

    kind: Literal["relative", "absolute"]
    value: str


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What `files` and `conf` need to know."""

    version: RabbitMQVersion
    #: Host names, as the nodes call each other. With dots in them node names are long.
    hosts: tuple[str, ...]
    #: What a node's container may use. A node that does not know its limit believes it has the whole machine.
    memory_limit_bytes: int
    disk_free_limit: DiskFreeLimit
    discovery: Discovery = "classic"
    consumer_timeout_seconds: int = CONSUMER_TIMEOUT_SECONDS
    #: A client that went away without a word is noticed in twice this.
    heartbeat_seconds: int = 10

    def __post_init__(self) -> None:
        """Refuse what could not work.

        Raises:
            ClusterError: see its message.
        """
        if len(self.hosts) % 2 == 0:
            raise ClusterError(f"{len(self.hosts)} nodes: an odd number loses as many and needs one less for a quorum")
        if len({"." in host for host in self.hosts}) != 1:
            raise ClusterError(f"short and long names cannot be mixed: {', '.join(self.hosts)}")
        if self.discovery == "k8s" and not self.at_least("4.1"):
            raise ClusterError(
                f"discovery k8s of RabbitMQ {self.version} asks the API server; list the nodes (classic)"
            )
        if self.discovery == "k8s" and not self.hosts[0].partition(".")[0].endswith("-0"):
            raise ClusterError(f"discovery k8s begins at pod 0, and the first node is {self.hosts[0]}")

    def at_least(self, version: RabbitMQVersion) -> bool:
        """Whether this is that version or a later one."""
        return _order(self.version) >= _order(version)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Erlang's names of the nodes."""
        return tuple(node_name(host) for host in self.hosts)

    @property
    def long_names(self) -> bool:
        """Whether host names are whole domain names."""
        return "." in self.hosts[0]

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment of every node; with long names each also needs RABBITMQ_NODENAME, `node_name` of its host."""
        return {"RABBITMQ_USE_LONGNAME": "true"} if self.long_names else {}


def kubernetes_hosts(service: str, namespace: str, *, name: str = "rabbitmq", replicas: int = 3) -> tuple[str, ...]:
    """The pods of a StatefulSet behind its headless service."""
    return tuple(f"{name}-{i}.{service}.{namespace}.svc.cluster.local" for i in range(replicas))


def kubernetes_discovery(version: RabbitMQVersion) -> Discovery:
    """How nodes find each other in Kubernetes without the API server."""
    return "k8s" if _order(version) >= _order("4.1") else "classic"


def node_name(host: str) -> str:
    """Erlang's name of the node there. Kubernetes fills in `$(POD_NAME)` within it."""
    return f"rabbit@{host}"


def _order(version: RabbitMQVersion) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
