"""A queue of one line in the stack's file is everywhere: who works on it, who may talk to whom, who watches it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from app import contract
from infra.render.recorder import SecretValue
from tests.unit.infra.stacks import Rendered, config_of, render

ADDED = '\n[invoices]\npurpose = "bills of customers"\n\n[letters]\npurpose = "on paper"\n'
#: Of `letters`; `invoices` is as the file has it.
OVERRIDE = {"concurrency": 4, "scaling": {"kind": "keda-queue", "targetWaitSeconds": 5}}
Key = tuple[str, str, str]


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Staging with two queues more."""
    file = tmp_path_factory.mktemp("queues") / "queues.toml"
    file.write_text(contract.DEFAULT_QUEUES_FILE.read_text() + ADDED)
    config = config_of("staging") | {"millrace:queues": str(file)}
    workloads = json.loads(config["millrace:workloads"])
    workloads["pools"]["letters"] = OVERRIDE
    return render("staging", config | {"millrace:workloads": json.dumps(workloads)})


def _objects(rendered: Rendered) -> dict[Key, Mapping[str, Any]]:
    return {(one.kind, one.namespace, one.name): one.body for one in rendered.manifests}


def _generated(name: str) -> str:
    """Without the part that is made of the content."""
    return re.sub(r"-[0-9a-f]{8}$", "", name)


def test_a_queue_brings_all_that_a_pool_has(both: dict[str, Rendered], more: Rendered) -> None:
    """And nothing else; what scales it is as the stack says."""
    before = {(kind, _generated(name)) for kind, _, name in _objects(both["staging"])}
    added = {(kind, _generated(name)) for kind, _, name in _objects(more)} - before

    of_each = {"Deployment", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor", "ServiceAccount"}
    assert added == {
        *((kind, f"worker-{queue}") for kind in of_each for queue in ("invoices", "letters")),
        *(("Certificate", f"worker-{queue}-tls") for queue in ("invoices", "letters")),
        ("HorizontalPodAutoscaler", "worker-invoices"),
        ("ScaledObject", "worker-letters"),
    }
    [trigger] = more.one("ScaledObject", "worker-letters").body["spec"]["triggers"]
    # 4 children, 0.2 s a task, 5 s to wait.
    assert (trigger["metadata"]["queueName"], trigger["metadata"]["value"]) == ("letters", "100")


def test_its_workers_work_on_it(more: Rendered) -> None:
    """With what the stack and the defaults say."""
    found = {
        name: {one["name"]: one["value"] for one in _pod(more.one("Deployment", name).body)["containers"][0]["env"]}
        for name in ("worker-invoices", "worker-letters")
    }

    assert found["worker-invoices"]["MILLRACE_WORKER_QUEUE"] == "invoices"
    assert found["worker-letters"]["MILLRACE_WORKER_QUEUE"] == "letters"
    assert found["worker-invoices"]["MILLRACE_WORKER_CONCURRENCY"] == "2"
    assert found["worker-letters"]["MILLRACE_WORKER_CONCURRENCY"] == "4"


def test_it_is_let_in_where_workers_go(more: Rendered) -> None:
    """By the servers' policies as by its own."""
    for server in ("rabbitmq", "pgbouncer", "redis"):
        policy = more.one("NetworkPolicy", server).body["spec"]
        peers = [peer.get("podSelector", {}) for rule in policy["ingress"] for peer in rule["from"]]
        names = {peer.get("matchLabels", {}).get("app.kubernetes.io/name") for peer in peers}
        assert {"worker-invoices", "worker-letters"} <= names, server


def test_the_broker_knows_it(more: Rendered) -> None:
    """Policies of the queue and of its dead letters; permissions of who reads them."""
    vhost = json.loads(more.one("ConfigMap", "rabbitmq-config").body["data"]["10-vhost.json"])
    policies = {one["name"]: one["definition"] for one in vhost["policies"]}
    assert policies["invoices"]["dead-letter-routing-key"] == "invoices.dead"
    assert policies["invoices.dead"] == {"delivery-limit": -1}

    [secret] = [one for one in more.registered if one.name == "rabbitmq-secrets"]
    data = secret.inputs["stringData"]
    values = data.value if isinstance(data, SecretValue) else data
    users = values["20-users.json"]
    permissions = json.loads(users.value if isinstance(users, SecretValue) else users)["permissions"]
    reads = {one["user"]: one["read"] for one in permissions}
    assert re.search(reads["worker"], "invoices")
    assert re.search(reads["archiver"], "invoices.dead")


def test_alerts_watch_it(more: Rendered) -> None:
    """Who nobody consumes is said; who promised no time is not called late."""
    [rules] = more.bodies("PrometheusRule")
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]
    [alone] = [rule for rule in alerts if rule["alert"] == "QueueWithoutConsumers"]
    assert 'queue=~"interactive|bulk|external|invoices|letters"' in alone["expr"]
    [late] = [rule for rule in alerts if rule["alert"] == "CanaryLate"]
    assert "interactive" in late["expr"]


def _pod(body: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = body["spec"]
    found: Mapping[str, Any] = spec.get("jobTemplate", {}).get("spec", spec)["template"]["spec"]
    return found


def _app_pods(rendered: Rendered) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for body in rendered.bodies("Deployment", "StatefulSet", "Job", "CronJob"):
        pod = _pod(body)
        if "/millrace-app:" in f"/{pod['containers'][0]['image']}":
            yield body["metadata"]["name"], pod


def test_every_pod_of_the_application_reads_the_stacks_file(more: Rendered) -> None:
    """The same text, read-only, in each of its containers; the file in the image is nobody's."""
    [config] = [one for one in more.bodies("ConfigMap") if one["metadata"]["name"].startswith("queues-")]
    assert config["data"] == {"queues.toml": contract.DEFAULT_QUEUES_FILE.read_text() + ADDED}
    pods = dict(_app_pods(more))
    assert len(pods) == 14
    for name, pod in pods.items():
        [volume] = [one for one in pod["volumes"] if one["name"] == "config"]
        [source] = volume["projected"]["sources"]
        assert source["configMap"]["name"] == config["metadata"]["name"], name
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            environment = {one["name"]: one.get("value") for one in container["env"]}
            [mount] = [one for one in container["volumeMounts"] if one["name"] == "config"]
            assert mount["readOnly"] is True
            assert environment["MILLRACE_QUEUES_FILE"] == f"{mount['mountPath']}/queues.toml", name


def test_another_file_starts_every_pod_of_the_application_anew(both: dict[str, Rendered], tmp_path: Path) -> None:
    """Also the Jobs, of which the one declares queues. Servers go on: nothing of theirs is in what changed."""
    file = tmp_path / "queues.toml"
    file.write_text(contract.DEFAULT_QUEUES_FILE.read_text().replace('"lists and', '"long lists and'))
    after = render("staging", config_of("staging") | {"millrace:queues": str(file)})
    ours = {name for name, _ in _app_pods(both["staging"])}
    old, new = _objects(both["staging"]), _objects(after)
    changed = {name for key, body in old.items() for name in [key[2]] if new.get(key) != body}

    [config] = [name for kind, _, name in old if kind == "ConfigMap" and name.startswith("queues-")]
    assert changed == ours | {config}


def test_the_rules_are_yaml_that_prometheus_reads(more: Rendered) -> None:
    """What the template leaves for Prometheus is still there."""
    text = yaml.safe_dump(dict(more.bodies("PrometheusRule")[0]))
    assert "{{ $value" in text
    assert "[[" not in text
