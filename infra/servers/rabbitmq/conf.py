"""rabbitmq.conf of a cluster's nodes: the same file for all of them."""

from __future__ import annotations

from app import contract
from infra.servers.rabbitmq.cluster import SECRETS, Cluster
from infra.servers.rabbitmq.definitions import FOLDER


def rabbitmq_conf(cluster: Cluster) -> str:
    """The file, for the cluster's version."""
    lines = [
        f"# RabbitMQ {cluster.version}, {len(cluster.hosts)} node(s). Made by infra.servers.rabbitmq.",
        *_listeners(),
        "",
        "# Users come from the definitions; nobody comes in without a password, and there is no guest.",
        "anonymous_login_user = none",
        "loopback_users.guest = true",
        "auth_mechanisms.1 = PLAIN",
        "auth_mechanisms.2 = AMQPLAIN",
        "definitions.import_backend = local_filesystem",
        f"definitions.local.path = {SECRETS}/{FOLDER}",
        "definitions.skip_if_unchanged = true",
        "",
        "cluster_name = millrace",
        *_peers(cluster),
        *_partitions(cluster),
        "default_queue_type = quorum",
        "# Leaders spread over the nodes, so that the loss of one stops a third of the queues for a moment, not all.",
        "queue_leader_locator = balanced",
        "",
        "# Of the container, not of the machine; the rest is for Erlang, connections and the tables of the log.",
        f"total_memory_available_override_value = {cluster.memory_limit_bytes}",
        "vm_memory_high_watermark.relative = 0.6",
        f"disk_free_limit.{cluster.disk_free_limit.kind} = {cluster.disk_free_limit.value}",
        f"heartbeat = {cluster.heartbeat_seconds}",
        f"consumer_timeout = {cluster.consumer_timeout_seconds * 1000}",
        *_disconnected_consumers(cluster),
        "# 1,000 events of 28 KB are more than this; batches hold at most 256 KiB.",
        "max_message_size = 16777216",
        "",
        "# Management is for looking, Prometheus is for measuring: no rates kept twice.",
        f"management.rates_mode = {'basic' if cluster.at_least('4.3') else 'none'}",
        "collect_statistics_interval = 10000",
        "log.console = true",
        "log.console.level = info",
        "log.file = false",
        "",
    ]
    return "\n".join(lines)


def _tls(prefix: str) -> list[str]:
    return [
        f"{prefix}cacertfile = {SECRETS}/ca.crt",
        f"{prefix}certfile = {SECRETS}/tls.crt",
        f"{prefix}keyfile = {SECRETS}/tls.key",
    ]


def _listeners() -> list[str]:
    return [
        "# TLS only: AMQP, management and metrics. Clients prove themselves with a password.",
        "listeners.tcp = none",
        f"listeners.ssl.default = {contract.PORT_AMQPS}",
        *_tls("ssl_options."),
        "ssl_options.verify = verify_none",
        "ssl_options.fail_if_no_peer_cert = false",
        "ssl_options.versions.1 = tlsv1.3",
        "ssl_options.versions.2 = tlsv1.2",
        f"management.ssl.port = {contract.PORT_RABBITMQ_MANAGEMENT}",
        *_tls("management.ssl."),
        "prometheus.tcp.listener = none",
        f"prometheus.ssl.port = {contract.PORT_RABBITMQ_METRICS}",
        *_tls("prometheus.ssl."),
        "prometheus.authentication.enabled = true",
    ]


def _peers(cluster: Cluster) -> list[str]:
    if len(cluster.hosts) == 1:
        return ["# One node: no peers to look for."]
    size = f"cluster_formation.target_cluster_size_hint = {len(cluster.hosts)}"
    if cluster.discovery == "k8s":
        return [
            "# Pod 0 founds the cluster and the others join it, asking for ever; nobody asks the API server.",
            "cluster_formation.peer_discovery_backend = k8s",
            "cluster_formation.k8s.ordinal_start = 0",
            size,
        ]
    return [
        "cluster_formation.peer_discovery_backend = classic_config",
        *(f"cluster_formation.classic_config.nodes.{i} = {node}" for i, node in enumerate(cluster.nodes, 1)),
        size,
        "# New nodes wait for each other. The default gives up soon, and on a busy machine a node that was early then",
        "# founded a cluster of its own, for good (seen with four stacks starting on two cores).",
        "cluster_formation.discovery_retry_limit = 240",
        "cluster_formation.discovery_retry_interval = 500",
    ]


def _partitions(cluster: Cluster) -> list[str]:
    """From 4.3 on Khepri (Raft) decides and the key means nothing; Mnesia's default is to do nothing and diverge."""
    if cluster.at_least("4.3"):
        return []
    return ["# The side without a majority stops until it is healed.", "cluster_partition_handling = pause_minority"]


def _disconnected_consumers(cluster: Cluster) -> list[str]:
    """Of 4.3: a message whose consumer was connected to a node that died waits this long for the node to come back.

    60 s by default, so the few messages in flight at a kill waited as long as the node was dead (measured: 35 s). Given
    back early to another worker one may run twice, which the inbox absorbs.
    """
    if not cluster.at_least("4.3"):
        return []
    return [
        "# Messages in flight on a dead node go to another worker after this (milliseconds).",
        "consumer_disconnected_timeout = 2000",
    ]
