"""The files of a node that are no secrets, by name: mounted in the image's folder `cluster.CONFIG`."""

from __future__ import annotations

from collections.abc import Mapping

from infra.servers.rabbitmq.cluster import SECRETS, Cluster
from infra.servers.rabbitmq.conf import rabbitmq_conf


def config(cluster: Cluster) -> Mapping[str, str]:
    """File name to content."""
    return {
        "rabbitmq.conf": rabbitmq_conf(cluster),
        "enabled_plugins": enabled_plugins(cluster),
        "inter_node_tls.config": inter_node_tls(),
    }


def enabled_plugins(cluster: Cluster) -> str:
    """Exactly these, in Erlang's terms."""
    plugins = ["rabbitmq_management", "rabbitmq_prometheus"]
    if cluster.discovery == "k8s":
        plugins.append("rabbitmq_peer_discovery_k8s")
    return f"[{','.join(plugins)}].\n"


def inter_node_tls() -> str:
    """How nodes and command-line tools speak with each other: TLS both ways, each proves itself with its certificate.

    Who connects also checks the name of the host that it meant, which must stand in the certificate in full: Erlang
    takes no wildcard here. One file for both ends of a connection, because every node is both.
    """
    certificate = [
        f'{{cacertfile, "{SECRETS}/ca.crt"}}',
        f'{{certfile, "{SECRETS}/tls.crt"}}',
        f'{{keyfile, "{SECRETS}/tls.key"}}',
        "{verify, verify_peer}",
        "{versions, ['tlsv1.3', 'tlsv1.2']}",
    ]
    server = ",\n    ".join([*certificate, "{fail_if_no_peer_cert, true}"])
    client = ",\n    ".join(certificate)
    return f"[\n  {{server, [\n    {server}\n  ]}},\n  {{client, [\n    {client}\n  ]}}\n].\n"
