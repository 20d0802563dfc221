"""Both stacks keep every rule, and each rule finds what it is for: one resource of prod is made bad at a time."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.aws.rules.data import KEYS, STATEFUL
from infra.aws.rules.reading import manifests
from infra.aws.rules.registry import RULES, check
from infra.policy.model import Context
from infra.render.recorder import Registered

Stacks = Callable[[str], tuple[Registered, ...]]
Bad = dict[str, Any]


def _made(kind: str, **spec: Any) -> Bad:
    return {"kind": kind, "metadata": {"name": "planted"}, "spec": spec}


def _policy(kind: str, field: str, **statement: Any) -> Bad:
    said = {"Sid": "Planted", "Effect": "Allow", **statement}
    return _made(kind, **{field: json.dumps({"Version": "2012-10-17", "Statement": [said]})})


#: Rule, and a resource that breaks it.
PLANTED: list[tuple[str, Bad]] = [
    ("no-internet", _made("aws:ec2/internetGateway:InternetGateway")),
    ("no-internet", _made("aws:ec2/natGateway:NatGateway")),
    ("no-internet", _made("aws:ec2/route:Route", destinationCidrBlock="0.0.0.0/0")),
    ("no-internet", _made("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", cidrIpv4="0.0.0.0/0")),
    ("no-internet", _made("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", ingress=[{"self": True}])),
    ("no-internet", _made("aws:ec2/securityGroup:SecurityGroup", egress=[{"cidrBlocks": ["0.0.0.0/0"]}])),
    ("not-public", _made("aws:ec2/subnet:Subnet", mapPublicIpOnLaunch=True)),
    ("not-public", _made("aws:rds/instance:Instance")),
    ("not-public", _made("aws:mq/broker:Broker", publiclyAccessible=True)),
    ("not-public", _made("aws:eks/cluster:Cluster", vpcConfig={"endpointPublicAccess": True})),
    ("not-public", _made("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", blockPublicAcls=True)),
    *(("encrypted", _made(kind)) for kind in KEYS),
    ("encrypted", _made("aws:sqs/queue:Queue", kmsMasterKeyId="alias/aws/sqs")),
    ("encrypted", _made("aws:kms/key:Key", enableKeyRotation=False, deletionWindowInDays=30)),
    ("tls-only", _made("aws:sqs/queue:Queue")),
    ("tls-only", _made("aws:s3/bucket:Bucket")),
    *(("kept-in-prod", {**_made(kind), "protect": False, "retainOnDelete": False}) for kind in STATEFUL),
    *(
        ("kept-in-prod", {**_made(kind), "protect": True, "retainOnDelete": True})
        for kind, say in STATEFUL.items()
        if say
    ),
    ("no-wildcards", _policy("aws:iam/rolePolicy:RolePolicy", "policy", Action=["sqs:*"], Resource=["arn:aws:sqs:x"])),
    ("no-wildcards", _policy("aws:iam/policy:Policy", "policy", Action="sqs:SendMessage", Resource="*")),
    ("no-wildcards", _policy("aws:sqs/queuePolicy:QueuePolicy", "policy", Action="sqs:SendMessage", Principal="*")),
    (
        "no-wildcards",
        _policy("aws:kms/key:Key", "policy", Action="kms:*", Principal={"Service": ["ec2.amazonaws.com"]}),
    ),
    ("no-wildcards", _policy("aws:ec2/vpcEndpoint:VpcEndpoint", "policy", Action="sqs:*", Principal="*", Resource="*")),
    ("nothing-to-copy", _made("aws:iam/user:User")),
    ("nothing-to-copy", _made("aws:iam/accessKey:AccessKey")),
    ("policy-fits", _policy("aws:iam/policy:Policy", "policy", Action="sqs:SendMessage", Resource=["arn"] * 2000)),
]


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_a_stack_keeps_every_rule(stack: str, registered: Stacks) -> None:
    """As `infra/aws` has it."""
    assert [str(found) for found in check(manifests(registered(stack)), Context(stack))] == []  # type: ignore[arg-type]


@pytest.mark.parametrize(("rule", "bad"), PLANTED)
def test_a_rule_finds_what_is_planted(rule: str, bad: Bad) -> None:
    """Alone, so that nothing else excuses it."""
    assert rule in {found.rule for found in check([bad], Context("prod"))}


def test_every_rule_has_a_bad_resource() -> None:
    """A rule that never fails may not work."""
    assert {rule.name for rule in RULES} == {rule for rule, _ in PLANTED}


def test_a_queue_policy_that_allows_plain_http_is_found(registered: Stacks) -> None:
    """The condition is what matters, not that there is a policy."""
    found = copy.deepcopy([dict(one) for one in manifests(registered("staging"))])
    for one in found:
        if one["kind"] == "aws:sqs/queuePolicy:QueuePolicy":
            one["spec"]["policy"] = one["spec"]["policy"].replace('"false"', '"true"')
    broken = {one.resource for one in check(found, Context("staging")) if one.rule == "tls-only"}
    assert len(broken) == len([one for one in found if one["kind"] == "aws:sqs/queue:Queue"]) > 0


def test_no_password_is_in_plain_text(registered: Stacks) -> None:
    """Passwords are secrets wherever they go; the recorder hides what is marked."""
    for stack in ("staging", "prod"):
        assert "marked-" not in repr([one.inputs for one in registered(stack)])
