"""What a stack may not say is refused with its path, its value and the way out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.aws.recorder import FOLDER
from infra.aws.settings.load import parse
from infra.settings.load import SettingsError, read_stack_file

SQS = {"kind": "sqs", "kedaNamespace": "keda"}
#: Stack, way to a value, the value, and what the refusal says.
REFUSED: list[tuple[str, str, Any, str]] = [
    ("prod", "account", "12345", "account"),
    ("prod", "region", "Frankfurt", "region"),
    ("prod", "acount", "1", "did you mean account?"),
    ("prod", "network.cidr", "8.8.0.0/16", "is not private: take one of 10.0.0.0/8"),
    ("prod", "network.cidr", "10.20.0.0/24", "a /20 is the least"),
    ("prod", "network.cidr", "10.20.1.0/16", "has host bits set"),
    ("prod", "network.cidr", "172.16.0.0/12", "no more than a /16"),
    ("prod", "network.cidr", "172.20.0.0/16", "overlaps 172.20.0.0/16, the addresses of services"),
    ("prod", "network.zones", ["eu-central-1a", "eu-central-1a", "eu-central-1b"], "name three different ones"),
    ("prod", "network.zones", ["eu-west-1a", "eu-west-1b", "eu-west-1c"], "eu-west-1a is not in region eu-central-1"),
    ("prod", "application", "Pulumi.staging.yaml", "application is a stack of staging and environment is prod"),
    ("prod", "application", "Pulumi.nowhere.yaml", "name a stack file of the main program"),
    ("prod", "network.cidr", "10.21.0.0/16", "write the subnets into its aws.cidrs"),
    ("prod", "database.instanceClass", "db.t4g.small", "sessions of all processes at their largest number"),
    ("prod", "broker", SQS, "broker.kind sqs: the application speaks to amazonmq: choose the same in both"),
    ("prod", "cluster.version", "1.20", "cluster.version"),
    ("prod", "cluster.adminRoles", [], "cluster.adminRoles"),
    ("prod", "cluster.adminRoles", ["arn:aws:iam::999999999999:role/x"], "is not in account 123456789012"),
    ("prod", "cluster.addons", {"coredns": "v1.13.1-eksbuild.1"}, "addons lack vpc-cni, kube-proxy"),
    ("prod", "cluster.addons.kube-proxy", "v1.36.0-eksbuild.1", "does not go with version 1.35"),
    ("prod", "cluster.addons.coredns", "latest", "cluster.addons.coredns"),
    ("prod", "cluster.nodes.maxPerZone", 2, "leaves no node to spare beside minPerZone 2"),
    ("prod", "cluster.nodes.instanceType", "m7i.large", "cluster.nodes.instanceType"),
    ("prod", "database.maxStorageGib", 210, "write 220 or more"),
    ("prod", "database.storageGib", 10, "database.storageGib"),
    ("prod", "database.multiAz", False, "prod survives the loss of a zone"),
    ("prod", "database.backupDays", 7, "prod keeps 14 or more"),
    ("prod", "database.backupDays", 36, "database.backupDays"),
    ("prod", "database.instanceClass", "db.t4g.medium", "slowed down when its credits are used up"),
    ("prod", "database.version", "17", "database.version"),
    ("prod", "cache.nodes", 2, "prod has one in each of three zones"),
    ("prod", "cache.nodeType", "cache.t4g.small", "slowed down when its credits are used up"),
    ("prod", "broker.version", "3.13", "broker.version"),
    ("prod", "broker.heartbeatSeconds", 10, "broker.heartbeatSeconds"),
    ("prod", "broker.instanceType", "mq.m7g.medium", "is for tests"),
    ("prod", "broker.consumerTimeoutSeconds", 60, "write the same in both"),
    ("prod", "broker.maintenance", "sunday", "broker.maintenance"),
    ("staging", "broker.maxReceiveCount", 1001, "broker.maxReceiveCount"),
    ("staging", "broker.retentionDays", 15, "broker.retentionDays"),
    ("staging", "broker.kind", "kafka", "broker"),
    ("prod", "logs.retentionDays", 100, "logs.retentionDays"),
    ("prod", "watch.emails", [], "watch.emails"),
    ("prod", "watch.monthlyUsd", 0, "watch.monthlyUsd"),
]


def changed(stack: str, way: str, value: Any) -> dict[str, str]:
    """A stack's configuration with one value changed."""
    config = read_stack_file(FOLDER / f"Pulumi.{stack}.yaml")
    first, *rest = way.split(".")
    key = f"millrace-aws:{first}"
    if not rest:
        return {**config, key: value if isinstance(value, str) else json.dumps(value)}
    whole = json.loads(config[key])
    inner = whole
    for step in rest[:-1]:
        inner = inner[step]
    inner[rest[-1]] = value
    return {**config, key: json.dumps(whole)}


@pytest.mark.parametrize(("stack", "way", "value", "said"), REFUSED)
def test_it_is_refused(stack: str, way: str, value: Any, said: str) -> None:
    """Before anything is changed."""
    with pytest.raises(SettingsError) as refused:
        parse(changed(stack, way, value), f"Pulumi.{stack}.yaml")
    assert said in str(refused.value)
    assert f"Pulumi.{stack}.yaml is refused; nothing was changed" in str(refused.value)


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_the_example_is_taken(stack: str) -> None:
    """Each network is its own, so that both can be joined."""
    settings = parse(read_stack_file(FOLDER / f"Pulumi.{stack}.yaml"), stack)
    assert settings.environment == stack
    assert len(set(settings.network.subnets.values())) == 3


def test_a_provider_setting_is_refused() -> None:
    """Region and account are said once."""
    config = {**read_stack_file(FOLDER / "Pulumi.prod.yaml"), "aws:region": "us-east-1"}
    with pytest.raises(SettingsError, match="nobody reads the namespace 'aws'"):
        parse(config, "Pulumi.prod.yaml")


def test_more_connections_than_amazon_mq_takes_are_refused(tmp_path: Path) -> None:
    """The application alone knows how many there will be, and infra/aws alone how large the broker is."""
    file = tmp_path / "Pulumi.prod-aws.yaml"
    document = yaml.safe_load((FOLDER.parents[1] / file.name).read_text())
    config = document["config"]
    config["millrace:pgbouncer"]["resources"]["memory"] = "1Gi"
    large = {"concurrency": 16, "resources": {"memory": "8Gi"}, "scaling": {"maxReplicas": 200}}
    config["millrace:workloads"]["pools"]["bulk"] = large
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(SettingsError) as refused:
        parse(changed("prod", "application", str(file)), "Pulumi.prod.yaml")
    assert "broker.instanceType mq.m7g.large: " in str(refused.value)
    assert "connections of a node while another is down, and Amazon MQ takes 1500" in str(refused.value)
