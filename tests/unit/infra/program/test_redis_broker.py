"""The stack whose broker is Redis: who is told, who may reach it, what is not there, how it is scaled and watched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from app import contract
from infra.connections import connections
from infra.policy.model import Context
from infra.policy.registry import check
from infra.servers import hashes
from infra.servers.redis_broker import rules
from infra.settings.load import SettingsError, parse
from tests.unit.infra.program import test_network_matrix as matrix
from tests.unit.infra.stacks import Rendered, config_of, config_of_redis, render


def _config(stack: str = "staging", **more: Any) -> dict[str, str]:
    return config_of(stack) | {"millrace:broker": json.dumps(config_of_redis() | more)}


@pytest.fixture(scope="module")
def stack() -> Rendered:
    """Staging on it."""
    return render("staging", _config())


def _containers(stack: Rendered, *kinds: str) -> dict[str, Mapping[str, Any]]:
    found = {}
    for body in stack.bodies(*kinds):
        spec = body["spec"]["jobTemplate"]["spec"] if body["kind"] == "CronJob" else body["spec"]
        [found[body["metadata"]["name"]]] = spec["template"]["spec"]["containers"]
    return found


def test_it_keeps_every_rule(stack: Rendered) -> None:
    """As the stacks on RabbitMQ do."""
    assert [str(violation) for violation in check(stack.bodies(), Context("staging"))] == []


def test_its_policies_are_the_table(stack: Rendered) -> None:
    """Over all pairs of ends and all ports; and no port of RabbitMQ is in it."""
    table = matrix._table(stack)
    assert matrix._matrix(stack, stack.bodies("NetworkPolicy")) == table
    clients = {source for source, target, _ in table if target == "redis-broker"}
    workers = {f"worker-{name}" for name in ("interactive", "bulk", "external")}
    assert clients == {"relay", "archiver", "topology", "operator", "KEDA", *workers}
    assert {port for _, target, port in table if target == "redis-broker"} == {contract.PORT_REDIS}
    assert contract.PORT_AMQPS not in {port for _, _, port in table}
    named = {end.name for one in connections(stack.stack) for end in (one.source, one.destination)}
    assert {pod.name for pod in matrix._pods(stack)} <= named


def test_nothing_of_rabbitmq_is_there(stack: Rendered) -> None:
    """No object, no password; and no Flower, which would have nothing to show."""
    names = [manifest.name for manifest in stack.manifests]
    assert not [name for name in names if "rabbitmq" in name or "flower" in name]
    assert not [one.name for one in stack.registered if one.name.endswith("-rabbitmq")]


def test_every_process_is_told(stack: Rendered) -> None:
    """The gateway too, which refuses at the request; and where it is, who talks to it."""
    for name, container in _containers(stack, "Deployment", "CronJob").items():
        if "millrace-app" in container["image"]:
            environment = {one["name"]: one.get("value") for one in container["env"]}
            assert environment["MILLRACE_BROKER"] == "redis", name
            if name.startswith(("relay", "worker", "archiver", "operator")):
                assert environment["MILLRACE_REDIS_BROKER_HOST"] == "redis-broker.millrace-data.svc", name


def test_it_forgets_nothing_that_it_answered(stack: Rendered) -> None:
    """On disk before the answer, nothing evicted; the Redis of results stays as it was."""
    [settings] = [one.body["data"]["redis.conf"] for one in stack.manifests if one.name == "redis-broker-config"]
    assert {"appendfsync always", "maxmemory-policy noeviction", "port 0"} <= set(settings.splitlines())
    [results] = [one.body["data"]["redis.conf"] for one in stack.manifests if one.name == "redis-config"]
    assert "appendfsync everysec" in results


def test_its_users_are_those_of_queues(stack: Rendered) -> None:
    """Each has the password that its process is given, and the commands and keys of its role."""
    given = stack.registration(stack.one("Secret", "redis-broker-secrets")).inputs["stringData"].value["users.acl"]
    lines = str(getattr(given, "value", given)).splitlines()
    known = rules([queue.name for queue in stack.stack.queues])
    assert {line.split()[1] for line in lines} == {"default", *known}
    for role, rule in known.items():
        password = hashes.redis(f"marked-{role}-redis-broker")
        assert f"user {role} reset on {password} {rule}" in lines


def test_the_scaler_adds_up_what_waits_and_what_is_held(stack: Rendered) -> None:
    """Else a pool that is busy with all of its messages would look idle."""
    [scaled] = stack.bodies("ScaledObject")
    spec = scaled["spec"]
    assert [one["metadata"]["listName"] for one in spec["triggers"]] == ["interactive", "interactive:held"]
    modifiers = spec["advanced"]["scalingModifiers"]
    assert modifiers["formula"] == " + ".join(one["name"] for one in spec["triggers"])
    [authentication] = stack.bodies("TriggerAuthentication")
    assert {one["authenticationRef"]["name"] for one in spec["triggers"]} == {authentication["metadata"]["name"]}
    given = {
        one["parameter"]
        for one in authentication["spec"]["configMapTargetRef"] + authentication["spec"]["secretTargetRef"]
    }
    assert given == {"address", "tls", "username", "password", "ca"}


def test_queues_are_watched_by_the_relays_counts(stack: Rendered) -> None:
    """Nobody else counts them; on RabbitMQ its own metrics do."""
    [rules] = stack.bodies("PrometheusRule")
    found = {rule["alert"]: rule["expr"] for group in rules["spec"]["groups"] for rule in group["rules"]}
    for alert in ("QueueTooLong", "QueueDrainsSlowly"):
        assert contract.METRIC_BROKER_MESSAGES in found[alert]
    assert not [expression for expression in found.values() if "rabbitmq_" in expression]


@pytest.mark.parametrize(
    ("stack", "more", "says"),
    [
        ("prod", {}, "broker redis is one server, and nothing is executed while its node is gone: choose broker"),
        ("staging", {"topology": "sentinel"}, "clients ask no sentinels: leave it out, or choose broker rabbitmq"),
        ("staging", {"storage": "512Mi"}, "storage 512Mi is less than twice memory 512Mi"),
        ("staging", {"nodes": 3}, "nodes: Redis as the broker is one server"),
        (
            "staging",
            {"resources": {"cpu": "1", "cpuLimit": "1", "memory": "16Mi"}},
            r"broker.resources.memory 16Mi: .* clients at their largest number, and room for 64 .*: give it",
        ),
    ],
)
def test_what_it_cannot_be_is_refused(stack: str, more: Mapping[str, Any], says: str) -> None:
    """With the path, the value and the way out."""
    with pytest.raises(SettingsError, match=says):
        parse(_config(stack, **more), stack)


def test_a_producer_is_refused(tmp_path: Any) -> None:
    """Redis does not say who sent a message; planted: a queue with a producer."""
    file = tmp_path / "queues.toml"
    text = contract.DEFAULT_QUEUES_FILE.read_text()
    file.write_text(text.replace("[bulk]\n", '[bulk]\nproducers = ["billing"]\n'))
    with pytest.raises(SettingsError, match=r"queues: \[bulk\] producers: Redis does not say who sent a message"):
        parse(_config() | {"millrace:queues": str(file)}, "staging")
