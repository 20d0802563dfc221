"""rabbitmq.conf and its companions, for every version."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from infra.servers.rabbitmq.cluster import (
    Cluster,
    ClusterError,
    DiskFreeLimit,
    RabbitMQVersion,
    kubernetes_discovery,
    kubernetes_hosts,
    node_name,
)
from infra.servers.rabbitmq.conf import rabbitmq_conf
from infra.servers.rabbitmq.files import config, enabled_plugins, inter_node_tls

EVERY: tuple[RabbitMQVersion, ...] = get_args(RabbitMQVersion)
PODS = kubernetes_hosts("rabbitmq-nodes", "millrace-data")
GIB = 1024**3


def _local(version: RabbitMQVersion, hosts: tuple[str, ...] = ("a", "b", "c")) -> Cluster:
    return Cluster(
        version=version, hosts=hosts, memory_limit_bytes=GIB, disk_free_limit=DiskFreeLimit("absolute", "1GB")
    )


def _kubernetes(version: RabbitMQVersion) -> Cluster:
    return Cluster(
        version=version,
        hosts=PODS,
        discovery=kubernetes_discovery(version),
        memory_limit_bytes=4 * GIB,
        disk_free_limit=DiskFreeLimit("relative", "1.0"),
        consumer_timeout_seconds=60,
        heartbeat_seconds=20,
    )


def _settings(cluster: Cluster) -> dict[str, str]:
    lines = [line for line in rabbitmq_conf(cluster).splitlines() if line and not line.startswith("#")]
    pairs = [line.partition(" = ") for line in lines]
    assert len({key for key, _, _ in pairs}) == len(pairs), "a key twice"
    return {key: value for key, _, value in pairs}


@pytest.mark.parametrize("version", EVERY)
@pytest.mark.parametrize("make", [_local, _kubernetes])
def test_only_tls_and_nobody_without_a_password(
    version: RabbitMQVersion, make: Callable[[RabbitMQVersion], Cluster]
) -> None:
    """Nothing answers without TLS, and neither guest nor an anonymous user comes in, whatever the version."""
    settings = _settings(make(version))

    assert settings["listeners.tcp"] == settings["prometheus.tcp.listener"] == "none"
    assert not [key for key in settings if key.startswith(("management.tcp", "listeners.tcp.", "prometheus.tcp.port"))]
    assert settings["anonymous_login_user"] == "none"
    assert settings["loopback_users.guest"] == "true"
    assert settings["prometheus.authentication.enabled"] == "true"


@pytest.mark.parametrize("version", EVERY)
def test_partitions(version: RabbitMQVersion) -> None:
    """Mnesia must be told to pause the minority; 4.3 has no Mnesia, and the key no meaning."""
    strategy = _settings(_local(version)).get("cluster_partition_handling")

    assert strategy == (None if version == "4.3" else "pause_minority")


@pytest.mark.parametrize("version", EVERY)
def test_discovery_in_kubernetes_needs_no_api_server(version: RabbitMQVersion) -> None:
    """Pod 0 from 4.1 on; before, the plugin would ask the API server, so the pods are listed."""
    cluster = _kubernetes(version)
    settings = _settings(cluster)
    listed = {settings[key] for key in settings if key.startswith("cluster_formation.classic_config.nodes.")}

    assert settings["cluster_formation.target_cluster_size_hint"] == "3"
    if version == "4.0":
        assert settings["cluster_formation.peer_discovery_backend"] == "classic_config"
        assert listed == {f"rabbit@rabbitmq-{i}.rabbitmq-nodes.millrace-data.svc.cluster.local" for i in range(3)}
        assert "k8s" not in enabled_plugins(cluster)
    else:
        assert settings["cluster_formation.peer_discovery_backend"] == "k8s"
        assert settings["cluster_formation.k8s.ordinal_start"] == "0"
        assert not listed
        assert "rabbitmq_peer_discovery_k8s" in enabled_plugins(cluster)
    assert not [key for key in settings if key.startswith("cluster_formation.k8s.") and "ordinal" not in key]


def test_limits_are_the_clusters() -> None:
    """A node that believes it has the whole machine is killed before it raises an alarm."""
    settings = _settings(_kubernetes("4.3"))

    assert settings["total_memory_available_override_value"] == str(4 * GIB)
    assert settings["vm_memory_high_watermark.relative"] == "0.6"
    assert settings["disk_free_limit.relative"] == "1.0"
    assert settings["consumer_timeout"] == "60000"
    assert settings["heartbeat"] == "20"


def test_one_node_looks_for_nobody() -> None:
    """Or it would wait for itself."""
    assert not [key for key in _settings(_local("4.3", ("one",))) if key.startswith("cluster_formation")]


def test_keys_of_later_versions_stay_there() -> None:
    """An older node does not start with a key that it does not know."""
    assert "consumer_disconnected_timeout" in _settings(_local("4.3"))
    assert "consumer_disconnected_timeout" not in _settings(_local("4.2"))


def test_both_ends_of_a_connection_between_nodes_prove_themselves() -> None:
    """verify_peer twice, and a server that insists on a certificate: without it none is no mistake."""
    text = inter_node_tls()

    assert text.count("{verify, verify_peer}") == 2
    assert text.count("{fail_if_no_peer_cert, true}") == 1
    assert "verify_none" not in text


def test_names() -> None:
    """Long names where host names have dots, short ones in compose."""
    assert _kubernetes("4.3").environment == {"RABBITMQ_USE_LONGNAME": "true"}
    assert _local("4.3").environment == {}
    assert node_name(PODS[2]) == _kubernetes("4.3").nodes[2]


def test_files_are_those_that_the_image_reads() -> None:
    """The Dockerfile names each."""
    assert config(_local("4.3")).keys() == {"rabbitmq.conf", "enabled_plugins", "inter_node_tls.config"}


@pytest.mark.parametrize(
    ("hosts", "version", "discovery", "why"),
    [
        (("a", "b"), "4.3", "classic", "odd"),
        ((), "4.3", "classic", "odd"),
        (("a", "b.c.d", "e"), "4.3", "classic", "mixed"),
        (PODS, "4.0", "k8s", "API server"),
        (PODS[::-1], "4.3", "k8s", "pod 0"),
        (("a", "b", "c"), "4.3", "k8s", "pod 0"),
    ],
)
def test_what_could_not_work_is_refused(
    hosts: tuple[str, ...], version: RabbitMQVersion, discovery: str, why: str
) -> None:
    """Before a pod is replaced, not after."""
    with pytest.raises(ClusterError, match=why):
        Cluster(
            version=version,
            hosts=hosts,
            discovery=discovery,  # type: ignore[arg-type]
            memory_limit_bytes=GIB,
            disk_free_limit=DiskFreeLimit("absolute", "1GB"),
        )
