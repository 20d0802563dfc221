"""docs/rabbitmq.md, row by row, on the rendered stacks; tests/proofs/rabbitmq has what must run to be seen."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import pytest

from infra.servers.rabbitmq.cluster import VERSIONS
from tests.unit.infra.stacks import ROOT, Rendered, config_of, render

TABLE = ROOT / "docs" / "rabbitmq.md"


def _spec(rendered: Rendered) -> Mapping[str, Any]:
    return rendered.one("StatefulSet", "rabbitmq").body["spec"]


def _pod(rendered: Rendered) -> Mapping[str, Any]:
    return _spec(rendered)["template"]["spec"]


def _container(rendered: Rendered) -> Mapping[str, Any]:
    [container] = _pod(rendered)["containers"]
    return container


def _files(rendered: Rendered) -> Mapping[str, str]:
    return rendered.one("ConfigMap", "rabbitmq-config").body["data"]


def _conf(rendered: Rendered) -> dict[str, str]:
    lines = [line for line in _files(rendered)["rabbitmq.conf"].splitlines() if line and not line.startswith("#")]
    return dict(tuple(part.strip() for part in line.split("=", 1)) for line in lines)  # type: ignore[misc]


def _environment(rendered: Rendered) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in _container(rendered)["env"]}


@lru_cache
def _of_version(version: str) -> Rendered:
    config = config_of("staging")
    config["millrace:broker"] = json.dumps({**json.loads(config["millrace:broker"]), "version": version})
    images = json.loads(config["millrace:images"])
    images["versions"]["rabbitmq"] = f"{version}-0.1.0"
    config["millrace:images"] = json.dumps(images)
    return render("staging", config)


def test_three_nodes(rendered: Rendered) -> None:
    """Odd, and as many as the nodes are told to expect."""
    assert _spec(rendered)["replicas"] == 3
    assert _conf(rendered)["cluster_formation.target_cluster_size_hint"] == "3"


def test_parallel_start(rendered: Rendered) -> None:
    """After a full stop no node waits for one that is not started yet."""
    assert _spec(rendered)["podManagementPolicy"] == "Parallel"


def test_rolling_update(rendered: Rendered) -> None:
    """One after the other, and a partition to stop at."""
    assert _spec(rendered)["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}


def test_the_stop_is_bounded(rendered: Rendered) -> None:
    """Quorum, then drain, then RabbitMQ's own stop: their bounds fit into the grace period."""
    timeout, bound, script, quorum, drain = _container(rendered)["lifecycle"]["preStop"]["exec"]["command"]
    assert (timeout, script) == ("timeout", "millrace-stop")
    assert int(quorum) + int(drain) < int(bound) < _pod(rendered)["terminationGracePeriodSeconds"]


def test_the_stop_can_be_skipped(rendered: Rendered) -> None:
    """By an annotation that the pod sees as a file, because a whole cluster that goes has no quorum to wait for."""
    [volume] = [one for one in _pod(rendered)["volumes"] if "downwardAPI" in one]
    [item] = volume["downwardAPI"]["items"]
    assert item["fieldRef"]["fieldPath"] == "metadata.annotations['millrace.dev/skip-prestop-checks']"
    [mount] = [one for one in _container(rendered)["volumeMounts"] if one["name"] == volume["name"]]
    assert f"{mount['mountPath']}/{item['path']}" == "/etc/pod-info/skip-prestop-checks"


def test_readiness_is_a_connection(rendered: Rendered) -> None:
    """An alarm must not take the node out of the service."""
    assert _container(rendered)["readinessProbe"]["tcpSocket"] == {"port": 5671}


def test_startup_proves_the_cluster(rendered: Rendered) -> None:
    """A node that founded a cluster of its own is never started."""
    assert _container(rendered)["startupProbe"]["exec"]["command"] == ["millrace-started"]


def test_no_liveness(rendered: Rendered) -> None:
    """A restart mends no broker."""
    assert "livenessProbe" not in _container(rendered)


def test_headless_service(rendered: Rendered) -> None:
    """Peers find each other before they are ready."""
    spec = rendered.one("Service", "rabbitmq-nodes").body["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)
    assert {port["port"] for port in spec["ports"]} >= {4369, 25672}
    assert _spec(rendered)["serviceName"] == "rabbitmq-nodes"


def test_client_service_is_tls_only(rendered: Rendered) -> None:
    """AMQP, management and metrics, each over TLS."""
    spec = rendered.one("Service", "rabbitmq").body["spec"]
    assert spec["type"] == "ClusterIP"
    assert {port["port"] for port in spec["ports"]} == {5671, 15671, 15691}


def test_long_names(rendered: Rendered) -> None:
    """As the headless service gives them, and as the certificate has them."""
    environment = _environment(rendered)
    assert environment["RABBITMQ_USE_LONGNAME"] == "true"
    assert environment["RABBITMQ_NODENAME"] == "rabbit@$(POD_NAME).rabbitmq-nodes.millrace-data.svc.cluster.local"
    assert next(iter(_container(rendered)["env"]))["name"] == "POD_NAME", "a value refers only to those before it"
    names = rendered.one("Certificate", "rabbitmq-tls").body["spec"]["dnsNames"]
    nodes = {f"rabbitmq-{i}.rabbitmq-nodes.millrace-data.svc.cluster.local" for i in range(3)}
    assert {*nodes, "rabbitmq.millrace-data.svc"} <= set(names)


def test_the_cookie_is_a_secret(rendered: Rendered) -> None:
    """Generated, mounted as a file, and no part of the hash that starts pods anew."""
    keys = rendered.one("Secret", "rabbitmq-secrets").body["metadata"]["annotations"]["millrace.dev/generated-keys"]
    assert "erlang_cookie" in keys.split(",")
    assert "erlang-cookie" in {one.name for one in rendered.registered if one.type.startswith("random:")}


@pytest.mark.parametrize("version", VERSIONS)
def test_discovery_needs_no_api_server(version: str) -> None:
    """By the first pod's name from 4.1 on, by a list before; never a token, a role or a way to the API server."""
    rendered = _of_version(version)
    conf = _conf(rendered)
    backend = conf["cluster_formation.peer_discovery_backend"]
    assert backend == ("classic_config" if version == "4.0" else "k8s")
    if version == "4.0":
        assert conf["cluster_formation.classic_config.nodes.1"].startswith("rabbit@rabbitmq-0.rabbitmq-nodes.")
    else:
        assert conf["cluster_formation.k8s.ordinal_start"] == "0"
        assert not any("k8s.host" in key for key in conf)
    assert ("rabbitmq_peer_discovery_k8s" in _files(rendered)["enabled_plugins"]) is (version != "4.0")
    assert _pod(rendered)["automountServiceAccountToken"] is False
    assert not rendered.bodies("Role", "ClusterRole")


@pytest.mark.parametrize(("version", "expected"), [("4.0", "pause_minority"), ("4.3", None)])
def test_partition_handling(version: str, expected: str | None) -> None:
    """4.3 has none to set."""
    assert _conf(_of_version(version)).get("cluster_partition_handling") == expected


def test_cluster_name_and_leaders(rendered: Rendered) -> None:
    """Named; leaders spread; none of the keys that 4.3 denies."""
    conf = _conf(rendered)
    assert conf["cluster_name"]
    assert conf["queue_leader_locator"] == "balanced"
    assert not any("queue_master_locator" in key for key in conf)


def test_queues_are_quorum_queues(rendered: Rendered) -> None:
    """Also those that somebody declares without a type."""
    [vhost] = json.loads(_files(rendered)["10-vhost.json"])["vhosts"]
    assert "quorum" in json.dumps([vhost, _conf(rendered).get("default_queue_type", "")])


def test_memory(rendered: Rendered) -> None:
    """A node knows its limit, and what it asks for is what it may use."""
    resources = _container(rendered)["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    conf = _conf(rendered)
    assert rendered.stack.broker.resources
    assert int(conf["total_memory_available_override_value"]) == rendered.stack.broker.resources.memory_bytes
    assert conf["vm_memory_high_watermark.relative"] == "0.6"


def test_disk(rendered: Rendered) -> None:
    """As much free as the node has memory."""
    assert _conf(rendered)["disk_free_limit.relative"] == "1.0"


def test_claims_outlive_the_set(rendered: Rendered) -> None:
    """Deleted or scaled, the disks stay."""
    assert _spec(rendered)["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}


def test_disruption_budget(rendered: Rendered) -> None:
    """One at a time."""
    assert rendered.one("PodDisruptionBudget", "rabbitmq").body["spec"]["maxUnavailable"] == 1


def test_apart(both: dict[str, Rendered]) -> None:
    """In prod never two on a host, and over zones."""
    rules = _pod(both["prod"])["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert [rule["topologyKey"] for rule in rules] == ["kubernetes.io/hostname"]
    spread = {one["topologyKey"]: one["whenUnsatisfiable"] for one in _pod(both["prod"])["topologySpreadConstraints"]}
    assert spread == {"kubernetes.io/hostname": "DoNotSchedule", "topology.kubernetes.io/zone": "DoNotSchedule"}
    assert "affinity" not in _pod(both["staging"])


def test_tls_only(rendered: Rendered) -> None:
    """No plain listener of any kind."""
    conf = _conf(rendered)
    assert conf["listeners.tcp"] == "none"
    assert conf["prometheus.tcp.listener"] == "none"
    assert conf["listeners.ssl.default"] == "5671"
    assert conf["management.ssl.port"] == "15671"
    assert not any(key.startswith("management.tcp") for key in conf)
    assert {conf["ssl_options.versions.1"], conf["ssl_options.versions.2"]} == {"tlsv1.2", "tlsv1.3"}


def test_tls_between_nodes(rendered: Rendered) -> None:
    """Each proves itself to the other; its certificate is good for both ends."""
    options = _files(rendered)["inter_node_tls.config"]
    assert options.count("{verify, verify_peer}") == 2
    assert "{fail_if_no_peer_cert, true}" in options
    usages = rendered.one("Certificate", "rabbitmq-tls").body["spec"]["usages"]
    assert {"server auth", "client auth"} <= set(usages)


def test_users(rendered: Rendered) -> None:
    """One a role, none called guest, no anonymous; hashes only, and those in a Secret."""
    conf = _conf(rendered)
    assert conf["anonymous_login_user"] == "none"
    assert conf["definitions.skip_if_unchanged"] == "true"
    assert "users" not in json.loads(_files(rendered)["10-vhost.json"])
    secret = next(one for one in rendered.registered if one.name == "rabbitmq-secrets")
    users = json.loads(_reveal(secret.inputs["stringData"])["20-users.json"])["users"]
    assert {"worker", "relay", "keda", "beat"} <= {user["name"] for user in users}
    assert "guest" not in {user["name"] for user in users}
    assert all(user["password_hash"] and "password" not in user for user in users)


def _reveal(value: Any) -> Any:
    value = getattr(value, "value", value)
    return {key: getattr(inner, "value", inner) for key, inner in value.items()}


def test_limits(rendered: Rendered) -> None:
    """Delivery limit, length, overflow, dead letters: policies, because these can change while messages wait."""
    policies = {one["name"]: one["definition"] for one in json.loads(_files(rendered)["10-vhost.json"])["policies"]}
    for queue in ("interactive", "bulk", "external"):
        assert policies[queue]["delivery-limit"] == 20
        assert policies[queue]["overflow"] == "reject-publish"
        assert policies[queue]["dead-letter-strategy"] == "at-least-once"
        assert policies[queue]["dead-letter-routing-key"] == f"{queue}.dead"
        assert policies[queue]["consumer-timeout"] == rendered.stack.timings.consumer_timeout_seconds * 1000
        assert policies[f"{queue}.dead"]["delivery-limit"] == -1


def test_exact_plugins(both: dict[str, Rendered]) -> None:
    """And none else."""
    assert _files(both["prod"])["enabled_plugins"].strip() == (
        "[rabbitmq_management,rabbitmq_prometheus,rabbitmq_peer_discovery_k8s]."
    )


def test_hardened(rendered: Rendered) -> None:
    """The image's own user; to the rest the policies hold every pod."""
    assert _pod(rendered)["securityContext"]["runAsUser"] == 10001


def test_metrics_over_tls(rendered: Rendered) -> None:
    """All of them, and per queue only what alerts read."""
    endpoints = [
        one
        for name in ("rabbitmq", "rabbitmq-queues")
        for one in rendered.one("PodMonitor", name).body["spec"]["podMetricsEndpoints"]
    ]
    assert {one["scheme"] for one in endpoints} == {"https"}
    assert [one.get("path", "/metrics") for one in endpoints] == ["/metrics", "/metrics/detailed"]


def test_changed_files_start_pods_anew(both: dict[str, Rendered]) -> None:
    """By a hash on the template."""
    hashes = {
        _spec(one)["template"]["metadata"]["annotations"]["millrace.dev/config-hash"]
        for one in (*both.values(), _of_version("4.0"))
    }
    assert len(hashes) == 3


def test_the_table_names_tests_that_exist() -> None:
    """A row without a proof is a claim."""
    text = TABLE.read_text()
    named = re.findall(r"`(tests/\S+?\.py)(?:::(\w+))?`", text)
    assert len(named) > 30
    for path, name in named:
        source = ROOT / path
        assert source.is_file(), path
        assert not name or f"def {name}(" in source.read_text(), f"{path}::{name}"
