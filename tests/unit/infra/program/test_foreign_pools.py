"""The resources of a foreign pool, and those that it must not have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from app import contract
from infra.policy.model import Context
from infra.policy.registry import check
from infra.settings.load import SettingsError
from tests.unit.infra.stacks import Rendered, config_of, render

POOL = "worker-legacy"
DECLARED = """
[legacy]
purpose = "what the old application does"

[legacy.pool.application]
image = "registry.example.com/legacy:7"
command = ["celery", "-A", "legacy", "worker"]
environment = {LEGACY_SETTINGS = "late"}
publishes = ["bulk"]
"""


def _staging(folder: Path, text: str = DECLARED, **pools: Any) -> Rendered:
    file = folder / "queues.toml"
    file.write_text(contract.DEFAULT_QUEUES_FILE.read_text() + text)
    config = config_of("staging") | {"millrace:queues": str(file)}
    workloads = json.loads(config["millrace:workloads"])
    workloads["pools"] |= pools
    return render("staging", config | {"millrace:workloads": json.dumps(workloads)})


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Staging with it, and with an image of the stack's own."""
    own = {"application": {"image": "registry.example.com/legacy:8"}, "scaling": {"kind": "fixed", "replicas": 3}}
    return _staging(tmp_path_factory.mktemp("foreign"), legacy=own)


def test_it_has_what_a_pool_has_and_nothing_of_ours(staging: Rendered) -> None:
    """No certificate, no metrics, no scaler where the number is fixed."""
    kinds = {one.kind for one in staging.manifests if one.name == POOL}

    assert kinds == {"Deployment", "NetworkPolicy", "PodDisruptionBudget", "ServiceAccount"}
    assert staging.one("Deployment", POOL).body["spec"]["replicas"] == 3


def test_its_container_is_the_applications(staging: Rendered) -> None:
    """Image, command and environment as declared; of our secrets only its own, and the CA."""
    [container] = staging.one("Deployment", POOL).body["spec"]["template"]["spec"]["containers"]
    [volume] = [
        one for one in staging.one("Deployment", POOL).body["spec"]["template"]["spec"]["volumes"] if "projected" in one
    ]

    assert (container["image"], container["args"]) == (
        "registry.example.com/legacy:8",
        ["celery", "-A", "legacy", "worker"],
    )
    told = {one["name"]: one["value"] for one in container["env"]}
    assert (told["LEGACY_SETTINGS"], told["MILLRACE_WORKER_CONCURRENCY"]) == ("late", "2")
    assert not [name for name in told if "USER" in name or "HOST" in name]
    assert {source["secret"]["name"] for source in volume["projected"]["sources"]} == {
        "authority-tls",
        f"{POOL}-passwords",
    }
    assert "livenessProbe" not in container
    assert container["readinessProbe"]["exec"]["command"][0] == "grep"


def test_its_secret_is_a_broker_url(staging: Rendered) -> None:
    """What Celery takes as it is."""
    secret = staging.registration(staging.one("Secret", f"{POOL}-passwords")).inputs["stringData"].value

    assert secret == {
        "rabbitmq_user": POOL,
        "rabbitmq_password": f"marked-{POOL}-rabbitmq",
        "broker_url": f"amqps://{POOL}:marked-{POOL}-rabbitmq@rabbitmq.millrace-data.svc:5671/millrace",
    }


def test_it_may_talk_to_the_broker_alone(staging: Rendered) -> None:
    """Its pods reach neither PostgreSQL nor Redis, and no pod reaches them."""
    spec = staging.one("NetworkPolicy", POOL).body["spec"]

    assert [rule["ports"] for rule in spec["egress"]] == [[{"port": contract.PORT_AMQPS, "protocol": "TCP"}]]
    assert spec["ingress"] == []


def test_its_user_reads_its_queue_and_ours_do_not(staging: Rendered) -> None:
    """A foreign pool reads its own queue only, and its remote control does not use our names."""
    [secret] = [one for one in staging.registered if one.name == "rabbitmq-secrets"]
    users = json.loads(getattr(secret.inputs["stringData"], "value", secret.inputs["stringData"])["20-users.json"])
    allowed = {one["user"]: one for one in users["permissions"]}
    topics = {one["exchange"]: one["write"] for one in users["topic_permissions"] if one["user"] == POOL}

    for name, may in {"legacy": True, "bulk": False, "legacy.dead": False, "celery.pidbox": False}.items():
        assert (re.search(allowed[POOL]["read"], name) is not None) is may, name
    assert not re.search(allowed["worker"]["read"], "legacy")
    for name, may in {"worker-legacy.pidbox": True, "legacy": False, "tasks": False, "celery.pidbox": False}.items():
        assert (re.search(allowed[POOL]["configure"], name) is not None) is may, name
    assert topics["tasks"] == "^(legacy|bulk)$"
    assert not re.search(allowed[POOL]["write"], "celery.pidbox")
    assert not re.search(allowed[POOL]["write"], "amq.default")


def test_nobody_sends_it_canaries_or_asks_for_its_metrics(staging: Rendered) -> None:
    """There are no canaries or metrics for it; an alert watches that it consumes."""
    rules = json.dumps(staging.one("PrometheusRule", "millrace").body)

    missing = next(line for line in re.findall(r'queue=~\\"([^"]*)\\"', rules) if "legacy" not in line)
    assert missing == "interactive|bulk|external"
    assert 'queue=~\\"interactive|bulk|external|legacy\\"' in rules


def test_the_stack_keeps_every_policy(staging: Rendered) -> None:
    """The probe of a pool that declares none included."""
    assert [str(violation) for violation in check(staging.bodies(), Context("staging"))] == []


@pytest.mark.parametrize(
    ("text", "pools", "words"),
    [
        (DECLARED.replace('"bulk"', '"bluk"'), {}, "legacy: application.publishes: there is no queue bluk"),
        (
            "",
            {"bulk": {"application": {"image": "a:1"}}},
            "bulk: application: only the file of queues may say",
        ),
        (DECLARED + "probes = 1\n", {}, r"application.probes: nobody reads this key"),
        (
            DECLARED,
            {
                "legacy": {
                    "concurrency": 64,
                    "resources": {"memory": "8Gi"},
                    "scaling": {"kind": "fixed", "replicas": 99},
                }
            },
            "connections of a node .*legacy has most",
        ),
    ],
)
def test_what_could_not_work_is_refused(tmp_path: Path, text: str, pools: dict[str, Any], words: str) -> None:
    """With the pool's name and the way out."""
    with pytest.raises(SettingsError, match=words):
        _staging(tmp_path, text, **pools)
